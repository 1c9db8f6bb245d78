/**
 * What changed from one explanation to another: their rankings, and each feature's importances over the rows.
 *
 * The same formulas as `attribution_drift` of the Python package, which says where they come from: shares of the global
 * importance, NDCG of the ranking, first Wasserstein distance and Kolmogorov-Smirnov test of the local importances.
 */

import type { Explanation } from "./explanation";
import type { Local } from "./local";
import type { Numbers } from "./parquet";

/** What counts as drift: the limits that the Python package has by default. */
export const LIMITS = { ndcg: 0.9, change: 0.05, significance: 0.01 } as const;

/** Baseline first, then what is compared with it. */
export type Pair<T> = readonly [T, T];

/** A feature of either explanation. Shares and ranks are as in Python also where they are no more than an estimate. */
export interface Standing {
  readonly name: string;
  /** Positions among the features of each explanation; -1 for not there. */
  readonly places: Pair<number>;
  /** Parts of all global importance; of what a cut left out an equal part each. */
  readonly shares: Pair<number>;
  /** From 1; 0 where the explanation does not have the feature. */
  readonly ranks: Pair<number>;
}

export interface Standings {
  readonly features: readonly Standing[];
  readonly ndcg: number;
}

/** How far apart the local importances of a feature are, and whether that can be chance. */
export interface Distance {
  /** As a part of the mean sum of absolute importances of a baseline row. */
  readonly distance: number;
  readonly ks: number;
  /** Corrected for the number of comparisons. */
  readonly pValue: number;
}

export interface Moved extends Standing, Distance {
  readonly change: number;
  readonly moved: boolean;
}

export interface Drift {
  /** Those that moved first, then by how much. */
  readonly features: readonly Moved[];
  readonly ndcg: number;
  readonly moved: number;
  readonly drifted: boolean;
}

export type Incomparable = "need.global" | "drift.tasks" | "drift.noFeature";

/** Returns shares and ranks of the features of both, matched by name; or why the explanations can't be compared. */
export function standings(pair: Pair<Explanation>): Standings | Incomparable {
  if (pair[0].info.task !== pair[1].info.task) return "drift.tasks";
  const [before, after] = pair.map(magnitudes);
  if (before === null || after === null) return "need.global";
  const positions = pair.map(({ features }) => new Map(features.map((name, position) => [name, position])));
  const names = [...positions[0].keys(), ...[...positions[1].keys()].filter((name) => !positions[0].has(name))];
  if (names.length === positions[0].size + positions[1].size) return "drift.noFeature";
  const [old, now] = [placed(before), placed(after)];
  const features = names.map((name): Standing => {
    const places = [positions[0].get(name) ?? -1, positions[1].get(name) ?? -1] as const;
    return {
      name,
      places,
      shares: [old.shares[places[0]] ?? 0, now.shares[places[1]] ?? 0],
      ranks: [old.ranks[places[0]] ?? 0, now.ranks[places[1]] ?? 0],
    };
  });
  return { features, ndcg: ndcg(features) };
}

/** Absolute global importances; what a cut left out counts as equal, and never as more than what it kept. */
function magnitudes({ global }: Explanation): Float64Array | null {
  if (global === null) return null;
  const kept = global.values.filter((value) => !Number.isNaN(value));
  const missing = global.values.length - kept.length;
  if (missing === 0) return global.values.map(Math.abs);
  const [sum, sumAbs] = [kept.reduce(plus, 0), kept.reduce((total, value) => total + Math.abs(value), 0)];
  const smallest = kept.reduce((least, value) => Math.min(least, Math.abs(value)), Infinity);
  const leftOut = Math.min(Math.max(0, global.rest + sum - sumAbs) / missing, smallest);
  return global.values.map((value) => (Number.isNaN(value) ? leftOut : Math.abs(value)));
}

function placed(magnitude: Float64Array): { shares: Float64Array; ranks: Float64Array } {
  const total = magnitude.reduce(plus, 0);
  const ranks = new Float64Array(magnitude.length);
  Array.from(magnitude.keys())
    .sort((a, b) => magnitude[b] - magnitude[a] || a - b)
    .forEach((position, place) => (ranks[position] = place + 1));
  return { shares: magnitude.map((value) => (total > 0 ? value / total : 0)), ranks };
}

/** The discounted sum of the baseline's shares in the current order, as a part of what the best order has. */
function ndcg(features: readonly Standing[]): number {
  const last = features.length + 1;
  const gains = features.map(({ shares }) => shares[0]);
  const current = Array.from(features.keys()).sort(
    (a, b) => (features[a].ranks[1] || last) - (features[b].ranks[1] || last) || a - b,
  );
  const discounted = (ordered: readonly number[]): number =>
    ordered.reduce((sum, gain, place) => sum + gain / Math.log2(place + 2), 0);
  const ideal = discounted([...gains].sort((a, b) => b - a));
  return ideal > 0 ? Math.min(1, discounted(current.map((i) => gains[i])) / ideal) : 1;
}

export type NoDistances = "drift.noLocal" | "drift.cutLocal" | "drift.spaces" | "drift.noClass";

