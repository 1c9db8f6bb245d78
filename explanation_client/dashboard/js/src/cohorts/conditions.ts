/** Which rows belong to a cohort: conditions on columns, all of which must hold, and the text they are kept as. */

import type { Column } from "../model/columns";
import type { Data } from "../model/explanation";
import type { Labels } from "../model/labels";

/** Where a column is found: among the explained rows, or among what is known of them. */
export type Origin = "data" | "predicted" | "true" | "proba";

export interface Condition {
  readonly origin: Origin;
  /** Name of the column; of a probability the position of its output. */
  readonly name: string;
  /** Numbers and times: between these, both included; null for no bound. */
  readonly low?: number | null;
  readonly high?: number | null;
  /** Categories: one of these. */
  readonly among?: readonly string[];
  /** Rows in which the value is missing belong to it too. */
  readonly missing?: boolean;
}

export interface Cohort {
  readonly name: string;
  readonly conditions: readonly Condition[];
}

const ORIGINS: readonly string[] = ["data", "predicted", "true", "proba"];
// A link is no place for more.
const MOST = 50;

/** Returns conditions as a text; empty for none. */
export function writeConditions(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? "" : JSON.stringify(conditions);
}

/** Returns the conditions that a text says; what it says wrongly is left out. */
export function readConditions(text: string): readonly Condition[] {
  return list(text).flatMap(oneCondition);
}

export function writeCohorts(cohorts: readonly Cohort[]): string {
  return cohorts.length === 0 ? "" : JSON.stringify(cohorts);
}

export function readCohorts(text: string): readonly Cohort[] {
  return list(text).flatMap((found) => {
    if (typeof found !== "object" || found === null) return [];
    const { name, conditions } = found as Record<string, unknown>;
    return typeof name === "string" && Array.isArray(conditions) ? [{ name, conditions: conditions.slice(0, MOST).flatMap(oneCondition) }] : [];
  });
}

/** Returns a byte for each row at hand: 1 where all conditions hold. A column that is not there holds for no row. */
export function maskOf(conditions: readonly Condition[], data: Data | null, labels: Labels | null, count: number): Uint8Array {
  const mask = new Uint8Array(count).fill(1);
  for (const condition of conditions) {
    const column = columnOf(condition, data, labels);
    if (column === null) return mask.fill(0);
    const holds = test(condition, column);
    for (let row = 0; row < count; row++) if (mask[row] && !holds(column.values[row])) mask[row] = 0;
  }
  return mask;
}

/** The column that a condition is about; null where it is not at hand. */
export function columnOf({ origin, name }: Pick<Condition, "origin" | "name">, data: Data | null, labels: Labels | null): Column | null {
  switch (origin) {
    case "data":
      return data?.byName(name) ?? null;
    case "predicted":
      return labels?.predicted ?? null;
    case "true":
      return labels?.true ?? null;
    case "proba": {
      const values = labels?.proba?.[Number(name)];
      return values === undefined ? null : { name, dtype: "float64", kind: "number", values, categories: [], value: (row) => values[row] };
    }
  }
}

function test({ low, high, among, missing }: Condition, column: Column): (value: number) => boolean {
  if (column.kind === "category") {
    const wanted = new Set(among ?? column.categories);
    const codes = column.categories.map((name) => wanted.has(name));
    return (value) => (Number.isNaN(value) ? missing === true : codes[value]);
  }
  const [from, to] = [low ?? -Infinity, high ?? Infinity];
  return (value) => (Number.isNaN(value) ? missing === true : value >= from && value <= to);
}

function list(text: string): readonly unknown[] {
  if (text === "") return [];
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) ? found.slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function oneCondition(found: unknown): Condition[] {
  if (typeof found !== "object" || found === null) return [];
  const { origin, name, low, high, among, missing } = found as Record<string, unknown>;
  if (typeof origin !== "string" || !ORIGINS.includes(origin) || typeof name !== "string") return [];
  return [
    {
      origin: origin as Origin,
      name,
      ...(typeof low === "number" && { low }),
      ...(typeof high === "number" && { high }),
      ...(Array.isArray(among) && { among: among.filter((each): each is string => typeof each === "string") }),
      ...(missing === true && { missing }),
    },
  ];
}
