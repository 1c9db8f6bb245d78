/** ICE and PDP: what the live model gives for some rows when one of their values goes through a range. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Lines, type Series } from "../charts/lines";
import { type Domain, extent, numberDomain } from "../charts/scale";
import { Check, Field, Select } from "../components/controls";
import { Figure } from "../components/figure";
import { Message } from "../components/message";
import { RowPicker, useRowName } from "../components/rows";
import type { Answer, Question } from "../host";
import { isWhole, useAnswers, valueOf } from "../lib/ask";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import type { Column } from "../model/columns";
import { definePanel, type Given } from "../panel";

type Parts = Given<"model" | "data", "labels">;

const COUNTS = ["1", "10", "25", "50", "100", "200"] as const;
const MOST_STEPS = 100;
const MOST_CATEGORIES = 30;

export const icePanel = definePanel<"model" | "data", "labels">({
  id: "ice",
  title: "ice.title",
  about: "ice.about",
  group: "row",
  needs: ["model", "data"],
  wants: ["labels"],
  component: IcePanel,
});

const DEFAULTS = { column: "", low: null as number | null, high: null as number | null, steps: 20, rows: "25", centred: false };

function IcePanel(parts: Parts): JSX.Element {
  const { store, explanation, t } = useApp();
  const { data } = parts;
  const row = useShown((state) => state.row);
  const feature = useShown((state) => state.feature);
  const [settings, set] = useSettings("ice", DEFAULTS);
  const usual = explanation.features[feature ?? explanation.order[0]];
  const name = [settings.column, usual, data.names[0]].find((each) => data.byName(each) !== undefined) ?? "";
  const column = data.byName(name);
  if (column === undefined) return <Message>{t("need.data")}</Message>;
  const order = new Map(Array.from(explanation.order, (position, rank) => [explanation.features[position], rank]));
  const names = [...data.names].sort((a, b) => (order.get(a) ?? Infinity) - (order.get(b) ?? Infinity) || 0).slice(0, 1000);
  return (
    <>
      <div class="xd-controls">
        <Select label={t("control.feature")} value={name} choices={names.map((each) => ({ value: each, label: shown(each, 60) }))} onChange={(chosen) => set({ column: chosen, low: null, high: null })} />
        <Select label={t("ice.rows")} value={settings.rows} choices={COUNTS.map((count) => ({ value: count, label: count === "1" ? t("ice.selected") : count }))} onChange={(chosen) => set({ rows: chosen })} />
        <RowPicker rows={data.rows} value={row} onChange={(chosen) => store.set({ row: chosen })} label={t("row.number")} />
        {column.kind !== "category" && <RangeFields column={column} settings={settings} set={set} />}
        {column.kind !== "category" && <Check label={t("ice.centred")} checked={settings.centred} onChange={(centred) => set({ centred })} />}
      </div>
      {settings.rows === "1" && row === null ? <Message>{t("need.row")}</Message> : <Ice {...parts} column={column} settings={settings} row={row} />}
    </>
  );
}

type Settings = typeof DEFAULTS;

function RangeFields({ column, settings, set }: { column: Column; settings: Settings; set(change: Partial<Settings>): void }): JSX.Element {
  const { t, format } = useApp();
  const [low, high] = extent(column.values);
  const time = column.kind === "time";
  const field = (label: string, key: "low" | "high", usual: number): JSX.Element => (
    <Field label={label}>
      {(id) => (
        <input
          id={id}
          class="xd-input xd-number"
          type={time ? "date" : "number"}
          step="any"
          placeholder={time ? format.time(usual) : format.number(usual)}
          value={settings[key] === null ? "" : time ? new Date(settings[key]).toISOString().slice(0, 10) : settings[key]}
          onChange={({ currentTarget }) => {
            const value = time ? (currentTarget.valueAsDate?.getTime() ?? NaN) : currentTarget.valueAsNumber;
            set({ [key]: Number.isNaN(value) ? null : value });
          }}
        />
      )}
    </Field>
  );
  return (
    <>
      {field(t("ice.low"), "low", low)}
      {field(t("ice.high"), "high", high)}
      <Field label={t("ice.steps")}>
        {(id) => (
          <input
            id={id}
            class="xd-input xd-number"
            type="number"
            min={2}
            max={MOST_STEPS}
            value={settings.steps}
            onChange={({ currentTarget }) => {
              const steps = Math.round(currentTarget.valueAsNumber);
              if (!Number.isNaN(steps)) set({ steps: Math.min(MOST_STEPS, Math.max(2, steps)) });
            }}
          />
        )}
      </Field>
    </>
  );
}

interface IceProps extends Parts {
  column: Column;
  settings: Settings;
  row: number | null;
}

function Ice({ data, labels, mask, column, settings, row }: IceProps): JSX.Element {
  const { host, t } = useApp();
  const { low, high, steps } = settings;
  const places = useMemo(() => gridOf(column, low, high, steps), [column, low, high, steps]);
  const rows = useMemo(() => chosenRows(data.rows, mask, Number(settings.rows), row), [data, mask, settings.rows, row]);
  const questions = useMemo<Question[]>(
    () => rows.map((each) => ({ row: each, edits: {}, grid: { column: column.name, values: places.map((place) => valueOf(column, place)) } })),
    [rows, column, places],
  );
  const asked = useAnswers(host.model, questions);
  const answers = asked.answers;
  const rowName = useRowName(labels);
  const fits = answers !== null && answers.length === rows.length && answers.every(({ predictions }) => predictions.length === places.length);
  return (
    <div class={asked.status === "asking" ? "xd-busy" : ""} aria-busy={asked.status === "asking"}>
      {asked.status === "failed" && (
        <Message tone="error" title={t("whatif.failed")}>
          {asked.error}
        </Message>
      )}
      {asked.status === "asking" && <p class="xd-note">{t("ice.asking", { n: asked.done, total: rows.length })}</p>}
      {fits && <Curves answers={answers} rows={rows} places={places} column={column} row={row} centred={settings.centred && column.kind !== "category"} own={ownPlace(data.rows, column, row)} rowName={rowName} />}
    </div>
  );
}

interface CurvesProps {
  answers: readonly Answer[];
  rows: readonly number[];
  places: readonly number[];
  column: Column;
  row: number | null;
  centred: boolean;
  /** The value that the selected row has; NaN for none. */
  own: number;
  rowName(row: number): string;
}

