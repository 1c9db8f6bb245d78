/** Two numbers for each name, as two bars below each other: here and there, before and after. */

import type { JSX } from "preact";
import { make, makePicture, ORIGIN, variable } from "../charts/export";
import { cut } from "../charts/plot";
import { shown } from "../lib/text";
import { Name } from "./name";

export interface PairRow {
  readonly key: string;
  readonly name: string;
  /** NaN for none. */
  readonly values: readonly [number, number];
  readonly texts: readonly [string, string];
  /** Beside the name: feature values, or how a rank changed. */
  readonly detail?: string;
  readonly change?: { readonly text: string; readonly tone: "up" | "down" | "same" };
  /** A further number at the end of the line. */
  readonly distance?: { readonly value: number; readonly text: string };
  /** What is remarkable about it, in a word. */
  readonly flag?: string;
  /** What a click on the name does. */
  readonly title?: string;
  onSelect?(): void;
}

interface PairsProps {
  rows: readonly PairRow[];
  /** What the first and the second bar are. */
  names: readonly [string, string];
  label: string;
  /** What the change and the further number are. */
  heads?: readonly [string, string];
}

export function Pairs({ rows, names, label, heads }: PairsProps): JSX.Element {
  const [low, top] = ends(rows);
  const high = top || (low < 0 ? 0 : 1);
  const percent = (value: number): string => `${(100 * (value - low)) / (high - low)}%`;
  return (
    <div class="xd-pairs">
      <div class="xd-pair-legend" aria-hidden="true">
        {names.map((name, i) => (
          <span key={i} class="xd-swatch">
            <i class={`xd-pair-key xd-pair-${i}`} />
            <Name text={name} />
          </span>
        ))}
      </div>
      <ol class={`xd-pair-list ${heads ? "xd-pair-wide" : ""}`} aria-label={label}>
        {heads && (
          <li class="xd-pair-heads" aria-hidden="true">
            <span />
            <span />
            <span />
            <span class="xd-pair-change">{heads[0]}</span>
            {rows.some(({ distance }) => distance) && <span class="xd-pair-distance">{heads[1]}</span>}
          </li>
        )}
        {rows.map((row) => (
          <li key={row.key} class="xd-pair">
            <span class="xd-pair-name">
              {row.onSelect ? (
                <button type="button" class="xd-pair-link" title={row.title} onClick={row.onSelect}>
                  <Name text={row.name} />
                </button>
              ) : (
                <Name text={row.name} />
              )}
              {row.detail !== undefined && <span class="xd-bar-detail">{row.detail}</span>}
            </span>
            <span class="xd-pair-bars">
              {row.values.map((value, i) => (
                <span key={i} class="xd-pair-track">
                  {!Number.isNaN(value) && (
                    <span
                      class={`xd-pair-fill xd-pair-${i}`}
                      style={{ left: percent(Math.min(0, value)), width: `${(100 * Math.abs(value)) / (high - low)}%` }}
                    />
                  )}
                </span>
              ))}
            </span>
            <span class="xd-pair-values">
              {row.texts.map((text, i) => (
                <span key={i} data-value={Number.isNaN(row.values[i]) ? undefined : row.values[i]}>
                  <span class="xd-unseen">{names[i]}: </span>
                  {text}
                </span>
              ))}
            </span>
            {row.change && <span class={`xd-pair-change xd-change-${row.change.tone}`}>{row.change.text}</span>}
            {row.distance && (
              <span class={`xd-pair-distance ${row.flag ? "xd-flagged" : ""}`}>
                <span class="xd-unseen">{heads?.[1]}: </span>
                <span class="xd-pair-number" data-distance={row.distance.value}>
                  {row.distance.text}
                </span>
                {row.flag && <span class="xd-unseen">{row.flag}</span>}
              </span>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The least and the largest of the values and zero. */
function ends(rows: readonly PairRow[]): [low: number, high: number] {
  let [low, high] = [0, 0];
  for (const { values } of rows) {
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

const LINE = 30;

/** Returns pairs of bars as a picture. */
export function pairsSvg(
  frame: HTMLElement,
  heading: string,
  rows: readonly PairRow[],
  names: readonly [string, string],
  heads?: readonly [string, string],
): SVGSVGElement {
  const width = Math.max(480, frame.clientWidth);
  const picture = makePicture(frame, heading, width, (rows.length + 1) * LINE);
  const style = getComputedStyle(frame);
  const ink = { "font-size": 12, "font-family": style.fontFamily, fill: variable(style, "text") };
  const fills = [variable(style, "bar"), variable(style, "category-1")];
  const [low, high] = ends(rows);
  // At the right: the values, how they changed, and the further number.
  const changes = rows.some(({ change }) => change) ? 88 : 0;
  const numbers = rows.some(({ distance }) => distance) ? 56 : 0;
  const edge = width - changes - numbers;
  const [left, right] = [Math.round(width * 0.32), edge - 70];
  const x = (value: number): number => ORIGIN.x + left + ((value - low) / (high - low || 1)) * (right - left);
  heads?.forEach((head, i) => {
    if (i === 1 && numbers === 0) return;
    const [x, anchor] = i === 0 ? [edge + 12, "start"] : [width, "end"];
    picture.append(make("text", { x: ORIGIN.x + x, y: ORIGIN.y + 26, "text-anchor": anchor, ...ink, "font-size": 11 }, head));
  });
  names.forEach((name, i) => {
    const at = ORIGIN.x + (i * width) / 2;
    picture.append(make("rect", { x: at, y: ORIGIN.y + 4, width: 10, height: 10, fill: fills[i] }), make("text", { x: at + 16, y: ORIGIN.y + 13, ...ink }, shown(name, 50)));
  });
  rows.forEach((row, r) => {
    const y = ORIGIN.y + (r + 1) * LINE;
    picture.append(make("text", { x: ORIGIN.x + left - 10, y: y + 18, "text-anchor": "end", ...ink }, cut(shown(row.name, 60), Math.floor(left / 6.6))));
    row.values.forEach((value, i) => {
      if (Number.isNaN(value)) return;
      const [start, end] = [x(Math.min(0, value)), x(Math.max(0, value))];
      picture.append(
        make("rect", { x: start, y: y + 4 + i * 11, width: Math.max(1, end - start), height: 9, rx: 2, fill: fills[i] }),
        make("text", { x: ORIGIN.x + edge, y: y + 12 + i * 11, "text-anchor": "end", ...ink, "font-size": 11 }, row.texts[i]),
      );
    });
    const weight = row.flag === undefined ? 400 : 600;
    if (row.change) picture.append(make("text", { x: ORIGIN.x + edge + 12, y: y + 18, ...ink, "font-size": 11 }, row.change.text));
    if (row.distance) {
      picture.append(make("text", { x: ORIGIN.x + width, y: y + 18, "text-anchor": "end", ...ink, "font-size": 11, "font-weight": weight }, row.distance.text));
      if (row.flag !== undefined) picture.append(make("circle", { cx: ORIGIN.x + width - 46, cy: y + 14, r: 3.5, fill: fills[1] }));
    }
  });
  return picture;
}
