/** Summaries of columns: bins, densities, quantiles. */

import { bisectRight, tickStep, ticks } from "d3-array";
import type { Figures } from "./explanation";
import type { Numbers } from "./parquet";

export interface Bins {
  /** One more than there are bins. */
  readonly edges: readonly number[];
  /** Rows in each bin, for each group. */
  readonly counts: readonly Float64Array[];
}

/** Returns rows counted in about `count` bins of round width, by group; rows without a value are in none. */
export function binned(
  values: ArrayLike<number>,
  count: number,
  groups: ArrayLike<number> | null = null,
  nGroups = 1,
  mask: Uint8Array | null = null,
): Bins {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  const edges = low <= high ? binEdges(low, high, count) : [0, 1];
  const counts = Array.from({ length: nGroups }, () => new Float64Array(edges.length - 1));
  for (let i = 0; i < values.length; i++) {
    const group = groups === null ? 0 : groups[i];
    if (!(values[i] >= low) || (mask !== null && !mask[i]) || !(group >= 0 && group < nGroups)) continue;
    // The last bin has its upper edge.
    counts[group][Math.min(edges.length - 2, bisectRight(edges, values[i]) - 1)]++;
  }
  return { edges, counts };
}

function binEdges(low: number, high: number, count: number): number[] {
  if (low === high) return [low - 0.5, low + 0.5];
  const step = tickStep(low, high, count);
  const inner = ticks(low, high, count);
  const edges = [...inner];
  if (edges[0] > low) edges.unshift(edges[0] - step);
  if (edges[edges.length - 1] < high) edges.push(edges[edges.length - 1] + step);
  return edges.length > 1 ? edges : [edges[0], edges[0] + step];
}

/** Returns the quantiles of some values, linear between the two nearest; NaN where there are no values. */
export function quantiles(values: ArrayLike<number>, places: readonly number[]): number[] {
  const sorted = Float64Array.from(values)
    .filter((value) => !Number.isNaN(value))
    .sort();
  return places.map((place) => {
    const at = place * (sorted.length - 1);
    const below = Math.floor(at);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted.length ? sorted[below] + (sorted[above] - sorted[below]) * (at - below) : NaN;
  });
}

/** Returns a smoothed density of some values at `steps` places from `low` to `high`, with 1 as its highest. */
export function density(values: ArrayLike<number>, low: number, high: number, steps: number): Float64Array {
  const counts = new Float64Array(steps);
  const scale = (steps - 1) / (high - low || 1);
  const step = (value: number): number => Math.min(steps - 1, Math.max(0, Math.round((value - low) * scale)));
  const known = Float64Array.from(values).filter((value) => !Number.isNaN(value));
  if (known.length === 0) return counts;
  let [sum, squares] = [0, 0];
  for (const value of known) {
    counts[step(value)]++;
    sum += value;
    squares += value * value;
  }
  const deviation = Math.sqrt(Math.max(0, squares / known.length - (sum / known.length) ** 2));
  const [least, q25, q75, greatest] = quantiles(known, [0, 0.25, 0.75, 1]);
  // Silverman's rule of thumb for the width, and at least one step.
  const width = Math.max(1, 0.9 * Math.min(deviation, (q75 - q25) / 1.34 || deviation) * known.length ** -0.2 * scale);
  const smooth = smoothed(counts, width);
  // Where there are no values there is no density.
  smooth.fill(0, 0, step(least));
  smooth.fill(0, step(greatest) + 1);
  const most = Math.max(...smooth);
  return smooth.map((value) => value / most);
}

function smoothed(counts: Float64Array, width: number): Float64Array {
  const reach = Math.ceil(3 * width);
  const kernel = Float64Array.from({ length: reach + 1 }, (_, i) => Math.exp(-0.5 * (i / width) ** 2));
  return counts.map((_, i) => {
    let sum = 0;
    for (let k = -reach; k <= reach; k++) sum += (counts[i + k] ?? 0) * kernel[Math.abs(k)];
    return sum;
  });
}

/** Returns the ranks of some values from 0 to 1; NaN stays. Ties keep their order. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const known = Array.from({ length: values.length }, (_, i) => i).filter((i) => !Number.isNaN(values[i]));
  known.sort((a, b) => values[a] - values[b] || a - b);
  const out = new Float64Array(values.length).fill(NaN);
  known.forEach((row, place) => (out[row] = known.length > 1 ? place / (known.length - 1) : 0.5));
  return out;
}

/** Figures of the rows at hand, where those of all rows are not stored, or only some rows are meant. */
export function figuresFrom(values: Numbers, mask: Uint8Array | null = null): Figures {
  const kept = values.filter((value, row) => !Number.isNaN(value) && (mask === null || mask[row] > 0));
  const [min, q05, q25, q50, q75, q95, max] = quantiles(kept, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]);
  let [sum, sumAbs, squares] = [0, 0, 0];
  for (const value of kept) {
    sum += value;
    sumAbs += Math.abs(value);
  }
  const mean = sum / kept.length;
  for (const value of kept) squares += (value - mean) ** 2;
  return {
    meanAbs: sumAbs / kept.length,
    mean,
    std: Math.sqrt(squares / kept.length),
    min,
    q05,
    q25,
    q50,
    q75,
    q95,
    max,
  };
}
