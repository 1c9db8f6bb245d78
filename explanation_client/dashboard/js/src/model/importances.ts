/** Importances of all features, from a ranking that may have been cut. */

import type { Manifest } from "./manifest";
import type { Numbers, Table } from "./parquet";

/** Importances of all features; NaN for those that a cut left out. */
export interface Importances {
  readonly values: Float64Array;
  readonly kept: number;
  /** Sum of those that a cut left out; 0 where it left out none. */
  readonly rest: number;
}

/** The global importances of the file with the names; null where there are none. */
export function globalImportances(manifest: Manifest, table: Table, order: Int32Array): Importances | null {
  const part = manifest.parts.global;
  if (part === undefined) return null;
  const cells = table.cells(2);
  const values = Float64Array.from({ length: part.kept }, (_, i) => Number(cells[i] ?? NaN));
  if (values.some((value) => !Number.isFinite(value))) throw new Error("holds importances that are not finite");
  return importances(values, order, part.kept, manifest.info.nFeatures, part.totals?.[0]);
}

/** Returns positions with the globally most important feature first; as they are where that is not known. */
export function ranking(columns: Int32Array, global: Importances | null): Int32Array {
  if (global === null) return columns;
  const size = (position: number): number => Math.abs(global.values[position]);
  return columns.slice().sort((a, b) => size(b) - size(a) || a - b);
}

/** Importances of a ranking at their places. */
export function importances(
  ranked: Numbers,
  places: ArrayLike<number>,
  kept: number,
  nFeatures: number,
  total?: number,
): Importances {
  const values = new Float64Array(nFeatures).fill(NaN);
  let sum = 0;
  for (let i = 0; i < kept; i++) {
    values[places[i]] = ranked[i];
    sum += ranked[i];
  }
  return { values, kept, rest: kept < nFeatures && total !== undefined ? total - sum : 0 };
}
