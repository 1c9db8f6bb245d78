/** Rows of bars: a name, a bar, a number. They are elements of the page, so that keyboards and readers find them. */

import type { JSX } from "preact";
import { Name } from "../components/name";
import { shown } from "../lib/text";
import { make, makePicture, ORIGIN, variable } from "./export";
import { cut } from "./plot";

export interface BarRow {
  readonly key: string;
  readonly name: string;
  /** Beside the name: the value of the feature. */
  readonly detail?: string;
  readonly from: number;
  readonly to: number;
  /** The number that is printed, and the one that is meant. */
  readonly text: string;
  readonly value: number;
  readonly tone: "plain" | "positive" | "negative" | "total" | "muted";
  readonly title?: string;
  onSelect?(): void;
}

interface BarsProps {
  rows: readonly BarRow[];
  label: string;
  /** Draw lines from the end of each bar to the next. */
  connected?: boolean;
  /** Names above the bars: for narrow places. */
  stacked?: boolean;
}

export function Bars({ rows, label, connected = false, stacked = false }: BarsProps): JSX.Element {
  const place = placer(rows, connected);
  const zero = place(0);
  return (
    <ol class={`xd-bars ${stacked ? "xd-stacked" : ""}`} aria-label={label}>
      {rows.map((row, i) => {
        const [start, end] = [place(Math.min(row.from, row.to)), place(Math.max(row.from, row.to))];
        const inside = (
          <>
            <span class="xd-bar-name">
              <Name text={row.name} />
              {row.detail !== undefined && (
                <span class="xd-bar-detail" title={row.detail}>
                  {row.detail}
                </span>
              )}
            </span>
            <span class="xd-bar-track">
              {!connected && zero > 0 && zero < 1 && <span class="xd-bar-zero" style={{ left: percent(zero) }} />}
              {connected && i < rows.length - 1 && (
                <span class="xd-bar-link" style={{ left: percent(place(row.to)) }} />
              )}
              <span
                class={`xd-bar-fill xd-tone-${row.tone}`}
                style={{ left: percent(start), width: percent(end - start) }}
              />
            </span>
            <span class="xd-bar-value" data-value={row.value} title={String(row.value)}>
              {row.text}
            </span>
          </>
        );
        return (
          <li key={row.key} class={`xd-bar-item xd-bar-${row.tone}`}>
            {row.onSelect ? (
              <button type="button" class="xd-bar" title={row.title} onClick={row.onSelect}>
                {inside}
              </button>
            ) : (
              <div class="xd-bar" title={row.title}>
                {inside}
              </div>
            )}
          </li>
        );
      })}
    </ol>
  );
}

/** Returns where a number lies between the ends of the bars, from 0 to 1. Bars that are not connected begin at zero. */
function placer(rows: readonly BarRow[], connected: boolean): (value: number) => number {
  let [low, high] = connected ? [Infinity, -Infinity] : [0, 0];
  for (const { from, to } of rows) {
    low = Math.min(low, from, to);
    high = Math.max(high, from, to);
  }
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  if (connected) [low, high] = [low - (high - low) * 0.03, high + (high - low) * 0.03];
  return (value) => (value - low) / (high - low);
}

function percent(share: number): string {
  return `${Math.round(share * 1e5) / 1e3}%`;
}

const LINE = 24;

/** Returns rows of bars as a picture. */
export function barsSvg(
  frame: HTMLElement,
  heading: string,
  rows: readonly BarRow[],
  connected = false,
): SVGSVGElement {
  const width = Math.max(480, frame.clientWidth);
  const picture = makePicture(frame, heading, width, rows.length * LINE);
  const style = getComputedStyle(frame);
  const ink = { "font-size": 12, "font-family": style.fontFamily, fill: variable(style, "text") };
  const size = ({ name, detail }: BarRow): number => name.length + (detail === undefined ? 0 : detail.length + 3);
  const longest = rows.reduce((most, row) => Math.max(most, size(row)), 0);
  const [left, right] = [Math.round(Math.min(width * 0.4, longest * 6.6 + 14)), width - 90];
  const place = placer(rows, connected);
  const tones = { plain: "bar", positive: "positive", negative: "negative", total: "total", muted: "muted-bar" };
  rows.forEach((row, i) => {
    const y = ORIGIN.y + i * LINE;
    const x = (value: number): number => ORIGIN.x + left + place(value) * (right - left);
    const [start, end] = [x(Math.min(row.from, row.to)), x(Math.max(row.from, row.to))];
    const name = row.detail === undefined ? shown(row.name) : `${shown(row.name, 60)} = ${row.detail}`;
    picture.append(
      make(
        "text",
        { x: ORIGIN.x + left - 10, y: y + 16, "text-anchor": "end", ...ink },
        cut(name, Math.floor(left / 6.6)),
      ),
      make("rect", {
        x: start,
        y: y + 4,
        width: Math.max(1, end - start),
        height: LINE - 8,
        rx: 2,
        fill: variable(style, tones[row.tone]),
      }),
      make("text", { x: ORIGIN.x + width, y: y + 16, "text-anchor": "end", ...ink }, row.text),
    );
  });
  return picture;
}
