/** A square of numbers as colours: interactions of pairs, confusion of classes. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp } from "../app";
import { useColors } from "../components/legend";
import { css, inkOn } from "../theme/colors";
import { type Frame, Plot } from "./plot";
import type { Domain } from "./scale";
import { type Fact, Tooltip } from "./tooltip";

interface MatrixProps {
  rows: readonly string[];
  columns: readonly string[];
  /** NaN for a cell that is left empty. */
  value(row: number, column: number): number;
  xLabel: string;
  yLabel: string;
  label: string;
  describe(row: number, column: number): { readonly title: string; readonly facts: readonly Fact[] };
  onSelect?(row: number, column: number): void;
}

export function Matrix({ rows, columns, value, xLabel, yLabel, label, describe, onSelect }: MatrixProps): JSX.Element {
  const { format } = useApp();
  const colors = useColors();
  const [active, setActive] = useState<readonly [number, number] | null>(null);
  const x = useMemo<Domain>(() => ({ kind: "category", names: columns }), [columns]);
  const y = useMemo<Domain>(() => ({ kind: "category", names: rows }), [rows]);
  const cells = rows.flatMap((_, r) => columns.map((__, c) => ({ r, c, value: value(r, c) })));
  const most = cells.reduce((found, { value }) => (value > found ? value : found), 0);
  const shade = (of: number): number => Math.round((most > 0 ? Math.max(0, of) / most : 0) * 255);
  const cellAt = (frame: Frame, event: MouseEvent): readonly [number, number] | null => {
    const [c, r] = [Math.round(frame.x.invert(event.offsetX)), Math.round(frame.y.invert(event.offsetY))];
    return rows[r] !== undefined && columns[c] !== undefined && !Number.isNaN(value(r, c)) ? [r, c] : null;
  };
  return (
    <Plot
      height={Math.max(220, Math.min(34, 640 / rows.length) * rows.length + 110)}
      x={x}
      y={y}
      xLabel={xLabel}
      yLabel={yLabel}
      grid="none"
      down
      label={label}
      over={(frame) => (
        <>
          <div
            class={`xd-hit ${onSelect ? "xd-pointing" : ""}`}
            onPointerMove={(event) => setActive(cellAt(frame, event))}
            onPointerLeave={() => setActive(null)}
            onClick={(event) => {
              const cell = cellAt(frame, event);
              if (cell) onSelect?.(...cell);
            }}
          />
          {active && (
            <Tooltip x={frame.x(active[1])} y={frame.y(active[0])} width={frame.width} {...describe(...active)} />
          )}
        </>
      )}
    >
      {(frame) => {
        const [w, h] = [frame.x(1) - frame.x(0), frame.y(1) - frame.y(0)];
        return cells.map(({ r, c, value: found }) => {
          if (Number.isNaN(found)) return null;
          const color = colors.heat[shade(found)];
          return (
            <g key={`${r}/${c}`}>
              <rect
                class="xd-cell"
                style={{ fill: css(color) }}
                x={frame.x(c) - w / 2}
                y={frame.y(r) - h / 2}
                width={w}
                height={h}
              />
              {w > 46 && h > 17 && (
                <text
                  class="xd-tick"
                  style={{ fill: inkOn(color) }}
                  x={frame.x(c)}
                  y={frame.y(r)}
                  dy="0.35em"
                  text-anchor="middle"
                >
                  {format.number(found)}
                </text>
              )}
            </g>
          );
        });
      }}
    </Plot>
  );
}
