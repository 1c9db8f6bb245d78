/** Which second feature explains best why rows of the same value have different importances. */

import type { Column } from "./columns";
import type { Interactions } from "./explanation";
import type { Numbers } from "./parquet";

const BINS = 12;
const MOST_ROWS = 4000;

/** Returns the feature with the strongest stored interaction with one; null where it is in no pair. */
export function strongestPartner(
  { positions, matrices }: Interactions,
  output: number,
  feature: number,
): number | null {
  const row = positions.indexOf(feature);
  if (row < 0) return null;
  const k = positions.length;
  let best = -1;
  for (let c = 0; c < k; c++)
    if (c !== row && (best < 0 || matrices[output][row * k + c] > matrices[output][row * k + best])) best = c;
  return best < 0 ? null : positions[best];
}

/**
 * Returns the candidate that goes best with what is left of the importances once the feature's own value is known: rows
 * are put into bins of the feature's value, and in each bin the importances are correlated with the candidate's values.
 * Null where no candidate does.
 */
export function likelyPartner<C extends { readonly column: Column }>(
  feature: Column,
  importances: Numbers,
  candidates: readonly C[],
): C | null {
  const rows = someRows(feature.values, importances);
  if (rows.length < 2 * BINS) return null;
  const ordered = Array.from(rows).sort((a, b) => feature.values[a] - feature.values[b] || a - b);
  const bins = Array.from({ length: BINS }, (_, i) =>
    ordered.slice(Math.floor((i * ordered.length) / BINS), Math.floor(((i + 1) * ordered.length) / BINS)),
  );
  let best: C | null = null;
  let most = 0.02;
  for (const candidate of candidates) {
    const found =
      bins.reduce((sum, bin) => sum + Math.abs(covariance(bin, importances, candidate.column.values)), 0) / BINS;
    if (found > most) {
      most = found;
      best = candidate;
    }
  }
  return best;
}

/** Rows with both a value and an importance, evenly spread where they are many. */
function someRows(values: Numbers, importances: Numbers): number[] {
  const step = Math.max(1, Math.ceil(values.length / MOST_ROWS));
  const rows: number[] = [];
  for (let row = 0; row < values.length; row += step)
    if (!Number.isNaN(values[row]) && !Number.isNaN(importances[row])) rows.push(row);
  return rows;
}

/** How far the importances follow the other values, in the unit of their own spread: correlation; 0 where one is constant. */
function covariance(rows: readonly number[], a: Numbers, b: Numbers): number {
  let n = 0;
  let [sumA, sumB] = [0, 0];
  for (const row of rows) {
    if (Number.isNaN(b[row])) continue;
    n++;
    sumA += a[row];
    sumB += b[row];
  }
  const [meanA, meanB] = [sumA / n, sumB / n];
  let [ab, aa, bb] = [0, 0, 0];
  for (const row of rows) {
    if (Number.isNaN(b[row])) continue;
    ab += (a[row] - meanA) * (b[row] - meanB);
    aa += (a[row] - meanA) ** 2;
    bb += (b[row] - meanB) ** 2;
  }
  return n > 2 && aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
