/** Zoom: the part of its domains that a chart shows; by dragging, the wheel, keys, and buttons. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp } from "../app";
import { IconButton } from "../components/controls";
import type { Frame } from "./plot";
import type { Domain, Scale } from "./scale";

/** Two corners in CSS pixels. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

export interface Zoom {
  readonly x: Domain;
  readonly y: Domain;
  readonly zoomed: boolean;
  /** Show what lies in a box. */
  to(frame: Frame, box: Box): void;
  /** Show `factor` of what is shown, around a place, by default the middle. */
  by(frame: Frame, factor: number, at?: readonly [number, number]): void;
  /** Show what lies beside, by parts of what is shown. */
  move(frame: Frame, right: number, up: number): void;
  reset(): void;
}

type Range = readonly [low: number, high: number];
interface Part {
  readonly x: Range | null;
  readonly y: Range | null;
}

const WHOLE: Part = { x: null, y: null };
// So far that every number of a float64 is still apart from its neighbour.
const CLOSEST = 1e-9;

/** What a chart of two domains shows. Categories are never cut; other domains begin whole again. */
export function useZoom(x: Domain, y: Domain): Zoom {
  const [shown, setShown] = useState({ x, y, part: WHOLE });
  const part = shown.x === x && shown.y === y ? shown.part : WHOLE;
  return useMemo(() => {
    const whole = { x, y };
    const setPart = (chosen: Part): void => setShown({ x, y, part: chosen });
    const change = (axis: "x" | "y", scale: Scale, from: number, to: number): Range | null => {
      const domain = whole[axis];
      if (domain.kind === "category") return null;
      return within(domain, scale.invert(from), scale.invert(to));
    };
    const show = (frame: Frame, [x0, y0, x1, y1]: Box): void =>
      setPart({ x: change("x", frame.x, x0, x1), y: change("y", frame.y, y0, y1) });
    return {
      x: cutTo(x, part.x),
      y: cutTo(y, part.y),
      zoomed: part.x !== null || part.y !== null,
      to: show,
      by: (frame, factor, at = [(frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2]) => {
        const edge = (middle: number, place: number): number => middle + (place - middle) * factor;
        const { left, top, right, bottom } = frame;
        show(frame, [edge(at[0], left), edge(at[1], top), edge(at[0], right), edge(at[1], bottom)]);
      },
      move: (frame, right, up) => {
        const [dx, dy] = [right * (frame.right - frame.left), -up * (frame.bottom - frame.top)];
        show(frame, [frame.left + dx, frame.top + dy, frame.right + dx, frame.bottom + dy]);
      },
      reset: () => setPart(WHOLE),
    };
  }, [x, y, part]);
}

/** The range between two values inside a domain; null for the whole of it. */
function within(domain: Exclude<Domain, { kind: "category" }>, a: number, b: number): Range | null {
  const size = domain.high - domain.low;
  const width = Math.max(size * CLOSEST, Math.abs(b - a));
  if (width >= size * (1 - CLOSEST)) return null;
  const low = Math.min(domain.high - width, Math.max(domain.low, Math.min(a, b)));
  return [low, low + width];
}

function cutTo(domain: Domain, range: Range | null): Domain {
  return range === null || domain.kind === "category" ? domain : { ...domain, low: range[0], high: range[1] };
}

/** Whether a key zooms, and what it then does. */
export function zoomByKey(event: KeyboardEvent, zoom: Zoom, frame: Frame, at?: readonly [number, number]): boolean {
  const steps: Record<string, readonly [number, number]> = {
    ArrowLeft: [-0.25, 0],
    ArrowRight: [0.25, 0],
    ArrowUp: [0, 0.25],
    ArrowDown: [0, -0.25],
  };
  if (event.key === "+" || event.key === "=") zoom.by(frame, 0.5, at);
  else if (event.key === "-") zoom.by(frame, 2, at);
  else if (event.key === "0") zoom.reset();
  else if (event.shiftKey && event.key in steps) zoom.move(frame, ...steps[event.key]);
  else return false;
  return true;
}

/** Buttons for those who neither drag nor type. */
export function ZoomButtons({ zoom, frame }: { zoom: Zoom; frame: Frame }): JSX.Element {
  const { t } = useApp();
  return (
    <div class="xd-zoom">
      <IconButton icon="plus" label={t("chart.zoomIn")} onClick={() => zoom.by(frame, 0.5)} />
      <IconButton icon="minus" label={t("chart.zoomOut")} disabled={!zoom.zoomed} onClick={() => zoom.by(frame, 2)} />
      <IconButton icon="whole" label={t("chart.zoomReset")} disabled={!zoom.zoomed} onClick={zoom.reset} />
    </div>
  );
}
