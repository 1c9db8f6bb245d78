/** Interactions: how strongly pairs of features act together, where that is stored. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Bars } from "../charts/bars";
import { Matrix } from "../charts/matrix";
import { Check, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Ramp, useColors } from "../components/legend";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import type { Settings } from "../state/codec";
import { definePanel, type Given } from "../panel";

export const interactionsPanel = definePanel<"interactions", never>({
  id: "interactions",
  title: "interactions.title",
  about: "interactions.about",
  group: "model",
  needs: ["interactions"],
  component: InteractionsPanel,
});

const MOST_FEATURES = 40;
const MOST_PAIRS = 12;

interface Pair {
  readonly a: number;
  readonly b: number;
  readonly value: number;
}

function InteractionsPanel({ interactions }: Given<"interactions", never>): JSX.Element {
  const { store, explanation, t, format } = useApp();
  const output = useOutput();
  const topK = useShown((state) => state.topK);
  const colors = useColors();
  const [{ diagonal }, set] = useSettings("interactions", { diagonal: false as boolean });
  const { positions, matrices } = interactions;
  const { features, info } = explanation;
  const k = positions.length;
  const most = Math.min(MOST_FEATURES, k);
  const count = Math.max(Math.min(2, k), Math.min(topK, most));
  const names = useMemo(
    () => Array.from(positions.subarray(0, count), (position) => shown(features[position], 40)),
    [positions, count],
  );
  const at = (a: number, b: number): number => matrices[output][a * k + b];
  const pairs = useMemo(() => strongest(matrices[output], k), [matrices, output, k]);
  const open = (a: number, b: number): void => {
    const color: Settings = a === b ? {} : { "dependence.color": `f${positions[b]}` };
    store.set({ panel: "dependence", feature: positions[a], settings: { ...store.state.settings, ...color } });
  };
  const pairName = ({ a, b }: Pair): string => `${features[positions[a]]} × ${features[positions[b]]}`;
  const text = format.series(pairs.map(({ value }) => value));
  const title =
    info.outputs.length > 1
      ? `${t("interactions.value")}: ${shown(info.outputs[output], 60)}`
      : t("interactions.value");
  const table = (): TableData => ({
    columns: [t("local.feature"), t("local.feature"), t("interactions.value")],
    rows: pairs.map(({ a, b, value }) => [features[positions[a]], features[positions[b]], value]),
  });
  return (
    <>
      <div class="xd-controls">
        <Slider
          label={t("control.topK")}
          min={Math.min(2, k)}
          max={most}
          value={count}
          onChange={(value) => store.set({ topK: value })}
        />
        <Check label={t("interactions.diagonal")} checked={diagonal} onChange={(chosen) => set({ diagonal: chosen })} />
      </div>
      <div class="xd-split">
        <Figure
          title={title}
          notes={[t("global.stored", { n: info.nRows }), t("interactions.note")]}
          table={table}
          legend={
            <div class="xd-legend">
              <span>0</span>
              <Ramp colors={colors.heat} />
              <span>{t("chart.high")}</span>
            </div>
          }
        >
          <Matrix
            rows={names}
            columns={names}
            value={(r, c) => (r === c && !diagonal ? NaN : at(r, c))}
            xLabel=""
            yLabel=""
            label={title}
            describe={(r, c) => ({
              title: r === c ? names[r] : `${names[r]} × ${names[c]}`,
              facts: [[t("interactions.value"), format.number(at(r, c))]],
            })}
            onSelect={open}
          />
        </Figure>
        <aside class="xd-card">
          <h3 class="xd-card-title">{t("interactions.pairs")}</h3>
          <Bars
            label={t("interactions.pairs")}
            stacked
            rows={pairs.slice(0, MOST_PAIRS).map((pair) => ({
              key: `${pair.a}/${pair.b}`,
              name: pairName(pair),
              from: 0,
              to: pair.value,
              value: pair.value,
              text: text(pair.value),
              tone: "plain",
              onSelect: () => open(pair.a, pair.b),
            }))}
          />
        </aside>
      </div>
    </>
  );
}

/** Pairs of two features, strongest first; ties keep the order of the features. */
function strongest(matrix: ArrayLike<number>, k: number): Pair[] {
  const pairs: Pair[] = [];
  for (let a = 0; a < k; a++) for (let b = a + 1; b < k; b++) pairs.push({ a, b, value: matrix[a * k + b] });
  return pairs.sort((one, other) => other.value - one.value).slice(0, 5000);
}