/** The least and the largest number of all curves; those without a number have no say. */
function extentOfAll(curves: readonly (readonly number[])[]): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const curve of curves) {
    if (!curve.some(Number.isFinite)) continue;
    const [least, most] = extent(curve);
    [low, high] = [Math.min(low, least), Math.max(high, most)];
  }
  return low <= high ? [low, high] : [0, 0];
}

function Curves({ answers, rows, places, column, row, centred, own, rowName }: CurvesProps): JSX.Element {
  const { explanation, t, format } = useApp();
  const shownOutput = useOutput();
  const { outputs, task } = explanation.info;
  const width = answers[0].predictions[0]?.length ?? 1;
  // Categories stand side by side, whichever of the column's they are.
  const isCategory = column.kind === "category";
  const xs = isCategory ? places.map((_, i) => i) : places;
  const ownX = isCategory ? (places.includes(own) ? places.indexOf(own) : NaN) : own;
  const output = width === 1 ? 0 : Math.min(shownOutput, width - 1);
  const curves = answers.map(({ predictions }) => {
    const values = predictions.map((each) => each[output]);
    return centred ? values.map((value) => value - values[0]) : values;
  });
  const average = places.map((_, i) => curves.reduce((sum, curve) => sum + curve[i], 0) / curves.length);
  const many = curves.length > 1;
  const series: Series[] = curves.map((y, i) => ({ key: String(rows[i]), name: rowName(rows[i]), x: xs, y, tone: rows[i] === row ? (many ? "second" : "main") : "faint", at: rows[i] === row ? ownPoint(xs, y, ownX) : undefined }));
  if (many) series.push({ key: "average", name: t("ice.average"), x: xs, y: average, tone: "main" });
  const [low, high] = extentOfAll(curves);
  const outputName = task === "classification" && width === outputs.length ? t("row.probability", { name: shown(outputs[output], 60) }) : t("row.predicted");
  const selected = rows.indexOf(row ?? -1);
  const valueText = (place: number): string => (column.kind === "category" ? shown(column.categories[place], 40) : column.kind === "time" ? format.time(place) : format.number(place));
  const title = t(many ? "ice.many" : "ice.one", { feature: shown(column.name, 60), n: rows.length, row: many ? "" : rowName(rows[0]) });
  const table = (): TableData => ({
    columns: [column.name, ...(many ? [t("ice.average")] : []), ...rows.map(rowName)],
    rows: places.map((place, i) => [valueOf(column, place), ...(many ? [average[i]] : []), ...curves.map((curve) => curve[i])]),
  });
  const legend = many && (
    <div class="xd-legend">
      <span class="xd-swatch">
        <i class="xd-key-main" />
        {t("ice.average")}
      </span>
      {selected >= 0 && (
        <span class="xd-swatch">
          <i class="xd-key-second" />
          {rowName(rows[selected])}
        </span>
      )}
    </div>
  );
  return (
    <Figure title={title} notes={[centred && t("ice.centredNote")]} table={table} legend={legend}>
      <Lines
        series={series}
        x={isCategory ? { kind: "category", names: places.map((place) => column.categories[place]) } : gridDomain(places, column)}
        y={numberDomain(low, high)}
        xLabel={column.name}
        yLabel={outputName}
        label={title}
        describe={(at) => {
          const i = xs.indexOf(at);
          const facts: [string, string][] = many ? [[t("ice.average"), format.number(average[i])]] : [];
          if (selected >= 0) facts.push([rowName(rows[selected]), format.number(curves[selected][i])]);
          return { title: `${shown(column.name, 40)}: ${valueText(places[i])}`, facts };
        }}
      />
    </Figure>
  );
}

