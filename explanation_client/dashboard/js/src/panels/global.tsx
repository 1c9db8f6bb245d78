/** Global importance: how much each feature matters over all rows. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useShown } from "../app";
import { type BarRow, Bars, barsSvg } from "../charts/bars";
import { Search, Segmented, Select, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message } from "../components/message";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import { globalBars, matching, ranked } from "../model/ranking";
import { definePanel, type Given } from "../panel";
import type { SortBy, State, Weighting } from "../state/store";

type Wants = "perClass" | "aggregates" | "local" | "labels";

export const globalPanel = definePanel<never, Wants>({
  id: "global",
  title: "global.title",
  about: "global.about",
  group: "model",
  needs: [],
  // Rows are read only where what is stored of all rows does not answer.
  wants: (state, explanation) => {
    const parts: Wants[] = ["perClass"];
    const byClass = state.weighting !== "average";
    if (state.signed || byClass || !explanation.global) parts.push("aggregates", "labels");
    const figures = explanation.has("aggregates", state.allRows);
    const stored = figures || (!state.signed && (byClass ? explanation.has("perClass") : explanation.global !== null));
    if (!stored || state.weighting === "predicted" || state.sort === "row" || state.cohort !== "") parts.push("local");
    return parts;
  },
  missing: ({ explanation }) =>
    explanation.global || explanation.has("perClass") || explanation.has("aggregates") || explanation.has("local")
      ? null
      : "need.global",
  component: GlobalPanel,
});

function GlobalPanel(parts: Given<never, Wants>): JSX.Element {
  const { store, explanation, t, format } = useApp();
  const state = useShown((found) => found);
  const output = useOutput();
  const { info, features } = explanation;
  const wanted = { weighting: state.weighting, output, signed: state.signed };
  const bars = useMemo(
    () => globalBars(explanation, wanted, { ...parts }),
    [
      explanation,
      wanted.weighting,
      output,
      wanted.signed,
      parts.perClass,
      parts.aggregates,
      parts.local,
      parts.labels,
      parts.mask,
    ],
  );
  const values = typeof bars === "string" ? null : bars.values;
  const rowValues = useMemo(() => selectedRow(parts, state, output, features.length), [parts.local, state.row, output]);
  const order = useMemo(
    () => (values ? ranked(values, features, state.sort, rowValues) : new Int32Array(0)),
    [values, state.sort, rowValues],
  );
  const found = useMemo(() => matching(order, features, state.search), [order, state.search]);
  const most = Math.min(1000, Math.max(1, order.length));
  const topK = Math.min(state.topK, most);
  const title = t(state.signed ? "global.mean" : "global.meanAbs");
  const text = format.series(
    Array.from(found.subarray(0, topK), (position) => values?.[position] ?? NaN),
    state.signed,
  );
  const rows: BarRow[] = Array.from(found.subarray(0, topK), (position) => {
    const value = values?.[position] ?? NaN;
    return {
      key: String(position),
      name: features[position],
      from: 0,
      to: value,
      value,
      text: text(value),
      tone: state.signed ? (value < 0 ? "negative" : "positive") : "plain",
      title: t("global.open", { name: shown(features[position]) }),
      onSelect: () => store.set({ feature: position, panel: "dependence" }),
    };
  });
  if (typeof bars !== "string" && bars.restCount > 0 && !Number.isNaN(bars.rest) && !state.search) {
    rows.push({
      key: "rest",
      name: t("global.rest", { n: bars.restCount }),
      from: 0,
      to: bars.rest,
      value: bars.rest,
      text: text(bars.rest),
      tone: "muted",
    });
  }
  const table = (): TableData => ({
    columns: [t("local.feature"), title],
    rows: Array.from(found, (position) => [features[position], values?.[position] ?? null]),
  });
  return (
    <>
      <Controls most={most} output={output} canSortByRow={state.row !== null} />
      {typeof bars === "string" ? (
        <Message>{t(bars)}</Message>
      ) : (
        <Figure
          title={title}
          notes={[
            state.weighting !== "average" &&
              info.outputs.length > 1 &&
              (state.weighting === "class"
                ? t("control.weighting.class", { name: shown(info.outputs[output], 60) })
                : t("control.weighting.predicted")) + ".",
            bars.origin === "rows" && bars.rows < info.nRows
              ? t("global.ofRows", { n: bars.rows, total: info.nRows })
              : t(bars.origin === "stored" ? "global.stored" : "global.exact", { n: info.nRows }),
            bars.kept < features.length && t("global.cut", { n: bars.kept }),
          ]}
          table={table}
          svg={(frame) => barsSvg(frame, title, rows)}
        >
          {rows.length === 0 ? (
            <Message>
              {state.search ? t("global.noMatch", { search: shown(state.search, 60) }) : t("chart.empty")}
            </Message>
          ) : (
            <Bars rows={rows} label={title} />
          )}
        </Figure>
      )}
    </>
  );
}

function Controls({
  most,
  output,
  canSortByRow,
}: {
  most: number;
  output: number;
  canSortByRow: boolean;
}): JSX.Element {
  const { store, explanation, t } = useApp();
  const state = useShown((found) => found);
  const { outputs } = explanation.info;
  const weightings: Weighting[] = ["average", "predicted", "class"];
  const sorts: SortBy[] = ["importance", "name", "position", ...(canSortByRow ? (["row"] as const) : [])];
  const weightingName = (weighting: Weighting): string =>
    weighting === "class"
      ? t("control.weighting.class", { name: shown(outputs[output], 30) })
      : t(`control.weighting.${weighting}`);
  return (
    <div class="xd-controls">
      <Slider
        label={t("control.topK")}
        min={1}
        max={most}
        value={Math.min(state.topK, most)}
        onChange={(topK) => store.set({ topK })}
      />
      <Select
        label={t("control.sort")}
        value={state.sort}
        choices={sorts.map((value) => ({ value, label: t(`control.sort.${value}`) }))}
        onChange={(sort) => store.set({ sort })}
      />
      {outputs.length > 1 && (
        <Select
          label={t("control.weighting")}
          value={state.weighting}
          choices={weightings.map((value) => ({ value, label: weightingName(value) }))}
          onChange={(weighting) => store.set({ weighting, signed: state.signed && weighting !== "average" })}
        />
      )}
      <Segmented
        label={t("control.magnitude")}
        value={state.signed ? "signed" : "absolute"}
        choices={[
          { value: "absolute", label: t("control.absolute") },
          { value: "signed", label: t("control.signed") },
        ]}
        onChange={(chosen) => store.set(signedChange(state, chosen === "signed", outputs.length))}
      />
      <Search label={t("control.search")} value={state.search} onChange={(search) => store.set({ search })} />
    </div>
  );
}

/** Signs cancel out in an average over classes: to see them means to look at one class. */
function signedChange(state: State, signed: boolean, outputs: number): Partial<State> {
  return signed && state.weighting === "average" && outputs > 1 ? { signed, weighting: "class" } : { signed };
}

/** Importances of the selected row, one for each feature; null where there is none. */
function selectedRow(
  { local }: Given<never, Wants>,
  state: State,
  output: number,
  nFeatures: number,
): Float64Array | null {
  const place = state.row === null || local === null ? -1 : local.rows.find(state.row);
  if (local === null || place < 0) return null;
  const values = new Float64Array(nFeatures);
  const row = local.row(output, place);
  row.positions.forEach((position, i) => (values[position] = row.values[i]));
  return values;
}
