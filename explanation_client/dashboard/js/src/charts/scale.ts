/** Domains and scales: where a value lies on an axis, and which values have ticks. */

import { ticks, tickStep } from "d3-array";
import { utcTicks } from "d3-time";
import type { Format } from "../i18n/translate";
import { shown } from "../lib/text";
import type { Column } from "../model/columns";

export type Domain =
  | { readonly kind: "number" | "time"; readonly low: number; readonly high: number }
  | { readonly kind: "category"; readonly names: readonly string[] };

export interface Tick {
  readonly value: number;
  readonly label: string;
}

export interface Scale {
  (value: number): number;
  invert(place: number): number;
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
}

/** Returns the least and the greatest of some finite numbers, [0, 0] where there are none. */
export function extent(values: ArrayLike<number>, mask: Uint8Array | null = null): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (mask !== null && !mask[i]) continue;
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/** Returns the domain of numbers, with some room at both ends, and wide enough to have ticks. */
export function numberDomain(low: number, high: number, room = 0.04): Domain {
  if (low === high) {
    const half = low === 0 ? 1 : Math.abs(low) / 10;
    return { kind: "number", low: low - half, high: high + half };
  }
  const more = (high - low) * room;
  return { kind: "number", low: low - more, high: high + more };
}

/** Returns the domain of a column. */
export function columnDomain(column: Column, room?: number): Domain {
  if (column.kind === "category")
    return { kind: "category", names: column.categories.length ? column.categories : [""] };
  const [low, high] = extent(column.values);
  const domain = numberDomain(low, high, room);
  return column.kind === "time" && domain.kind !== "category" ? { ...domain, kind: "time" } : domain;
}

/** Returns the scale of a domain along `size` pixels from `from` to `to`, with ticks about `gap` pixels apart. */
export function makeScale(domain: Domain, from: number, to: number, format: Format, gap = 80): Scale {
  const [low, high] = domain.kind === "category" ? [-0.5, domain.names.length - 0.5] : [domain.low, domain.high];
  const step = (to - from) / (high - low);
  const place = (value: number): number => from + (value - low) * step;
  const count = Math.max(2, Math.round(Math.abs(to - from) / gap));
  return Object.assign(place, {
    invert: (at: number) => low + (at - from) / step,
    low,
    high,
    ticks:
      domain.kind === "category"
        ? categoryTicks(domain.names, Math.abs(to - from), gap)
        : domain.kind === "time"
          ? timeTicks(low, high, count)
          : numberTicks(low, high, count, format),
  });
}

export function numberTicks(low: number, high: number, count: number, format: Format): Tick[] {
  const step = tickStep(low, high, count);
  return ticks(low, high, count).map((value) => ({ value, label: format.tick(value, step) }));
}

function timeTicks(low: number, high: number, count: number): Tick[] {
  const found = utcTicks(new Date(low), new Date(high), count);
  const texts = found.map((date) => date.toISOString());
  // As much of each time as tells it from the others.
  const length = texts.every((text) => text.endsWith("T00:00:00.000Z"))
    ? texts.every((text) => text.slice(8, 10) === "01")
      ? 7
      : 10
    : 16;
  return found.map((date, i) => ({
    value: date.getTime(),
    label: length === 16 ? texts[i].slice(5, 16).replace("T", " ") : texts[i].slice(0, length),
  }));
}

/** Where names do not all fit, every second, third, ... has a tick. */
function categoryTicks(names: readonly string[], size: number, gap: number): Tick[] {
  const every = Math.max(1, Math.ceil((names.length * Math.min(gap, 22)) / size));
  return names.flatMap((name, value) => (value % every ? [] : [{ value, label: shown(name, 60) }]));
}
