/** A canvas of points that can be pointed at, walked through with the arrow keys, and selected. */

import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../app";
import { type Colors, readColors } from "../theme/colors";
import type { Frame } from "./plot";
import { type GridLines, paint, pointAt, type PointSet } from "./points";
import { type Fact, Tooltip } from "./tooltip";
import { type Box, type Zoom, zoomByKey } from "./zoom";

interface LayerProps {
  frame: Frame;
  points(colors: Colors): PointSet;
  /** Anything of which the points are made: they are made again when it changes. */
  inputs: readonly unknown[];
  grid: { readonly x: boolean; readonly y: boolean };
  label: string;
  /** Points with a ring. */
  marked?: readonly { readonly point: number; readonly kind: "selected" | "second" }[];
  describe(point: number): { readonly title: string; readonly facts: readonly Fact[] };
  onSelect?(point: number): void;
  /** The point to go to from one with an arrow key; -1 for none. By default the next to the right, or above. */
  step?(point: number, key: Arrow): number;
  zoom?: Zoom;
}

export type Arrow = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home" | "End";
const ARROWS: readonly string[] = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

export function PointLayer({
  frame,
  points,
  inputs,
  grid,
  label,
  marked = [],
  describe,
  onSelect,
  step,
  zoom,
}: LayerProps): JSX.Element {
  const { dark, announce, t } = useApp();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [active, setActive] = useState<{ point: number; byKey: boolean } | null>(null);
  const drawn = useRef<{ set: PointSet; at(x: number, y: number): number } | null>(null);
  const [, redrawn] = useState({});
  const drag = useDrag(frame, zoom);
  useLayoutEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const colors = readColors(element);
    const set = points(colors);
    const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
    if (zoom?.zoomed) leaveOut(set, frame);
    const painted = paint(set, frame.width, frame.height, ratio, colors.background, gridLines(frame, grid, colors));
    element.width = painted.image.width;
    element.height = painted.image.height;
    element.getContext("2d")?.putImageData(painted.image, 0, 0);
    drawn.current = { set, at: (x, y) => pointAt(painted, x, y) };
    setActive(null);
    redrawn({});
  }, [frame, dark, ...inputs]);
  const walk = useMemo(() => step ?? byPlace(() => drawn.current?.set), [step]);

  const go = (point: number): void => {
    setActive({ point, byKey: true });
    const { title, facts } = describe(point);
    announce([title, ...facts.map(([name, value]) => `${name}: ${value}`)].join(", "));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (zoom && zoomByKey(event, zoom, frame, here ?? undefined)) setActive(null);
    else if (ARROWS.includes(event.key)) {
      const next = walk(active?.point ?? marked[0]?.point ?? -1, event.key as Arrow);
      if (next >= 0) go(next);
    } else if (event.key === "Enter" && active !== null) onSelect?.(active.point);
    else if (event.key === "Escape" && active !== null) setActive(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const at = (event: PointerEvent | MouseEvent): number => drawn.current?.at(event.offsetX, event.offsetY) ?? -1;
  const set = drawn.current?.set;
  const place = (point: number): [number, number] | null =>
    set !== undefined && point < set.count && set.x[point] >= 0 ? [set.x[point], set.y[point]] : null;
  const here = active && place(active.point);
  return (
    <>
      <canvas
        ref={canvas}
        class={`xd-canvas ${active !== null && onSelect !== undefined ? "xd-pointing" : ""}`}
        style={{ width: `${frame.width}px`, height: `${frame.height}px` }}
        role="img"
        tabIndex={0}
        aria-label={`${label} ${t("chart.keys")}${zoom ? ` ${t("chart.zoomKeys")}` : ""}`}
        onPointerDown={drag.down}
        onPointerUp={drag.up}
        onPointerCancel={drag.cancel}
        onWheel={drag.wheel}
        onDblClick={zoom?.reset}
        onPointerMove={(event) => {
          const point = drag.move(event) ? -1 : at(event);
          if (point !== (active?.point ?? -1)) setActive(point < 0 ? null : { point, byKey: false });
        }}
        onPointerLeave={() => !active?.byKey && setActive(null)}
        onBlur={() => setActive(null)}
        onClick={(event) => {
          const point = drag.dragged() ? -1 : at(event);
          if (point >= 0) onSelect?.(point);
        }}
        onKeyDown={onKeyDown}
      />
      <svg class="xd-drawing xd-marks" width={frame.width} height={frame.height} aria-hidden="true">
        {marked.map(({ point, kind }) => {
          const spot = place(point);
          return spot && <circle key={kind} class={`xd-ring xd-ring-${kind}`} cx={spot[0]} cy={spot[1]} r={7} />;
        })}
        {drag.box && <Dragged box={drag.box} />}
        {here && <circle class="xd-ring xd-ring-active" cx={here[0]} cy={here[1]} r={6} />}
      </svg>
      {here && active && <Tooltip x={here[0]} y={here[1]} width={frame.width} {...describe(active.point)} />}
    </>
  );
}

interface Drag {
  /** What is being dragged over. */
  readonly box: Box | null;
  down(event: PointerEvent): void;
  /** Whether a box is being dragged. */
  move(event: PointerEvent): boolean;
  up(event: PointerEvent): void;
  cancel(): void;
  wheel(event: WheelEvent): void;
  /** Whether the last press was no click. */
  dragged(): boolean;
}

const LEAST_DRAG = 6;

/** Dragging a box over the chart zooms in to it; so does the wheel with Ctrl, as on maps. Fingers scroll the page. */
function useDrag(frame: Frame, zoom: Zoom | undefined): Drag {
  const [box, setBox] = useState<Box | null>(null);
  const from = useRef<readonly [number, number] | null>(null);
  const moved = useRef(false);
  const end = (): void => {
    from.current = null;
    setBox(null);
  };
  return {
    box,
    down: (event) => {
      moved.current = false;
      if (zoom === undefined || event.button !== 0 || event.pointerType === "touch") return;
      from.current = [event.offsetX, event.offsetY];
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
    },
    move: (event) => {
      if (from.current === null) return false;
      const [x, y] = from.current;
      moved.current ||= Math.hypot(event.offsetX - x, event.offsetY - y) >= LEAST_DRAG;
      if (moved.current && zoom) setBox(boxOf(frame, zoom, [x, y, event.offsetX, event.offsetY]));
      return moved.current;
    },
    up: () => {
      if (box !== null && zoom) zoom.to(frame, box);
      end();
    },
    cancel: end,
    wheel: (event) => {
      if (zoom === undefined || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      zoom.by(frame, event.deltaY < 0 ? 0.8 : 1.25, [event.offsetX, event.offsetY]);
    },
    dragged: () => moved.current,
  };
}

/** A box inside the axes; all of an axis that is not zoomed, or along which hardly anything was dragged. */
function boxOf({ left, top, right, bottom }: Frame, { x, y }: Zoom, [x0, y0, x1, y1]: Box): Box {
  const across = x.kind === "category" || Math.abs(x1 - x0) < LEAST_DRAG ? [left, right] : [x0, x1].sort((a, b) => a - b);
  const up = y.kind === "category" || Math.abs(y1 - y0) < LEAST_DRAG ? [top, bottom] : [y0, y1].sort((a, b) => a - b);
  return [Math.max(left, across[0]), Math.max(top, up[0]), Math.min(right, across[1]), Math.min(bottom, up[1])];
}

function Dragged({ box: [x0, y0, x1, y1] }: { box: Box }): JSX.Element {
  return <rect class="xd-dragged" x={x0} y={y0} width={Math.max(0, x1 - x0)} height={Math.max(0, y1 - y0)} />;
}

/** Points beside the part that is shown are not drawn. */
function leaveOut({ count, x, y }: PointSet, { left, top, right, bottom }: Frame): void {
  for (let i = 0; i < count; i++) {
    const inside = x[i] >= left - 1 && x[i] <= right + 1 && y[i] >= top - 1 && y[i] <= bottom + 1;
    if (!inside) x[i] = y[i] = NaN;
  }
}

function gridLines(
  { x, y, left, top, right, bottom }: Frame,
  grid: { x: boolean; y: boolean },
  colors: Colors,
): GridLines {
  return {
    x: grid.x ? x.ticks.map((tick) => x(tick.value)) : [],
    y: grid.y ? y.ticks.map((tick) => y(tick.value)) : [],
    area: [left, top, right, bottom],
    color: colors.grid,
  };
}

/** Steps from point to point in the order of their places. */
function byPlace(points: () => PointSet | undefined): (point: number, key: Arrow) => number {
  const orders = new WeakMap<PointSet, { across: Order; up: Order }>();
  return (point, key) => {
    const set = points();
    if (set === undefined) return -1;
    const { across, up } = orders.get(set) ?? { across: order(set.x, set), up: order(set.y, set) };
    orders.set(set, { across, up });
    const vertical = key === "ArrowUp" || key === "ArrowDown";
    const { sorted, rank } = vertical ? up : across;
    if (sorted.length === 0) return -1;
    const last = sorted.length - 1;
    if (key === "Home" || key === "End") return sorted[key === "Home" ? 0 : last];
    if (point < 0) return sorted[0];
    const forward = key === "ArrowRight" || key === "ArrowDown";
    return sorted[Math.min(last, Math.max(0, rank[point] + (forward ? 1 : -1)))];
  };
}

interface Order {
  readonly sorted: Uint32Array;
  readonly rank: Uint32Array;
}

function order(along: Float32Array, set: PointSet): Order {
  const drawn = Uint32Array.from(
    Array.from({ length: set.count }, (_, i) => i).filter((i) => set.x[i] >= 0 && set.y[i] >= 0),
  );
  const sorted = drawn.sort((a, b) => along[a] - along[b] || a - b);
  const rank = new Uint32Array(set.count);
  sorted.forEach((point, i) => (rank[point] = i));
  return { sorted, rank };
}
