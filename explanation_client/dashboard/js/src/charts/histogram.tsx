/** How many rows have which value: bins of numbers, or one bar for each category, in groups of colour. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp } from "../app";
import { useColors } from "../components/legend";
import type { Column } from "../model/columns";
import { type Bins, binned } from "../model/stats";
import { css } from "../theme/colors";
import { colorBy } from "./colors";
import { type Frame, Plot } from "./plot";
import { columnDomain, type Domain } from "./scale";
import { type Fact, Tooltip } from "./tooltip";
import { shown } from "../lib/text";

interface HistogramProps {
  column: Column;
  /** Groups that are stacked, where it is a column of categories. */
  groups?: Column | null;
  bins?: number;
  xLabel: string;
  yLabel: string;
  label: string;
  height?: number;
  mask?: Uint8Array | null;
}

/** Counts of a column, in the groups of another one. */
export function countRows(
  column: Column,
  groups: Uint16Array | null,
  nGroups: number,
  bins: number,
  mask: Uint8Array | null,
): Bins {
  if (column.kind !== "category") return binned(column.values, bins, groups, nGroups, mask);
  const counts = Array.from({ length: nGroups }, () => new Float64Array(Math.max(1, column.categories.length)));
  for (let row = 0; row < column.values.length; row++) {
    const code = column.values[row];
    if (!Number.isNaN(code) && (mask === null || mask[row])) counts[groups?.[row] ?? 0][code]++;
  }
  return { edges: Array.from({ length: counts[0].length + 1 }, (_, i) => i - 0.5), counts };
}

export function Histogram({
  column,
  groups = null,
  bins = 30,
  xLabel,
  yLabel,
  label,
  height = 420,
  mask = null,
}: HistogramProps): JSX.Element {
  const { format } = useApp();
  const colors = useColors();
  const split = groups?.kind === "category" ? groups : null;
  const coloring = useMemo(() => (split ? colorBy(split, split.values.length, colors) : null), [colors, split]);
  const nGroups = coloring?.table.length ?? 1;
  const counted = useMemo(
    () => countRows(column, coloring?.index ?? null, nGroups, bins, mask),
    [column, coloring, nGroups, bins, mask],
  );
  const totals = useMemo(() => totalsOf(counted), [counted]);
  const x = useMemo<Domain>(() => {
    const domain = columnDomain(column);
    return domain.kind === "category"
      ? domain
      : { ...domain, low: counted.edges[0], high: counted.edges[counted.edges.length - 1] };
  }, [column, counted]);
  const y = useMemo<Domain>(() => ({ kind: "number", low: 0, high: Math.max(1, ...totals) * 1.05 }), [totals]);
  const [active, setActive] = useState(-1);
  const range = (bin: number): string =>
    column.kind === "category"
      ? shown(column.categories[bin] ?? "", 60)
      : [counted.edges[bin], counted.edges[bin + 1]]
          .map((edge) => (column.kind === "time" ? format.time(edge) : format.number(edge)))
          .join(" – ");
  const names = coloring?.legend.kind === "category" ? coloring.legend.entries : [];
  const facts = (bin: number): Fact[] => [
    [yLabel, format.integer(totals[bin])],
    ...names.flatMap(({ name, color }): Fact[] => {
      const group = coloring?.table.indexOf(color) ?? 0;
      return counted.counts[group][bin] ? [[shown(name ?? "–", 40), format.integer(counted.counts[group][bin])]] : [];
    }),
  ];
  const binAt = (frame: Frame, at: number): number => {
    const value = frame.x.invert(at);
    const found = counted.edges.findIndex((edge, i) => value >= edge && value < (counted.edges[i + 1] ?? -Infinity));
    return at < frame.left || at > frame.right ? -1 : found;
  };
  return (
    <Plot
      height={height}
      x={x}
      y={y}
      xLabel={xLabel}
      yLabel={yLabel}
      grid="y"
      label={label}
      over={(frame) => (
        <>
          <div
            class="xd-hit"
            onPointerMove={(event) => setActive(binAt(frame, event.offsetX))}
            onPointerLeave={() => setActive(-1)}
          />
          {active >= 0 && (
            <Tooltip
              x={(frame.x(counted.edges[active]) + frame.x(counted.edges[active + 1])) / 2}
              y={frame.y(totals[active])}
              width={frame.width}
              title={range(active)}
              facts={facts(active)}
            />
          )}
        </>
      )}
    >
      {(frame) =>
        totals.map((_, bin) => (
          <Column
            key={bin}
            frame={frame}
            counted={counted}
            bin={bin}
            fills={coloring?.table.map(css) ?? null}
            gap={column.kind === "category" ? 0.15 : 0}
          />
        ))
      }
    </Plot>
  );
}

interface ColumnProps {
  frame: Frame;
  counted: Bins;
  bin: number;
  fills: readonly string[] | null;
  gap: number;
}

function Column({ frame, counted, bin, fills, gap }: ColumnProps): JSX.Element {
  const [start, end] = [frame.x(counted.edges[bin]), frame.x(counted.edges[bin + 1])];
  const room = Math.min(30, (end - start) * gap) + 0.5;
  let below = 0;
  return (
    <g>
      {counted.counts.map((counts, group) => {
        if (!counts[bin]) return null;
        const [from, to] = [frame.y(below), frame.y(below + counts[bin])];
        below += counts[bin];
        return (
          <rect
            key={group}
            class="xd-column"
            style={fills ? { fill: fills[group] } : undefined}
            x={start + room}
            y={to}
            width={Math.max(1, end - start - 2 * room)}
            height={Math.max(0, from - to)}
          />
        );
      })}
    </g>
  );
}

export function totalsOf({ counts }: Bins): number[] {
  return Array.from(counts[0], (_, bin) => counts.reduce((sum, group) => sum + group[bin], 0));
}
