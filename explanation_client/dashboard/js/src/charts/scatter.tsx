/** Points by two columns, coloured by a third: up to hundreds of thousands of them. */

import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Column } from "../model/columns";
import { colorBy } from "./colors";
import { PointLayer } from "./layer";
import { type Frame, Plot } from "./plot";
import { pointStyle } from "./points";
import { columnDomain, type Domain } from "./scale";
import type { Fact } from "./tooltip";
import { useZoom, ZoomButtons } from "./zoom";

interface ScatterProps {
  x: Column;
  y: Column;
  color: Column | null;
  xLabel: string;
  yLabel: string;
  label: string;
  height?: number;
  /** Rows that are drawn; all without it. */
  mask?: Uint8Array | null;
  /** Spread points of the same category, or of few numbers, so that they do not hide each other. */
  jitter?: { readonly x: boolean; readonly y: boolean };
  selected?: number;
  second?: number;
  describe(point: number): { readonly title: string; readonly facts: readonly Fact[] };
  onSelect?(point: number): void;
  /** Lines over the points. */
  children?(frame: Frame): ComponentChildren;
  yDomain?: Domain;
}

export function Scatter({
  x,
  y,
  color,
  xLabel,
  yLabel,
  label,
  height = 420,
  mask = null,
  jitter,
  selected = -1,
  second = -1,
  describe,
  onSelect,
  children,
  yDomain,
}: ScatterProps): JSX.Element {
  const xs = useMemo(() => columnDomain(x), [x]);
  const ys = useMemo(() => yDomain ?? columnDomain(y), [y, yDomain]);
  const zoom = useZoom(xs, ys);
  const [spreadX, spreadY] = [jitter?.x ?? x.kind === "category", jitter?.y ?? y.kind === "category"];
  const marked = useMemo(
    () => [
      ...(selected >= 0 ? [{ point: selected, kind: "selected" as const }] : []),
      ...(second >= 0 ? [{ point: second, kind: "second" as const }] : []),
    ],
    [selected, second],
  );
  return (
    <Plot
      height={height}
      x={zoom.x}
      y={zoom.y}
      xLabel={xLabel}
      yLabel={yLabel}
      canvas={(frame) => (
        <PointLayer
          frame={frame}
          points={(colors) => {
            const count = x.values.length;
            const { index, table } = colorBy(color, count, colors);
            const px = place(x, frame.x, spreadX, 1, mask);
            const py = place(y, frame.y, spreadY, 2, mask);
            return { count, x: px, y: py, color: index, table, ...pointStyle(count) };
          }}
          inputs={[x, y, color, mask, spreadX, spreadY]}
          grid={{ x: xs.kind !== "category", y: ys.kind !== "category" }}
          label={label}
          marked={marked}
          zoom={zoom}
          describe={describe}
          onSelect={onSelect}
        />
      )}
      over={xs.kind === "category" && ys.kind === "category" ? undefined : (frame) => <ZoomButtons zoom={zoom} frame={frame} />}
    >
      {children}
    </Plot>
  );
}

/** Places along an axis; the same row is always spread in the same way. */
function place(
  column: Column,
  scale: Frame["x"],
  spread: boolean,
  seed: number,
  mask: Uint8Array | null,
): Float32Array {
  const { values } = column;
  const width = spread ? (column.kind === "category" ? Math.abs(scale(1) - scale(0)) * 0.7 : 14) : 0;
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = mask !== null && !mask[i] ? NaN : scale(values[i]) + (width ? (scattered(i, seed) - 0.5) * width : 0);
  }
  return out;
}

/** A number from 0 to 1 that looks random and is the same for the same row. */
export function scattered(row: number, seed: number): number {
  let hash = Math.imul(row + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 0x1_0000_0000;
}
