/** Lines over numbers, times or categories: individual conditional expectations and their average. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Plot } from "./plot";
import type { Domain, Scale } from "./scale";
import { type Fact, Tooltip } from "./tooltip";

export interface Series {
  readonly key: string;
  readonly name: string;
  /** Places on the horizontal axis, ascending; positions of categories where it has these. */
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly tone: "main" | "second" | "faint";
  /** The value that the row itself has: a dot. */
  readonly at?: { readonly x: number; readonly y: number };
}

interface LinesProps {
  series: readonly Series[];
  x: Domain;
  y: Domain;
  xLabel: string;
  yLabel: string;
  label: string;
  height?: number;
  /** What the tooltip says: the place, and the numbers of the lines there. */
  describe(place: number): { readonly title: string; readonly facts: readonly Fact[] };
}

export function Lines({ series, x, y, xLabel, yLabel, label, height = 380, describe }: LinesProps): JSX.Element {
  const [active, setActive] = useState<number | null>(null);
  const places = series.reduce<ArrayLike<number>>(
    (longest, { x: own }) => (own.length > longest.length ? own : longest),
    [],
  );
  const nearest = (scale: Scale, at: number): number | null => {
    let best: number | null = null;
    for (let i = 0; i < places.length; i++)
      if (best === null || Math.abs(scale(places[i]) - at) < Math.abs(scale(best) - at)) best = places[i];
    return best;
  };
  // The main lines are drawn last, over the others.
  const sorted = [...series].sort((a, b) => Number(a.tone !== "faint") - Number(b.tone !== "faint"));
  return (
    <Plot
      height={height}
      x={x}
      y={y}
      xLabel={xLabel}
      yLabel={yLabel}
      label={label}
      over={(frame) => (
        <>
          <div
            class="xd-hit"
            onPointerMove={(event) => setActive(nearest(frame.x, event.offsetX))}
            onPointerLeave={() => setActive(null)}
          />
          {active !== null && (
            <Tooltip x={frame.x(active)} y={frame.top + 40} width={frame.width} {...describe(active)} />
          )}
        </>
      )}
    >
      {(frame) => (
        <>
          {active !== null && (
            <line class="xd-rule" x1={frame.x(active)} x2={frame.x(active)} y1={frame.top} y2={frame.bottom} />
          )}
          {sorted.map(({ key, x: xs, y: ys, tone, at }) => (
            <g key={key}>
              <path class={`xd-line xd-line-${tone}`} d={path(xs, ys, frame.x, frame.y)} />
              {x.kind === "category" &&
                tone !== "faint" &&
                Array.from(xs, (place, i) => (
                  <circle key={i} class={`xd-dot xd-dot-${tone}`} cx={frame.x(place)} cy={frame.y(ys[i])} r={4} />
                ))}
              {at && <circle class={`xd-dot xd-dot-${tone}`} cx={frame.x(at.x)} cy={frame.y(at.y)} r={5} />}
            </g>
          ))}
        </>
      )}
    </Plot>
  );
}

/** A line that is broken where there is no value. */
export function path(xs: ArrayLike<number>, ys: ArrayLike<number>, x: Scale, y: Scale): string {
  let text = "";
  let drawing = false;
  for (let i = 0; i < xs.length; i++) {
    if (Number.isNaN(ys[i]) || Number.isNaN(xs[i])) drawing = false;
    else {
      text += `${drawing ? "L" : "M"}${round(x(xs[i]))} ${round(y(ys[i]))}`;
      drawing = true;
    }
  }
  return text;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
