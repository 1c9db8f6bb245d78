/** How numbers are spread, in one band for each name: all points (beeswarm), boxes, or outlines (violins). */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Figures } from "../model/explanation";
import { density } from "../model/stats";
import type { Colors } from "../theme/colors";
import { inner } from "./colors";
import { type Arrow, PointLayer } from "./layer";
import { path } from "./lines";
import { type Frame, Plot } from "./plot";
import { pointStyle, type PointSet } from "./points";
import { type Domain, makeScale } from "./scale";
import { type Fact, Tooltip } from "./tooltip";
import { useZoom, ZoomButtons } from "./zoom";

export interface Band {
  readonly name: string;
  readonly values: ArrayLike<number>;
  /** What points are coloured by: low to high, NaN for none. Null where it is no number. */
  readonly shades: ArrayLike<number> | null;
  readonly figures: Figures | null;
}

interface SpreadProps {
  bands: readonly Band[];
  kind: "swarm" | "box" | "violin";
  x: Domain;
  xLabel: string;
  label: string;
  mask: Uint8Array | null;
  selected: number;
  describe(band: number, row: number): { readonly title: string; readonly facts: readonly Fact[] };
  /** What boxes say of a band. */
  describeBand(band: number): { readonly title: string; readonly facts: readonly Fact[] };
  onSelect(row: number): void;
}

const BAND = 34;

export function Spread({
  bands,
  kind,
  x,
  xLabel,
  label,
  mask,
  selected,
  describe,
  describeBand,
  onSelect,
}: SpreadProps): JSX.Element {
  const y = useMemo<Domain>(() => ({ kind: "category", names: bands.map(({ name }) => name) }), [bands]);
  const height = bands.length * BAND + 56;
  const zoom = useZoom(x, y);
  const nRows = bands[0]?.values.length ?? 0;
  const [active, setActive] = useState(-1);
  const over = (frame: Frame): JSX.Element => {
    const bandAt = (place: number): number => {
      const band = Math.round(frame.y.invert(place));
      return band >= 0 && band < bands.length ? band : -1;
    };
    return (
      <>
        <div
          class="xd-hit"
          onPointerMove={(event) => setActive(bandAt(event.offsetY))}
          onPointerLeave={() => setActive(-1)}
        />
        {active >= 0 && active < bands.length && (
          <Tooltip
            x={frame.x(bands[active].figures?.q50 ?? 0)}
            y={frame.y(active)}
            width={frame.width}
            {...describeBand(active)}
          />
        )}
      </>
    );
  };
  const canvas = (frame: Frame): JSX.Element => (
    <PointLayer
      frame={frame}
      points={(colors) => swarm(bands, frame, colors, mask)}
      inputs={[bands, mask]}
      grid={{ x: true, y: false }}
      label={label}
      marked={
        selected < 0 ? [] : bands.map((_, band) => ({ point: band * nRows + selected, kind: "selected" as const }))
      }
      describe={(point) => describe(Math.floor(point / nRows), point % nRows)}
      onSelect={(point) => onSelect(point % nRows)}
      step={stepper(bands, mask)}
      zoom={zoom}
    />
  );
  return (
    <Plot
      height={height}
      x={kind === "swarm" ? zoom.x : x}
      y={y}
      xLabel={xLabel}
      yLabel=""
      grid="x"
      down
      canvas={kind === "swarm" ? canvas : undefined}
      over={kind === "swarm" ? (frame) => <ZoomButtons zoom={zoom} frame={frame} /> : over}
      label={kind === "swarm" ? undefined : label}
    >
      {(frame) => (
        <>
          {frame.x(0) >= frame.left && frame.x(0) <= frame.right && (
            <line class="xd-zero" x1={frame.x(0)} x2={frame.x(0)} y1={frame.top} y2={frame.bottom} />
          )}
          {kind !== "swarm" &&
            bands.map((band, i) => (
              <g key={i}>
                {kind === "violin" && <Outline band={band} frame={frame} middle={frame.y(i)} mask={mask} />}
                {band.figures && (
                  <Box figures={band.figures} frame={frame} middle={frame.y(i)} slim={kind === "violin"} />
                )}
              </g>
            ))}
        </>
      )}
    </Plot>
  );
}

/** Places of all points: those that would lie on each other are put side by side, as far as the band allows. */
function swarm(bands: readonly Band[], frame: Frame, colors: Colors, mask: Uint8Array | null): PointSet {
  const nRows = bands[0]?.values.length ?? 0;
  const count = bands.length * nRows;
  const set = {
    count,
    x: new Float32Array(count),
    y: new Float32Array(count),
    color: new Uint16Array(count),
    table: [...colors.ramp, colors.missing],
  };
  const { radius, alpha } =
    nRows > 20_000 ? { radius: 0.6, alpha: 1 } : { radius: Math.min(2.4, pointStyle(nRows).radius * 0.75), alpha: 0.8 };
  const cell = Math.max(1, radius * 1.2);
  const columns = new Uint32Array(Math.ceil(frame.width / cell) + 1);
  const half = BAND / 2 - 3;
  bands.forEach((band, b) => {
    const { values } = band;
    columns.fill(0);
    const at = (row: number): number => frame.x(values[row]);
    const first = b * nRows;
    // Once to see how high the heap grows, once to build it.
    for (let row = 0; row < nRows; row++) {
      const place = at(row);
      if (place >= frame.left && place <= frame.right) columns[(place / cell) | 0]++;
    }
    const highest = columns.reduce((most, found) => Math.max(most, found), 1);
    const step = Math.min(radius * 1.7, (2 * half) / highest);
    columns.fill(0);
    const middle = frame.y(b);
    for (let row = 0; row < nRows; row++) {
      const place = at(row);
      // What lies beside the part that is shown takes no room in it.
      if (!(place >= frame.left && place <= frame.right)) {
        set.x[first + row] = NaN;
        continue;
      }
      const k = columns[(place / cell) | 0]++;
      const offset = (k & 1 ? (k + 1) >> 1 : -(k >> 1)) * step;
      set.x[first + row] = mask !== null && !mask[row] ? NaN : place;
      set.y[first + row] = middle + Math.max(-half, Math.min(half, offset));
    }
    shade(band.shades, set.color, first, nRows);
  });
  return { ...set, radius, alpha };
}