function gridDomain(places: readonly number[], column: Column): Domain {
  const domain = numberDomain(places[0], places[places.length - 1], 0.02);
  return column.kind === "time" && domain.kind !== "category" ? { ...domain, kind: "time" } : domain;
}

/** Places along the range of a column; of categories those that occur most often, in the column's order. */
function gridOf(column: Column, low: number | null, high: number | null, steps: number): readonly number[] {
  if (column.kind === "category") {
    const counts = new Float64Array(column.categories.length);
    for (const code of column.values) if (!Number.isNaN(code)) counts[code]++;
    const most = Array.from(counts.keys()).sort((a, b) => counts[b] - counts[a] || a - b);
    return most.slice(0, MOST_CATEGORIES).sort((a, b) => a - b);
  }
  const [least, greatest] = extent(column.values);
  const [from, to] = [low ?? least, high ?? greatest].sort((a, b) => a - b);
  const places = Array.from({ length: steps }, (_, i) => from + ((to - from) * i) / (steps - 1));
  return isWhole(column) ? [...new Set(places.map(Math.round))] : [...new Set(places)];
}

/** Some of the rows that are shown, evenly spread, the selected one always among them. */
function chosenRows(all: Parts["data"]["rows"], mask: Uint8Array | null, count: number, row: number | null): readonly number[] {
  if (count === 1) return row === null ? [] : [row];
  const places: number[] = [];
  for (let place = 0; place < all.count; place++) if (mask === null || mask[place]) places.push(place);
  const some = places.length <= count ? places : Array.from({ length: count }, (_, i) => places[Math.floor((i * places.length) / count)]);
  const rows = some.map((place) => all.position(place));
  return row === null || rows.includes(row) ? rows : [...rows.slice(0, count - 1), row];
}

function ownPlace(rows: Parts["data"]["rows"], column: Column, row: number | null): number {
  const place = row === null ? -1 : rows.find(row);
  return place < 0 ? NaN : column.values[place];
}

/** The row's own value on its line: between two places of the grid, on the straight line that is drawn. */
function ownPoint(places: readonly number[], y: readonly number[], own: number): Series["at"] {
  const right = places.findIndex((place) => place >= own);
  if (Number.isNaN(own) || right < 0 || own < places[0]) return undefined;
  if (places[right] === own || right === 0) return { x: own, y: y[right] };
  const share = (own - places[right - 1]) / (places[right] - places[right - 1]);
  return { x: own, y: y[right - 1] + share * (y[right] - y[right - 1]) };
}