/** Why local importances can't be compared, with the place of the explanation that is in the way; null where they can. */
export function obstacle(pair: Pair<Explanation>, locals: Pair<Local | null>): readonly [NoDistances, number] | null {
  for (const [i, local] of locals.entries()) {
    if (local === null) return ["drift.noLocal", i];
    if (local.ranked) return ["drift.cutLocal", i];
  }
  const [old, now] = pair.map(({ info }) => info);
  const spaces = [old.outputSpace, now.outputSpace];
  if (spaces.every((space) => space !== undefined) && spaces[0] !== spaces[1]) return ["drift.spaces", 0];
  return sharedOutputs(pair).length === 0 ? ["drift.noClass", 0] : null;
}

/** Outputs of both by name; of a regression the only one. */
export function sharedOutputs([{ info: old }, { info: now }]: Pair<Explanation>): readonly Pair<number>[] {
  if (old.task === "regression") return [[0, 0]];
  return old.outputs.flatMap((name, output) => {
    const other = now.outputs.indexOf(name);
    return other < 0 ? [] : [[output, other] as const];
  });
}

/** Returns the distances of the features that both have, by name; the page goes on meanwhile. */
export async function distances(
  pair: Pair<Explanation>,
  locals: Pair<Local>,
  { features }: Standings,
): Promise<ReadonlyMap<string, Distance>> {
  const outputs = sharedOutputs(pair);
  const both = features.filter(({ places }) => places.every((place) => place >= 0));
  const here = both.filter(({ places }) => locals.every((local, i) => local.has(places[i])));
  const found = new Map<string, Distance>();
  let rested = performance.now();
  for (const [old, now] of outputs) {
    const scale = meanRow(pair[0], locals[0], old) || meanRow(pair[1], locals[1], now) || 1;
    for (const { name, places } of here) {
      const { far, ks } = apart(locals[0].values(old, places[0]), locals[1].values(now, places[1]));
      const known = found.get(name);
      found.set(name, {
        distance: Math.max(known?.distance ?? 0, far / scale),
        ks: Math.max(known?.ks ?? 0, ks),
        pValue: NaN,
      });
      if (performance.now() - rested < 20) continue;
      await new Promise((go) => setTimeout(go));
      rested = performance.now();
    }
  }
  const [n, m] = locals.map((local) => local.rows.count);
  for (const [name, distance] of found) {
    const pValue = Math.min(1, probability(distance.ks, n, m) * both.length * outputs.length);
    found.set(name, { ...distance, pValue });
  }
  return found;
}

/** Returns all of it together: how much each feature changed, and which changed by more than chance. */
export function judged({ features, ndcg: order }: Standings, far: ReadonlyMap<string, Distance>): Drift {
  const unknown: Distance = { distance: NaN, ks: NaN, pValue: NaN };
  const lines = features.map((standing): Moved => {
    const distance = far.get(standing.name) ?? unknown;
    const share = Math.abs(standing.shares[1] - standing.shares[0]);
    const change = Math.max(share, Number.isNaN(distance.distance) ? 0 : distance.distance);
    // Without a test there is no reason to think that a change is chance.
    const moved = change >= LIMITS.change && !(distance.pValue > LIMITS.significance);
    return { ...standing, ...distance, change, moved };
  });
  const moved = lines.filter((line) => line.moved).length;
  const ordered = lines.sort((a, b) => Number(b.moved) - Number(a.moved) || b.change - a.change);
  return { features: ordered, ndcg: order, moved, drifted: moved > 0 || order < LIMITS.ndcg };
}

/** The mean sum of absolute importances of a row; of features that are not at hand as it was computed of all rows. */
function meanRow({ global, info, features }: Explanation, local: Local, output: number): number {
  if (local.features.length < features.length && info.outputs.length === 1 && global !== null)
    return global.values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : Math.abs(value)), Math.abs(global.rest));
  return local.features.reduce((sum, position) => sum + meanAbs(local.values(output, position)), 0);
}

function meanAbs(values: Numbers): number {
  let sum = 0;
  for (let row = 0; row < values.length; row++) sum += Math.abs(values[row]);
  return values.length ? sum / values.length : 0;
}

/** The first Wasserstein distance, and the largest gap of the distribution functions, of two samples. */
export function apart(before: Numbers, after: Numbers): { far: number; ks: number } {
  const [a, b] = [Float64Array.from(before).sort(), Float64Array.from(after).sort()];
  let [i, j, far, ks, gap, at] = [0, 0, 0, 0, 0, Math.min(a[0], b[0])];
  while (i < a.length || j < b.length) {
    const value = Math.min(a[i] ?? Infinity, b[j] ?? Infinity);
    far += gap * (value - at);
    while (i < a.length && a[i] === value) i++;
    while (j < b.length && b[j] === value) j++;
    gap = Math.abs(i / a.length - j / b.length);
    ks = Math.max(ks, gap);
    at = value;
  }
  return { far, ks };
}

/** The asymptotic probability of a Kolmogorov-Smirnov statistic at least that large (Stephens, 1974). */
export function probability(ks: number, n: number, m: number): number {
  const root = Math.sqrt((n * m) / (n + m));
  const scaled = Math.max((root + 0.12 + 0.11 / root) * ks, 0);
  // The series does not converge where the statistic is next to nothing: nothing is more probable than that.
  if (scaled < 0.2) return 1;
  let sum = 0;
  for (let term = 1; term <= 100; term++) sum += 2 * (-1) ** (term - 1) * Math.exp(-2 * term ** 2 * scaled ** 2);
  return Math.min(1, Math.max(0, sum));
}

function plus(a: number, b: number): number {
  return a + b;
}
