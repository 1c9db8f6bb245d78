/** Local importance: what moved the model's output for one row. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { type BarRow, Bars, barsSvg } from "../charts/bars";
import { Segmented, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message } from "../components/message";
import { RowPicker, useRowName } from "../components/rows";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import type { RowImportances } from "../model/local";
import { definePanel, type Given } from "../panel";

type Parts = Given<"local", "data" | "labels">;

export const localPanel = definePanel<"local", "data" | "labels">({
  id: "local",
  title: "local.title",
  about: "local.about",
  group: "row",
  needs: ["local"],
  wants: ["data", "labels"],
  component: LocalPanel,
});

function LocalPanel(parts: Parts): JSX.Element {
  const { store, t } = useApp();
  const { local } = parts;
  const row = useShown((state) => state.row);
  const topK = useShown((state) => state.topK);
  const [{ chart }, set] = useSettings("local", { chart: "waterfall" });
  const most = Math.min(1000, local.features.length);
  const place = row === null ? -1 : local.rows.find(row);
  return (
    <>
      <div class="xd-controls">
        <RowPicker
          rows={local.rows}
          value={row}
          onChange={(chosen) => store.set({ row: chosen })}
          label={t("row.number")}
        />
        <Segmented
          label={t("control.chart")}
          value={chart === "bars" ? "bars" : "waterfall"}
          choices={[
            { value: "waterfall", label: t("local.waterfall") },
            { value: "bars", label: t("local.bars") },
          ]}
          onChange={(chosen) => set({ chart: chosen })}
        />
        <Slider
          label={t("control.topK")}
          min={1}
          max={most}
          value={Math.min(topK, most)}
          onChange={(chosen) => store.set({ topK: chosen })}
        />
      </div>
      {row === null && <Message>{t("need.row")}</Message>}
      {row !== null && place < 0 && <Message>{t("row.notHere", { n: row })}</Message>}
      {row !== null && place >= 0 && (
        <LocalChart {...parts} row={row} place={place} waterfall={chart !== "bars"} topK={Math.min(topK, most)} />
      )}
    </>
  );
}

interface LocalChartProps extends Parts {
  row: number;
  place: number;
  waterfall: boolean;
  topK: number;
}

function LocalChart({ local, data, labels, row, place, waterfall, topK }: LocalChartProps): JSX.Element {
  const { explanation, t, format } = useApp();
  const output = useOutput();
  const { features, info, baseValues } = explanation;
  const importances = useMemo(() => local.row(output, place), [local, output, place]);
  const base = baseValues?.[output] ?? null;
  const steps = useMemo(() => topSteps(importances, topK), [importances, topK]);
  const rowName = useRowName(labels)(row);
  const missing = t("row.missing");
  const valueOf = (position: number): string | undefined => {
    const column = data?.byName(features[position]);
    return column && shown(format.value(column.value(data?.rows.find(row) ?? -1), missing), 40);
  };
  const title = info.outputs.length > 1 ? `${rowName}: ${shown(info.outputs[output], 60)}` : rowName;
  const text = format.series([base ?? 0, ...steps.shown.map(([, value]) => value)], true);
  const rows = (waterfall && base !== null ? cascade : bars)({
    steps,
    base: base ?? 0,
    bar: (position, value) => ({
      key: String(position),
      name: features[position],
      detail: valueOf(position),
      value,
      text: text(value),
      tone: value < 0 ? "negative" : "positive",
    }),
    rest: (value) => ({
      key: "rest",
      name: t("local.others", { n: steps.restCount }),
      value,
      text: text(value),
      tone: "muted",
    }),
    total: (key, value) => ({
      key,
      name: t(key === "base" ? "local.base" : "local.output"),
      value,
      text: text(value).replace("+", ""),
      tone: "total",
    }),
  });
  const table = (): TableData => ({
    columns: [t("local.feature"), t("local.value"), t("local.importance")],
    rows: sorted(importances).map(([position, value]) => [
      features[position],
      data?.byName(features[position])?.value(data.rows.find(row)) ?? null,
      value,
    ]),
  });
  return (
    <Figure
      title={title}
      notes={[
        info.outputSpace !== undefined && t("local.unit", { space: shown(info.outputSpace, 40) }),
        base !== null && `${t("local.base")} ${format.number(base)}: ${t("local.baseHint")}.`,
        steps.rest === null && `${t("local.unknownRest", { n: importances.restCount })}.`,
      ]}
      table={table}
      svg={(frame) => barsSvg(frame, title, rows, waterfall && base !== null)}
    >
      <Bars rows={rows} label={title} connected={waterfall && base !== null} />
    </Figure>
  );
}

interface Steps {
  readonly shown: readonly (readonly [position: number, value: number])[];
  /** Sum of all others; null where some of them are not known. */
  readonly rest: number | null;
  readonly restCount: number;
}

/** The largest importances of a row; ties keep the stored ranking. */
function topSteps(row: RowImportances, topK: number): Steps {
  const all = sorted(row);
  const hidden = all.slice(topK).reduce((sum, [, value]) => sum + value, 0);
  return {
    shown: all.slice(0, topK),
    rest: row.rest === null ? null : row.rest + hidden,
    restCount: Math.max(0, all.length - topK) + row.restCount,
  };
}

function sorted(row: RowImportances): [number, number][] {
  const all = Array.from(row.positions, (position, i): [number, number] => [position, row.values[i]]);
  return all.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}

type Half = Omit<BarRow, "from" | "to">;

interface Plan {
  readonly steps: Steps;
  readonly base: number;
  bar(position: number, value: number): Half;
  rest(value: number): Half;
  total(key: "base" | "output", value: number): Half;
}

/** Each bar from zero. */
function bars({ steps, bar, rest }: Plan): BarRow[] {
  const rows = steps.shown.map(([position, value]) => ({ ...bar(position, value), from: 0, to: value }));
  return steps.restCount > 0 && steps.rest !== null
    ? [...rows, { ...rest(steps.rest), from: 0, to: steps.rest }]
    : rows;
}

/** Each bar from where the last one ended: base value first, the row's output last. */
function cascade({ steps, base, bar, rest, total }: Plan): BarRow[] {
  let at = base;
  const step = (half: Half): BarRow => {
    const from = at;
    at += half.value;
    return { ...half, from, to: at };
  };
  const rows = steps.shown.map(([position, value]) => step(bar(position, value)));
  if (steps.restCount > 0 && steps.rest !== null) rows.push(step(rest(steps.rest)));
  const first = { ...total("base", base), from: base, to: base };
  return steps.rest === null ? [first, ...rows] : [first, ...rows, { ...total("output", at), from: at, to: at }];
}
