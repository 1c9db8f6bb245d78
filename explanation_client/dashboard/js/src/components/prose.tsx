/** A text whose words are tinted by a number; pointer and arrow keys show the number of one. */

import type { JSX } from "preact";
import { useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../app";
import { make, makePicture, ORIGIN, variable } from "../charts/export";
import { type Fact, Tooltip } from "../charts/tooltip";
import { prose, shown } from "../lib/text";
import type { Document, Piece } from "../model/documents";

export interface Tinted {
  readonly document: Document;
  readonly pieces: readonly Piece[];
  /** One for each token. */
  readonly values: ArrayLike<number>;
  /** The largest magnitude of all values. */
  readonly most: number;
  /** Numbers without a sign: one colour. */
  readonly plain: boolean;
}

interface ProseProps {
  tinted: Tinted;
  label: string;
  /** What is said of a token. */
  facts(token: number): readonly Fact[];
}

interface Active {
  readonly token: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export function Prose({ tinted, label, facts }: ProseProps): JSX.Element {
  const { t, announce } = useApp();
  const outer = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const hint = useId();
  const [active, setActive] = useState<Active | null>(null);
  const { document, pieces, values } = tinted;
  const word = (token: number): string => shown(document.text.slice(document.tokens[token].start, document.tokens[token].end), 80);
  const element = (token: number): HTMLElement | null =>
    frame.current?.querySelector<HTMLElement>(`[data-token="${token}"]`) ?? null;
  const go = (token: number, by: "pointer" | "keys"): void => {
    const found = element(token);
    if (found === null || outer.current === null) return setActive(null);
    if (by === "keys") {
      found.scrollIntoView({ block: "nearest" });
      announce([word(token), ...facts(token).map(([name, value]) => `${name}: ${value}`)].join(", "));
    }
    const [box, around] = [found.getClientRects()[0], outer.current.getBoundingClientRect()];
    if (box === undefined) return setActive(null);
    setActive({ token, x: box.right - around.left - 8, y: box.bottom - around.top + 52, width: around.width });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const last = pieces.reduce((most, { token }) => Math.max(most, token), -1);
    const at = active?.token ?? -1;
    const moves: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last };
    if (event.key === "Escape" && active !== null) setActive(null);
    else if (event.key in moves && last >= 0) go(Math.min(last, Math.max(0, moves[event.key])), "keys");
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  // Who comes by keyboard begins at the word that matters most.
  const onFocus = (event: FocusEvent): void => {
    if (active !== null || !(event.currentTarget as HTMLElement).matches(":focus-visible")) return;
    const tokens = pieces.map(({ token }) => token).filter((token) => token >= 0);
    const best = tokens.reduce((most, token) => (Math.abs(values[token]) > Math.abs(values[most]) ? token : most), tokens[0] ?? -1);
    if (best >= 0) go(best, "keys");
  };
  const onPointer = (event: PointerEvent): void => {
    const found = (event.target as Element).closest("[data-token]")?.getAttribute("data-token");
    if (found == null) setActive(null);
    else if (Number(found) !== active?.token) go(Number(found), "pointer");
  };
  const words = useMemo(() => pieces.map((piece) => <Word key={piece.start} piece={piece} tinted={tinted} />), [tinted]);
  const same = active === null ? -1 : document.tokens[active.token].word;
  // Marks are set beside what is rendered: thousands of words need not be compared when the pointer moves.
  useLayoutEffect(() => {
    const marked = same < 0 ? [] : [...(frame.current?.querySelectorAll(`[data-word="${same}"]`) ?? [])];
    marked.forEach((each) => each.setAttribute("data-marked", each.getAttribute("data-token") === String(active?.token) ? "here" : "same"));
    return () => marked.forEach((each) => each.removeAttribute("data-marked"));
  }, [active?.token, same, words]);
  return (
    <div class="xd-prose-outer" ref={outer} onPointerLeave={() => setActive(null)}>
      <span class="xd-unseen" id={hint}>
        {t("text.keys")}
      </span>
      <div
        ref={frame}
        class="xd-prose"
        role="group"
        aria-label={label}
        aria-describedby={hint}
        tabIndex={0}
        dir="auto"
        onKeyDown={onKeyDown}
        onFocus={onFocus}
        onBlur={() => setActive(null)}
        onPointerMove={onPointer}
        onScroll={() => setActive(null)}
      >
        {words}
      </div>
      {active && (
        <Tooltip x={active.x} y={active.y} width={active.width} title={word(active.token)} facts={facts(active.token)} />
      )}
    </div>
  );
}

function Word({ piece, tinted }: { piece: Piece; tinted: Tinted }): JSX.Element {
  const { document, values, most, plain } = tinted;
  const text = prose(document.text.slice(piece.start, piece.end));
  const mark = piece.sentence >= 0 && <SentenceMark place={piece.sentence} document={document} />;
  const value = piece.token < 0 ? 0 : values[piece.token];
  if (piece.token < 0) return <>{mark}{text}</>;
  return (
    <>
      {mark}
      <span
        class={`xd-word ${tone(value, plain)}`}
        data-token={piece.token}
        data-word={document.tokens[piece.token].word}
        data-value={value}
        style={{ "--xd-strength": String(strength(value, most)) }}
      >
        {text}
      </span>
    </>
  );
}

/** How much the explainer attended to the sentence that begins here. */
function SentenceMark({ place, document }: { place: number; document: Document }): JSX.Element | null {
  const { t, format } = useApp();
  const { weight } = document.sentences[place];
  if (weight === null) return null;
  const weights = document.sentences.map((sentence) => sentence.weight ?? 0);
  const most = weights.reduce((found, each) => Math.max(found, Math.abs(each)), 0);
  const text = format.series(weights)(weight);
  return (
    <span
      class="xd-sentence"
      role="img"
      aria-label={`${t("text.sentenceWeight")}: ${text}`}
      title={`${t("text.sentenceWeight")}: ${weight}`}
      data-value={weight}
      style={{ "--xd-strength": String(strength(weight, most)) }}
    >
      {text}
    </span>
  );
}

function tone(value: number, plain: boolean): string {
  if (value === 0) return "";
  return plain ? "xd-word-plain" : value < 0 ? "xd-word-negative" : "xd-word-positive";
}

/** From 0 to 1, in hundredths. */
function strength(value: number, most: number): number {
  return most > 0 ? Math.round((100 * Math.abs(value)) / most) / 100 : 0;
}

const LINE = 24;
const SIZE = 14;
// As the style sheet has it: words must stay legible on their tint.
const MOST_TINT = 0.5;

/** Returns a tinted text as a picture. */
export function proseSvg(frame: HTMLElement, heading: string, { document, pieces, values, most, plain }: Tinted): SVGSVGElement {
  const width = Math.max(480, frame.clientWidth);
  const style = getComputedStyle(frame);
  const brush = frame.ownerDocument.createElement("canvas").getContext("2d");
  if (brush !== null) brush.font = `${SIZE}px ${style.fontFamily}`;
  const measure = (text: string): number => brush?.measureText(text).width ?? text.length * 7;
  const drawn: SVGElement[] = [];
  let [x, line] = [0, 0];
  for (const { start, end, token } of pieces) {
    const value = token < 0 ? 0 : values[token];
    const fill = variable(style, plain ? "bar" : value < 0 ? "negative" : "positive");
    for (const part of parts(prose(document.text.slice(start, end)), width, measure)) {
      const size = measure(part);
      if (part === "\n" || (x > 0 && x + size > width)) [x, line] = [0, line + 1];
      if (part.trim() === "") {
        if (part !== "\n" && x > 0) x += size;
        continue;
      }
      const place = { x: ORIGIN.x + x, y: ORIGIN.y + line * LINE };
      if (value !== 0)
        drawn.push(make("rect", { ...place, width: size, height: LINE - 4, rx: 3, fill, "fill-opacity": MOST_TINT * strength(value, most) }));
      drawn.push(make("text", { x: place.x, y: place.y + 15, "font-size": SIZE, "font-family": style.fontFamily, fill: variable(style, "text") }, part));
      x += size;
    }
  }
  const picture = makePicture(frame, heading, width, (line + 1) * LINE);
  picture.append(...drawn);
  return picture;
}

/** A text as line ends, spaces and words, of which none is wider than a line. */
function parts(text: string, width: number, measure: (text: string) => number): string[] {
  return (text.match(/\n|[^\S\n]+|\S+/g) ?? []).flatMap((part) => {
    const letters = Math.max(1, Math.floor((part.length * width) / Math.max(width, measure(part) * 1.1)));
    return letters >= part.length ? [part] : (part.match(new RegExp(`.{1,${letters}}`, "gsu")) ?? []);
  });
}
