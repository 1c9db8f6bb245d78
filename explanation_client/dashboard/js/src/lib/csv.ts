/** Tables as CSV (RFC 4180) that a spreadsheet does not take for formulas. */

import type { Value } from "../host";

export interface TableData {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
}

const FORMULA = /^[=+\-@\t\r]/;

/** Returns a table as CSV: numbers with all their digits, texts that begin like formulas with an apostrophe before. */
export function toCsv(table: TableData): string {
  return [table.columns, ...table.rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value: Value): string {
  if (value === null) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  if (typeof value === "boolean") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
