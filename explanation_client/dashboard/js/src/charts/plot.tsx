/** The frame of every chart with axes: its size, its scales, its ticks and labels. */

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../app";
import type { Format } from "../i18n/translate";
import { shown } from "../lib/text";
import { type Domain, makeScale, type Scale } from "./scale";

/** Where a chart draws, in CSS pixels. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly x: Scale;
  readonly y: Scale;
}

interface PlotProps {
  height: number;
  x: Domain;
  y: Domain;
  xLabel: string;
  yLabel: string;
  /** Grid lines: of both axes, or of one. By default of both, none at categories. */
  grid?: "x" | "y" | "both" | "none";
  /** The vertical axis begins at the top: for rows of names. */
  down?: boolean;
  /** Least width of the place for the labels of the vertical axis. */
  left?: number;
  /** What lies below the axes: a canvas that draws its own grid lines. */
  canvas?(frame: Frame): ComponentChildren;
  /** SVG elements. */
  children?(frame: Frame): ComponentChildren;
  /** What lies above all: tooltips. */
  over?(frame: Frame): ComponentChildren;
  label?: string;
}

const DIGIT = 6.6;

/** The width of an element, as it changes. */
export function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const measure = (): void => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

export function Plot(props: PlotProps): JSX.Element {
  const [ref, width] = useWidth();
  return (
    <div class="xd-plot" ref={ref} style={{ height: `${props.height}px` }}>
      {width > 0 && <Drawing {...props} width={width} />}
    </div>
  );
}

function Drawing({
  width,
  height,
  x,
  y,
  xLabel,
  yLabel,
  grid = "both",
  down = false,
  left: least = 0,
  canvas,
  children,
  over,
  label,
}: PlotProps & { width: number }): JSX.Element {
  const { format } = useApp();
  const frame = useMemo(
    () => layOut({ width, height, x, y, least, down }, format),
    [width, height, x, y, least, down, format],
  );
  const lines = (of: "x" | "y", domain: Domain): boolean =>
    (grid === "both" && domain.kind !== "category") || grid === of;
  return (
    <>
      {canvas?.(frame)}
      <svg
        class="xd-drawing"
        width={width}
        height={height}
        role={label === undefined ? undefined : "img"}
        aria-label={label}
        aria-hidden={label === undefined}
      >
        {canvas === undefined && <Grid frame={frame} x={lines("x", x)} y={lines("y", y)} />}
        <Axes frame={frame} xLabel={xLabel} yLabel={yLabel} rotated={x.kind === "category" && crowded(frame)} />
        {children?.(frame)}
      </svg>
      {over?.(frame)}
    </>
  );
}

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly x: Domain;
  readonly y: Domain;
  readonly least: number;
  readonly down: boolean;
}

function layOut({ width, height, x, y, least, down }: Layout, format: Format): Frame {
  const top = 10;
  const rough = makeScale(y, height - 40, top, format, y.kind === "category" ? 18 : 56);
  const widest = longest(rough.ticks.map((tick) => tick.label));
  const left = Math.round(Math.min(width * 0.36, y.kind === "category" ? 260 : 170, Math.max(least, Math.max(1, widest) * DIGIT + 34)));
  const right = width - 14;
  const narrow = x.kind === "category" ? Math.max(24, (right - left) / Math.max(1, x.names.length)) : 80;
  const crossed = makeScale(x, left, right, format, Math.min(80, narrow));
  const long = x.kind === "category" ? longest(x.names) : 0;
  const bottom = height - (x.kind === "category" && long * DIGIT > narrow ? 24 + Math.min(70, long * DIGIT * 0.7) : 40);
  return {
    width,
    height,
    left,
    top,
    right,
    bottom,
    x: crossed,
    y: makeScale(y, down ? top : bottom, down ? bottom : top, format, y.kind === "category" ? 18 : 56),
  };
}

function crowded({ x, left, right }: Frame): boolean {
  return longest(x.ticks.map((tick) => tick.label)) * DIGIT > (right - left) / Math.max(1, x.ticks.length);
}

function Grid({
  frame: { left, right, top, bottom, x, y },
  x: vertical,
  y: horizontal,
}: {
  frame: Frame;
  x: boolean;
  y: boolean;
}): JSX.Element {
  return (
    <g class="xd-grid">
      {vertical &&
        x.ticks.map((tick) => (
          <line key={`x${tick.value}`} x1={x(tick.value)} x2={x(tick.value)} y1={top} y2={bottom} />
        ))}
      {horizontal &&
        y.ticks.map((tick) => (
          <line key={`y${tick.value}`} x1={left} x2={right} y1={y(tick.value)} y2={y(tick.value)} />
        ))}
    </g>
  );
}

interface AxesProps {
  frame: Frame;
  xLabel: string;
  yLabel: string;
  rotated: boolean;
}

function Axes({
  frame: { left, right, top, bottom, width, height, x, y },
  xLabel,
  yLabel,
  rotated,
}: AxesProps): JSX.Element {
  const room = Math.max(3, Math.floor((left - 30) / DIGIT));
  const middle = (top + bottom) / 2;
  return (
    <g class="xd-axes">
      <line class="xd-axis-line" x1={left} x2={right} y1={bottom} y2={bottom} />
      {x.ticks.map((tick) =>
        rotated ? (
          <text
            key={tick.value}
            class="xd-tick"
            transform={`translate(${x(tick.value) + 4} ${bottom + 12}) rotate(-38)`}
            text-anchor="end"
          >
            {cut(tick.label, 14)}
          </text>
        ) : (
          <text key={tick.value} class="xd-tick" x={x(tick.value)} y={bottom + 16} text-anchor="middle">
            {cut(tick.label, 24)}
          </text>
        ),
      )}
      {y.ticks.map((tick) => (
        <text key={tick.value} class="xd-tick" x={left - 8} y={y(tick.value)} dy="0.32em" text-anchor="end">
          {cut(tick.label, room)}
        </text>
      ))}
      <text class="xd-axis-label" x={(left + right) / 2} y={height - 5} text-anchor="middle">
        {cut(shown(xLabel), Math.floor((width - left) / DIGIT))}
      </text>
      <text class="xd-axis-label" transform={`translate(12 ${middle}) rotate(-90)`} text-anchor="middle">
        {cut(shown(yLabel), Math.floor((bottom - top) / DIGIT))}
      </text>
    </g>
  );
}

/** A text of at most some characters. */
export function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, Math.max(1, length - 1))}…` : text;
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}
