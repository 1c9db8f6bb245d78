/** Summary importance: how the importances of each feature are spread over the rows. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { type Band, Spread } from "../charts/spread";
import { type Domain, extent, numberDomain } from "../charts/scale";
import type { Fact } from "../charts/tooltip";
import { Search, Segmented, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Ramp, useColors } from "../components/legend";
import { Message } from "../components/message";
import { useRowName } from "../components/rows";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import type { Aggregates, Figures } from "../model/explanation";
import type { Local } from "../model/local";
import type { Numbers } from "../model/parquet";
import { matching, ranked } from "../model/ranking";
import { figuresFrom } from "../model/stats";
import { definePanel, type Given } from "../panel";

type Parts = Given<"local", "data" | "labels" | "aggregates">;
type Kind = "swarm" | "box" | "violin";

export const summaryPanel = definePanel<"local", "data" | "labels" | "aggregates">({
  id: "summary",
  title: "summary.title",
  about: "summary.about",
  group: "model",
  needs: ["local"],
  wants: ["data", "labels", "aggregates"],
  component: SummaryPanel,
});

const MOST_BANDS = 100;

function SummaryPanel(parts: Parts): JSX.Element {
  const { store, explanation, t } = useApp();
  const { local, mask, aggregates } = parts;
  const output = useOutput();
  const topK = useShown((state) => state.topK);
  const search = useShown((state) => state.search);
  const [{ chart }, set] = useSettings("summary", { chart: "swarm" });
  const kind: Kind = chart === "box" || chart === "violin" ? chart : "swarm";
  // What is known of all rows is used where all rows are meant.
  const exact = mask === null && !local.ranked ? aggregates : null;
  const order = useMemo(() => orderOf(local, exact, output, explanation.features, mask), [local, exact, output, mask]);
  const found = useMemo(() => matching(order, explanation.features, search), [order, search]);
  const most = Math.min(MOST_BANDS, Math.max(1, order.length));
  return (
    <>
      <div class="xd-controls">
        <Segmented
          label={t("control.chart")}
          value={kind}
          choices={(["swarm", "box", "violin"] as const).map((value) => ({
            value,
            label: t(`summary.${value}`),
          }))}
          onChange={(value) => set({ chart: value })}
        />
        <Slider
          label={t("control.topK")}
          min={1}
          max={most}
          value={Math.min(topK, most)}
          onChange={(value) => store.set({ topK: value })}
        />
        <Search label={t("control.search")} value={search} onChange={(value) => store.set({ search: value })} />
      </div>
      {found.length === 0 ? (
        <Message>{search ? t("global.noMatch", { search: shown(search, 60) }) : t("chart.empty")}</Message>
      ) : (
        <SummaryChart {...parts} kind={kind} features={found} shown={Math.min(topK, most)} exact={exact} />
      )}
    </>
  );
}

interface SummaryChartProps extends Parts {
  kind: Kind;
  features: Int32Array;
  shown: number;
  exact: Aggregates | null;
}

function SummaryChart({
  local,
  data,
  labels,
  mask,
  kind,
  features,
  shown: count,
  exact,
}: SummaryChartProps): JSX.Element {
  const { store, explanation, t, format } = useApp();
  const output = useOutput();
  const row = useShown((state) => state.row);
  const colors = useColors();
  const { info } = explanation;
  const drawn = features.subarray(0, count);
  const figuresOf = (position: number): Figures =>
    exact?.of(output, position) ?? figuresFrom(local.values(output, position), mask);
  const bands = useMemo<Band[]>(
    () =>
      Array.from(drawn, (position) => {
        const column = data?.byName(explanation.features[position]);
        const values = local.values(output, position);
        return {
          name: shown(explanation.features[position], 60),
          values,
          shades: column && column.kind !== "category" ? column.values : null,
          figures: kind === "swarm" ? null : figuresOf(position),
        };
      }),
    [local, data, output, features, count, kind, exact, mask],
  );
  const x = useMemo<Domain>(() => {
    const ends = bands.flatMap(({ values, figures: known }) => [
      ...extent(values, mask),
      ...(known ? [known.min, known.max] : []),
    ]);
    return numberDomain(Math.min(0, ...ends), Math.max(0, ...ends));
  }, [bands, mask]);
  const rowName = useRowName(labels);
  const missing = t("row.missing");
  const describe = (band: number, place: number): { title: string; facts: Fact[] } => {
    const column = data?.byName(explanation.features[drawn[band]]);
    return {
      title: rowName(local.rows.position(place)),
      facts: [
        ...(column
          ? [[bands[band].name, shown(format.value(column.value(place), missing), 40)] as const]
          : ([[t("local.feature"), bands[band].name]] as const)),
        [t("local.importance"), format.signed(bands[band].values[place])],
      ],
    };
  };
  const names = ["meanAbs", "mean", "std", "min", "q05", "q25", "q50", "q75", "q95", "max"] as const;
  const columns = [
    t("local.feature"),
    t("figures.meanAbs"),
    t("figures.mean"),
    t("figures.std"),
    t("figures.min"),
    ...[0.05, 0.25, 0.5, 0.75, 0.95].map((share) => format.percent(share)),
    t("figures.max"),
  ];
  const table = (): TableData => ({
    columns,
    rows: Array.from(features, (position) => {
      const known = figuresOf(position);
      return [explanation.features[position], ...names.map((name) => known[name])];
    }),
  });
  const sampled = { n: local.rows.count, total: local.rows.total };
  const counted = mask === null ? local.rows.count : mask.reduce((sum, kept) => sum + kept, 0);
  const boxes =
    exact || counted === info.nRows
      ? t(exact && explanation.isStreamed ? "summary.boxSample" : "summary.boxAll", { n: info.nRows })
      : t("global.ofRows", { n: counted, total: info.nRows });
  const title =
    info.outputs.length > 1
      ? `${t("summary.importance")}: ${shown(info.outputs[output], 60)}`
      : t("summary.importance");
  return (
    <Figure
      title={title}
      notes={[
        kind === "swarm" && t("summary.pointsNote", sampled),
        kind === "violin" && t("summary.violinNote", sampled),
        kind !== "swarm" && t("summary.boxNote"),
        kind !== "swarm" && boxes,
      ]}
      table={table}
      legend={
        kind === "swarm" && (
          <div class="xd-legend">
            <span class="xd-legend-title">{t("summary.value")}</span>
            <span>{t("chart.low")}</span>
            <Ramp colors={colors.ramp} />
            <span>{t("chart.high")}</span>
            {bands.some(({ shades }) => shades === null) && (
              <span class="xd-swatch">
                <i class="xd-missing" />
                {t("summary.noValue")}
              </span>
            )}
          </div>
        )
      }
    >
      <Spread
        bands={bands}
        kind={kind}
        x={x}
        xLabel={t("summary.direction")}
        label={`${title}. ${t("info.features", { n: bands.length })}, ${t("info.rows", { n: local.rows.count })}.`}
        mask={mask}
        selected={row === null ? -1 : local.rows.find(row)}
        describe={describe}
        describeBand={(band) => ({
          title: bands[band].name,
          facts: names.map((name, i) => [columns[i + 1], format.number((bands[band].figures as Figures)[name])]),
        })}
        onSelect={(place) => store.set({ row: local.rows.position(place) })}
      />
    </Figure>
  );
}

/** Features with the largest mean absolute importance for the output first. */
function orderOf(
  local: Local,
  exact: Aggregates | null,
  output: number,
  names: readonly string[],
  mask: Uint8Array | null,
): Int32Array {
  const means = new Float64Array(names.length).fill(NaN);
  for (const position of local.features)
    means[position] = exact?.of(output, position)?.meanAbs ?? meanAbs(local.values(output, position), mask);
  return ranked(means, names, "importance");
}

/** Rows of which a cut left the feature out count as zero; NaN for a feature that no row has. */
function meanAbs(values: Numbers, mask: Uint8Array | null): number {
  let [sum, n, known] = [0, 0, 0];
  for (let row = 0; row < values.length; row++) {
    if (mask !== null && !mask[row]) continue;
    n++;
    if (Number.isNaN(values[row])) continue;
    known++;
    sum += Math.abs(values[row]);
  }
  return known ? sum / n : NaN;
}