function shade(shades: ArrayLike<number> | null, color: Uint16Array, first: number, count: number): void {
  if (shades === null) {
    color.fill(256, first, first + count);
    return;
  }
  const [low, high] = inner(shades);
  const scale = high > low ? 255 / (high - low) : 0;
  for (let row = 0; row < count; row++) {
    const value = shades[row];
    color[first + row] = Number.isNaN(value) ? 256 : Math.min(255, Math.max(0, (value - low) * scale));
  }
}

/** Left and right go through the rows of a band by their number, up and down to the same row of another band. */
function stepper(bands: readonly Band[], mask: Uint8Array | null): (point: number, key: Arrow) => number {
  const nRows = bands[0]?.values.length ?? 0;
  const orders = new Map<number, Uint32Array>();
  const order = (band: number): Uint32Array => {
    const { values } = bands[band];
    const rows = Array.from({ length: nRows }, (_, row) => row).filter(
      (row) => !Number.isNaN(values[row]) && (mask === null || mask[row]),
    );
    const found = orders.get(band) ?? Uint32Array.from(rows.sort((a, b) => values[a] - values[b] || a - b));
    orders.set(band, found);
    return found;
  };
  return (point, key) => {
    const [band, row] = point < 0 ? [0, -1] : [Math.floor(point / nRows), point % nRows];
    if (bands.length === 0) return -1;
    const rows = order(band);
    if (row < 0) return rows.length ? rows[0] : -1;
    if (key === "ArrowUp" || key === "ArrowDown")
      return Math.min(bands.length - 1, Math.max(0, band + (key === "ArrowDown" ? 1 : -1))) * nRows + row;
    const at =
      key === "Home" ? 0 : key === "End" ? rows.length - 1 : rows.indexOf(row) + (key === "ArrowRight" ? 1 : -1);
    return band * nRows + rows[Math.min(rows.length - 1, Math.max(0, at))];
  };
}

function Box({
  figures,
  frame,
  middle,
  slim,
}: {
  figures: Figures;
  frame: Frame;
  middle: number;
  slim: boolean;
}): JSX.Element {
  const { x } = frame;
  const half = slim ? 3 : 9;
  const { min, q05, q25, q50, q75, q95, max, mean } = figures;
  const line = (from: number, to: number, kind: string): JSX.Element => (
    <line class={kind} x1={x(from)} x2={x(to)} y1={middle} y2={middle} />
  );
  return (
    <g>
      {line(min, q05, "xd-extreme")}
      {line(q95, max, "xd-extreme")}
      {line(q05, q95, "xd-whisker")}
      <rect class="xd-box" x={x(q25)} y={middle - half} width={Math.max(1, x(q75) - x(q25))} height={2 * half} rx={2} />
      <line class="xd-median" x1={x(q50)} x2={x(q50)} y1={middle - half} y2={middle + half} />
      {!slim && <circle class="xd-dot" cx={x(mean)} cy={middle} r={3.5} />}
    </g>
  );
}

const STEPS = 160;

function Outline({
  band,
  frame,
  middle,
  mask,
}: {
  band: Band;
  frame: Frame;
  middle: number;
  mask: Uint8Array | null;
}): JSX.Element {
  const d = useMemo(() => {
    const kept = mask === null ? band.values : Float64Array.from(Array.from(band.values).filter((_, row) => mask[row]));
    const { low, high } = frame.x;
    const heights = density(kept, low, high, STEPS);
    const places: number[] = [];
    const edges: number[] = [];
    const half = BAND / 2 - 3;
    for (let i = 0; i < STEPS; i++) {
      // Where there are hardly any rows there is no outline.
      if (heights[i] < 0.004) continue;
      places.push(low + ((high - low) * i) / (STEPS - 1));
      edges.push(heights[i] * half);
    }
    const flat = makeFlat();
    const above = path(
      places,
      edges.map((edge) => middle - edge),
      frame.x,
      flat,
    );
    const below = path(
      [...places].reverse(),
      [...edges].reverse().map((edge) => middle + edge),
      frame.x,
      flat,
    );
    return places.length ? `${above}${below.replace("M", "L")}Z` : "";
  }, [band, frame, middle, mask]);
  return <path class="xd-violin" d={d} />;
}

/** A scale that leaves pixels as they are. */
function makeFlat(): ReturnType<typeof makeScale> {
  return Object.assign((value: number) => value, { invert: (value: number) => value, low: 0, high: 1, ticks: [] });
}
