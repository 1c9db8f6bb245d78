/** Rows: the explained rows as a table that can be searched and sorted, and from which a row is selected. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Button, IconButton, Search } from "../components/controls";
import { Message } from "../components/message";
import { Name } from "../components/name";
import type { Value } from "../host";
import type { Format } from "../i18n/translate";
import { toCsv } from "../lib/csv";
import { fileName } from "../lib/save";
import { folded, shown } from "../lib/text";
import type { Explanation } from "../model/explanation";
import type { RowSet } from "../model/rows";
import { definePanel, type Given } from "../panel";

const PAGE = 50;
// More columns are in the file that can be saved.
const MOST_COLUMNS = 60;

type Parts = Given<never, "data" | "labels" | "local">;

export const rowsPanel = definePanel<never, "data" | "labels" | "local">({
  id: "rows",
  title: "rows.title",
  about: "rows.about",
  group: "data",
  needs: [],
  wants: ["data", "labels", "local"],
  missing: ({ explanation }, { allRows }) => (explanation.has("data", allRows) || explanation.has("labels", allRows) ? null : "need.data"),
  component: RowsPanel,
});

/** A column of the table: what is shown, and what rows are sorted by. */
interface Shown {
  readonly key: string;
  readonly name: string;
  readonly numeric: boolean;
  readonly values: ArrayLike<number>;
  value(place: number): Value;
}

