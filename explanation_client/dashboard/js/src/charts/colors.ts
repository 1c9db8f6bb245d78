/** Colour of points: by a number, by a category, or the same for all. */

import type { Column } from "../model/columns";
import { CATEGORIES, type Colors, type Rgb } from "../theme/colors";
import { extent } from "./scale";

export interface Coloring {
  readonly index: Uint16Array;
  readonly table: readonly Rgb[];
  readonly legend: Legend;
}

export type Legend =
  | { readonly kind: "none" }
  | {
      readonly kind: "ramp";
      readonly low: number;
      readonly high: number;
      readonly time: boolean;
      readonly ramp: readonly Rgb[];
      readonly missing: Rgb | null;
    }
  | { readonly kind: "category"; readonly entries: readonly { readonly name: string | null; readonly color: Rgb }[] };

/** Returns the colours of `count` points by a column, or one for all. */
export function colorBy(column: Column | null, count: number, colors: Colors): Coloring {
  if (column === null) return { index: new Uint16Array(count), table: [colors.point], legend: { kind: "none" } };
  return column.kind === "category" ? byCategory(column, colors) : byNumber(column, colors);
}

function byNumber(column: Column, colors: Colors): Coloring {
  // A few far values must not leave one colour for all the others.
  const [low, high] = inner(column.values);
  const scale = high > low ? 255 / (high - low) : 0;
  let missing = false;
  const index = Uint16Array.from(column.values, (value) => {
    if (Number.isNaN(value)) missing = true;
    return Number.isNaN(value) ? 256 : Math.min(255, Math.max(0, Math.round((value - low) * scale)));
  });
  const legend: Legend = {
    kind: "ramp",
    low,
    high,
    time: column.kind === "time",
    ramp: colors.ramp,
    missing: missing ? colors.missing : null,
  };
  return { index, table: [...colors.ramp, colors.missing], legend };
}

/** The most frequent categories have a colour of their own, the others share one. */
function byCategory(column: Column, colors: Colors): Coloring {
  const counts = new Float64Array(column.categories.length);
  for (let i = 0; i < column.values.length; i++) if (!Number.isNaN(column.values[i])) counts[column.values[i]]++;
  const present = Array.from(counts.keys()).filter((code) => counts[code] > 0);
  const frequent =
    present.length <= CATEGORIES
      ? present
      : [...present].sort((a, b) => counts[b] - counts[a]).slice(0, CATEGORIES - 1);
  const chosen = new Map(frequent.sort((a, b) => a - b).map((code, place) => [code, place]));
  const index = Uint16Array.from(column.values, (code) => chosen.get(code) ?? CATEGORIES);
  const entries = Array.from(chosen, ([code, place]) => ({
    name: column.categories[code] as string | null,
    color: colors.categories[place],
  }));
  const more = present.length > frequent.length || column.values.some(Number.isNaN);
  if (more) entries.push({ name: null, color: colors.missing });
  return { index, table: [...colors.categories, colors.missing], legend: { kind: "category", entries } };
}

/** Returns the 2nd and 98th percentile, or the extremes where they are the same. */
export function inner(values: ArrayLike<number>): [number, number] {
  const step = Math.max(1, Math.floor(values.length / 20_000));
  const some: number[] = [];
  for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) some.push(values[i]);
  const sorted = Float64Array.from(some).sort();
  const low = sorted[Math.floor(0.02 * (sorted.length - 1))];
  const high = sorted[Math.ceil(0.98 * (sorted.length - 1))];
  return high > low ? [low, high] : extent(values);
}
