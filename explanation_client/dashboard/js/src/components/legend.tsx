/** What the colours of points mean. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp } from "../app";
import { colorBy, type Legend } from "../charts/colors";
import type { Column } from "../model/columns";
import { type Colors, css, readColors } from "../theme/colors";
import { Name } from "./name";

/** The colours of the theme, for what is drawn outside a canvas. */
export function useColors(): Colors {
  const { root, dark } = useApp();
  return useMemo(() => readColors(root), [root, dark]);
}

interface LegendProps {
  title: string;
  column: Column | null;
}

/** The legend of points that are coloured by a column. */
export function ColorLegend({ title, column }: LegendProps): JSX.Element | null {
  const { t } = useApp();
  const colors = useColors();
  const legend = useMemo<Legend>(
    () => (column ? colorBy(column, column.values.length, colors).legend : { kind: "none" }),
    [column, colors],
  );
  if (legend.kind === "none") return null;
  return (
    <div class="xd-legend">
      <span class="xd-legend-title">
        <Name text={title} />
      </span>
      {legend.kind === "ramp" ? (
        <RampLegend legend={legend} />
      ) : (
        legend.entries.map(({ name, color }) => (
          <span key={name ?? "\0"} class="xd-swatch">
            <i style={{ background: css(color) }} />
            {name === null ? t("chart.other") : <Name text={name} />}
          </span>
        ))
      )}
    </div>
  );
}

function RampLegend({ legend }: { legend: Extract<Legend, { kind: "ramp" }> }): JSX.Element {
  const { t, format } = useApp();
  const text = (value: number): string => (legend.time ? format.time(value) : format.number(value));
  return (
    <>
      <span>{text(legend.low)}</span>
      <Ramp colors={legend.ramp} />
      <span>{text(legend.high)}</span>
      {legend.missing && (
        <span class="xd-swatch">
          <i style={{ background: css(legend.missing) }} />
          {t("row.missing")}
        </span>
      )}
    </>
  );
}

export function Ramp({ colors }: { colors: Colors["ramp"] }): JSX.Element {
  const stops = Array.from({ length: 9 }, (_, i) => css(colors[Math.round((i * (colors.length - 1)) / 8)]));
  return <span class="xd-legend-ramp" style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }} />;
}