function RowsPanel(parts: Parts): JSX.Element {
  const { store, explanation, t, format, saver } = useApp();
  const output = useOutput();
  const selected = useShown((state) => state.row);
  const [{ search, sort, page }, set] = useSettings("rows", { search: "", sort: "", page: 0 });
  const rows = (parts.data ?? parts.labels)?.rows;
  const columns = useMemo(() => columnsOf(parts, explanation, output, t("row.predicted"), t("row.true"), t("local.output")), [parts.data, parts.labels, parts.local, output]);
  const places = useMemo(() => (rows ? orderOf(rows, columns, parts, search, sort) : []), [rows, columns, search, sort, parts.mask]);
  if (rows === undefined) return <Message>{t("need.data")}</Message>;
  const pages = Math.max(1, Math.ceil(places.length / PAGE));
  const here = Math.min(page, pages - 1);
  const missing = t("row.missing");
  const nameOf = (place: number): string => parts.labels?.rowNames?.[place] ?? String(rows.position(place));
  const save = (): void => {
    const table = { columns: [t("row.number"), ...columns.map(({ name }) => name)], rows: places.map((place) => [rows.position(place), ...columns.map((column) => column.value(place))]) };
    saver.text(`${fileName("rows", explanation.info.id.slice(-6))}.csv`, "text/csv", toCsv(table));
  };
  const visible = columns.slice(0, MOST_COLUMNS);
  const seen = places.slice(here * PAGE, (here + 1) * PAGE);
  const texts = new Map(visible.map((column) => [column.key, textOf(column, seen, format, missing)]));
  return (
    <>
      <div class="xd-controls">
        <Search label={t("rows.search")} value={search} onChange={(wanted) => set({ search: wanted, page: 0 })} />
        <div class="xd-actions">
          <Button kind="quiet" onClick={save}>
            {t("chart.csv")}
          </Button>
        </div>
      </div>
      <p class="xd-note" role="status">
        {t("sample.of", { n: places.length, total: rows.total })}
        {columns.length > visible.length && ` ${t("rows.columns", { n: visible.length, total: columns.length })}`}
      </p>
      <div class="xd-table-frame" tabIndex={0} role="region" aria-label={t("rows.title")}>
        <table class="xd-table">
          <thead>
            <tr>
              <th scope="col">{t("row.number")}</th>
              {visible.map((column) => (
                <SortHead key={column.key} column={column} sort={sort} onSort={(next) => set({ sort: next, page: 0 })} />
              ))}
            </tr>
          </thead>
          <tbody>
            {seen.map((place) => {
              const position = rows.position(place);
              return (
                <tr key={position} class={position === selected ? "xd-chosen" : undefined}>
                  <td>
                    <button type="button" class="xd-row-link" aria-pressed={position === selected} onClick={() => store.set({ row: position })}>
                      <Name text={nameOf(place)} />
                    </button>
                  </td>
                  {visible.map((column) => {
                    const value = column.value(place);
                    return (
                      <td key={column.key} class={column.numeric ? "xd-numeric" : undefined} data-value={typeof value === "number" ? value : undefined} title={value === null ? undefined : shown(String(value), 1000)}>
                        <bdi>{shown(texts.get(column.key)?.(value) ?? "", 60)}</bdi>
                      </td>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <div class="xd-actions xd-pager">
          <IconButton icon="previous" label={t("rows.previous")} disabled={here === 0} onClick={() => set({ page: here - 1 })} />
          <span class="xd-note">{t("rows.page", { n: here + 1, total: pages })}</span>
          <IconButton icon="next" label={t("rows.next")} disabled={here === pages - 1} onClick={() => set({ page: here + 1 })} />
        </div>
      )}
    </>
  );
}

/** How a column's values are written: numbers with as many decimals as the others on the page. */
function textOf({ key, numeric, value }: Shown, places: readonly number[], format: Format, missing: string): (value: Value) => string {
  const numbers = numeric ? places.map(value).filter((each) => typeof each === "number") : [];
  const series = key.startsWith("=") ? asStored(numbers, format) : format.series(numbers);
  if (numbers.every(Number.isInteger) || series === null) return (each) => format.value(each, missing);
  return (each) => (typeof each === "number" ? series(each) : format.value(each, missing));
}

/** Values of the data keep four digits, the small ones too; null where decimals would be too many. */
function asStored(numbers: readonly number[], format: Format): ((value: number) => string) | null {
  const decimals = numbers.reduce((most, each) => Math.max(most, String(Number(each.toPrecision(4))).split(".")[1]?.length ?? 0), 0);
  const scientific = numbers.some((each) => each !== 0 && (Math.abs(each) < 1e-4 || Math.abs(each) >= 1e7));
  return decimals > 6 || scientific ? null : (value) => format.fixed(value, decimals);
}

function SortHead({ column, sort, onSort }: { column: Shown; sort: string; onSort(sort: string): void }): JSX.Element {
  const [descending, ascending] = [`-${column.key}`, `+${column.key}`];
  const state = sort === descending ? "descending" : sort === ascending ? "ascending" : "none";
  return (
    <th scope="col" class={column.numeric ? "xd-numeric" : undefined} aria-sort={state}>
      <button type="button" class="xd-sort" onClick={() => onSort(state === "descending" ? ascending : state === "ascending" ? "" : descending)}>
        <Name text={column.name} />
        {state === "descending" ? " ↓" : state === "ascending" ? " ↑" : ""}
      </button>
    </th>
  );
}

/** What is known of the rows first, then their values, the globally most important first. */
function columnsOf({ data, labels, local }: Parts, explanation: Explanation, output: number, predicted: string, actual: string, sum: string): readonly Shown[] {
  const found: Shown[] = [];
  if (labels?.predicted) found.push({ ...labels.predicted, key: "predicted", name: predicted, numeric: labels.predicted.kind === "number", value: labels.predicted.value });
  if (labels?.true) found.push({ ...labels.true, key: "true", name: actual, numeric: labels.true.kind === "number", value: labels.true.value });
  labels?.proba?.forEach((values, c) => found.push({ key: `p${c}`, name: `P(${explanation.info.outputs[c]})`, numeric: true, values, value: (place) => values[place] }));
  const base = explanation.baseValues?.[output];
  if (local !== null && base !== undefined && local.rows.count <= 20_000) {
    const values = outputsOf(local, output, base);
    if (values !== null) found.push({ key: "sum", name: sum, numeric: true, values, value: (place) => values[place] });
  }
  const ranks = new Map(Array.from(explanation.order, (position, rank) => [explanation.features[position], rank]));
  const names = [...(data?.names ?? [])].sort((a, b) => (ranks.get(a) ?? Infinity) - (ranks.get(b) ?? Infinity) || 0);
  for (const name of names) {
    const column = data?.byName(name);
    if (column) found.push({ key: `=${name}`, name, numeric: column.kind === "number", values: column.values, value: column.value });
  }
  return found;
}

/** Base value plus all importances: what the explanation says that the model gives; null where a cut hides some. */
function outputsOf(local: NonNullable<Parts["local"]>, output: number, base: number): Float64Array | null {
  const sums = new Float64Array(local.rows.count).fill(base);
  if (local.ranked || local.row(output, 0).rest !== 0) return null;
  for (const position of local.features) {
    const values = local.values(output, position);
    for (let place = 0; place < sums.length; place++) sums[place] += values[place];
  }
  return sums;
}

function orderOf(rows: RowSet, columns: readonly Shown[], { labels, mask }: Parts, search: string, sort: string): number[] {
  const wanted = folded(search.trim());
  const holds = (place: number): boolean =>
    folded(labels?.rowNames?.[place] ?? String(rows.position(place))).includes(wanted) || columns.some((column) => folded(String(column.value(place) ?? "")).includes(wanted));
  const places: number[] = [];
  for (let place = 0; place < rows.count; place++) if ((mask === null || mask[place]) && (wanted === "" || holds(place))) places.push(place);
  const column = columns.find(({ key }) => key === sort.slice(1));
  if (column === undefined) return places;
  const sign = sort.startsWith("-") ? -1 : 1;
  const missing = (value: number): number => (Number.isNaN(value) ? 1 : 0);
  return places.sort((a, b) => missing(column.values[a]) - missing(column.values[b]) || sign * (column.values[a] - column.values[b]) || a - b);
}
