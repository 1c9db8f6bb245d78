/** Columns of the explained rows: numbers, times or categories, with the value that was stored beside what is drawn. */

import type { Value } from "../host";
import type { Cells, Numbers } from "./parquet";

export interface Column {
  readonly name: string;
  readonly dtype: string;
  readonly kind: "number" | "time" | "category";
  /** What is drawn and compared: numbers, milliseconds since 1970, or positions in `categories`; NaN where missing. */
  readonly values: Numbers;
  readonly categories: readonly string[];
  /** What is stored: a whole number that no float64 holds is a text of digits, a time is ISO 8601 without zone. */
  value(row: number): Value;
}

/** Returns a column of stored cells. */
export function makeColumn(name: string, dtype: string, cells: Cells): Column {
  if (dtype === "bool") return booleans(name, dtype, cells);
  if (dtype === "object") return texts(name, dtype, cells);
  if (dtype.startsWith("datetime64")) return times(name, dtype, cells);
  const values = toFloats(cells);
  const value = (row: number): Value => {
    const cell = cells[row];
    if (typeof cell === "bigint") return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell);
    return typeof cell === "number" && !Number.isNaN(cell) ? cell : null;
  };
  return { name, dtype, kind: "number", values, categories: [], value };
}

/** Returns a column of categories in an order that is given; texts that are not among them follow in order. */
export function categorical(
  name: string,
  dtype: string,
  names: readonly (string | null)[],
  first: readonly string[],
): Column {
  const known = new Set(first);
  const more = new Set<string>();
  for (const text of names) if (text !== null && !known.has(text)) more.add(text);
  const categories = [...first, ...[...more].sort(more.size > MOST_COLLATED ? undefined : inOrder)];
  const codes = new Map(categories.map((text, i) => [text, i]));
  const values = Float64Array.from(names, (text) => (text === null ? NaN : (codes.get(text) ?? NaN)));
  return { name, dtype, kind: "category", values, categories, value: (row) => names[row] };
}

/** Returns the column of some of its rows. */
export function takeRows(column: Column, rows: ArrayLike<number>): Column {
  const values = Float64Array.from(rows, (row) => column.values[row]);
  return { ...column, values, value: (row) => column.value(rows[row]) };
}

/** Orders texts as people do: "item 2" before "item 10", whatever the language of the page. */
export function inOrder(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}

/** Returns a column with its most frequent categories, and one that stands for all others where there are too many. */
export function capped(column: Column, other: string, most = 60): Column {
  const { categories, values } = column;
  if (column.kind !== "category" || categories.length <= most) return column;
  const counts = new Float64Array(categories.length);
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) counts[values[i]]++;
  const frequent = Array.from(counts.keys()).sort((a, b) => counts[b] - counts[a] || a - b);
  const kept = frequent.slice(0, most - 1).sort((a, b) => a - b);
  const codes = new Float64Array(categories.length).fill(kept.length);
  kept.forEach((code, place) => (codes[code] = place));
  const mapped = Float64Array.from(values, (code) => (Number.isNaN(code) ? NaN : codes[code]));
  return { ...column, values: mapped, categories: [...kept.map((code) => categories[code]), other] };
}

// Ordering as people do takes a while for each pair: so many different texts are no categories, and nobody reads them all.
const MOST_COLLATED = 5000;
const collator = new Intl.Collator("en", { numeric: true });

function booleans(name: string, dtype: string, cells: Cells): Column {
  const values = new Float64Array(cells.length);
  for (let i = 0; i < cells.length; i++) values[i] = cells[i] ? 1 : 0;
  return { name, dtype, kind: "category", values, categories: ["false", "true"], value: (row) => values[row] === 1 };
}

function texts(name: string, dtype: string, cells: Cells): Column {
  return categorical(
    name,
    dtype,
    Array.from(cells, (cell) => (cell === null || cell === undefined ? null : String(cell))),
    [],
  );
}

function times(name: string, dtype: string, cells: Cells): Column {
  const values = Float64Array.from(cells, (cell) => (typeof cell === "number" ? cell : NaN));
  return { name, dtype, kind: "time", values, categories: [], value: (row) => isoTime(values[row]) };
}

/** Returns a time as ISO 8601, a date alone where it is midnight; null where missing or beyond the calendar. */
export function isoTime(milliseconds: number): string | null {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return null;
  const text = date.toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, -14) : text.replace(/(\.000)?Z$/, "");
}

function toFloats(cells: Cells): Numbers {
  if (cells instanceof Float64Array || cells instanceof Float32Array) return cells;
  const out = new Float64Array(cells.length);
  for (let i = 0; i < cells.length; i++) out[i] = cells[i] === null || cells[i] === undefined ? NaN : Number(cells[i]);
  return out;
}
