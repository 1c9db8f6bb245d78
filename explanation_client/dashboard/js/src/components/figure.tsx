/** A chart with its heading, its table, and ways to save both. */

import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { useApp } from "../app";
import { addFoot, drawnSvg } from "../charts/export";
import { toCsv, type TableData } from "../lib/csv";
import { fileName, svgText } from "../lib/save";
import { IconButton } from "./controls";
import { DataTable } from "./table";

interface FigureProps {
  title: string;
  /** What the chart shows of what, in a line under the heading. */
  notes?: readonly (string | false | null | undefined)[];
  /** The numbers behind the chart. */
  table(): TableData;
  /** The chart as a picture; by default what is drawn in the figure. */
  svg?(frame: HTMLElement): SVGSVGElement;
  legend?: ComponentChildren;
  children: ComponentChildren;
}

export function Figure({ title, notes = [], table, svg, legend, children }: FigureProps): JSX.Element {
  const { t, saver, explanation, announce } = useApp();
  const [tabular, setTabular] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const figure = useRef<HTMLElement>(null);
  const name = fileName(title, explanation.info.id.slice(-6));
  const picture = (): SVGSVGElement | null => {
    if (frame.current === null) return null;
    const drawn = svg ? svg(frame.current) : drawnSvg(frame.current, title);
    addFoot(
      drawn,
      frame.current,
      figure.current?.querySelector(".xd-legend") ?? null,
      notes.filter((note) => note).join(" "),
    );
    return drawn;
  };
  const savePng = (): void => {
    const drawn = picture();
    if (drawn) saver.picture(`${name}.png`, drawn).catch((error: unknown) => announce(String(error)));
  };
  const saveSvg = (): void => {
    const drawn = picture();
    if (drawn) saver.text(`${name}.svg`, "image/svg+xml", svgText(drawn));
  };
  const shownNotes = notes.filter((note) => note);
  return (
    <figure ref={figure} class="xd-figure" aria-label={title}>
      <div class="xd-figure-head">
        <div class="xd-figure-text">
          <figcaption class="xd-figure-title">{title}</figcaption>
          {shownNotes.length > 0 && <p class="xd-note">{shownNotes.join(" ")}</p>}
        </div>
        <div class="xd-tools">
          <IconButton
            icon={tabular ? "chart" : "table"}
            label={t(tabular ? "chart.chart" : "chart.table")}
            onClick={() => setTabular(!tabular)}
          />
          <Tool label={t("chart.csv")} onClick={() => saver.text(`${name}.csv`, "text/csv", toCsv(table()))}>
            CSV
          </Tool>
          <Tool label={t("chart.png")} disabled={tabular} onClick={savePng}>
            PNG
          </Tool>
          <Tool label={t("chart.svg")} disabled={tabular} onClick={saveSvg}>
            SVG
          </Tool>
        </div>
      </div>
      {legend}
      {tabular ? (
        <DataTable table={table()} caption={title} />
      ) : (
        <div class="xd-figure-body" ref={frame}>
          {children}
        </div>
      )}
    </figure>
  );
}

interface ToolProps {
  label: string;
  disabled?: boolean;
  onClick(): void;
  children: string;
}

function Tool({ label, disabled, onClick, children }: ToolProps): JSX.Element {
  return (
    <button type="button" class="xd-tool" title={label} aria-label={label} disabled={disabled} onClick={onClick}>
      {children}
    </button>
  );
}
