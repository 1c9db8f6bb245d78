/** Charts as pictures that stand alone: what the style sheet says is written into each element. */

import { shown } from "../lib/text";

const SVG = "http://www.w3.org/2000/svg";
const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-opacity",
  "stroke-linecap",
  "opacity",
  "font-size",
  "font-family",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "visibility",
];
const PAD = 16;
const HEAD = 44;

/** Returns what is drawn in a figure: canvases as images, SVG as it looks, under a heading. */
export function drawnSvg(frame: HTMLElement, heading: string): SVGSVGElement {
  const outer = frame.getBoundingClientRect();
  const picture = makePicture(frame, heading, outer.width, outer.height);
  for (const element of frame.querySelectorAll<HTMLCanvasElement | SVGSVGElement>("canvas, svg.xd-drawing")) {
    const box = element.getBoundingClientRect();
    const place = { x: box.left - outer.left + PAD, y: box.top - outer.top + HEAD };
    if (element instanceof HTMLCanvasElement) {
      picture.append(
        make("image", { ...place, width: box.width, height: box.height, href: element.toDataURL("image/png") }),
      );
    } else {
      const group = make("g", { transform: `translate(${place.x} ${place.y})` });
      for (const child of element.children) group.append(styled(child));
      picture.append(group);
    }
  }
  return picture;
}

/** Returns an empty picture in the colours of an element, with a heading and room for a chart of that size. */
export function makePicture(element: Element, heading: string, width: number, height: number): SVGSVGElement {
  const style = getComputedStyle(element);
  const [w, h] = [Math.ceil(width) + 2 * PAD, Math.ceil(height) + HEAD + PAD];
  const picture = make("svg", { xmlns: SVG, width: w, height: h, viewBox: `0 0 ${w} ${h}` });
  picture.append(make("rect", { width: w, height: h, fill: variable(style, "surface") }));
  const font = { "font-family": style.fontFamily, fill: variable(style, "text") };
  picture.append(make("text", { x: PAD, y: 27, "font-size": 15, "font-weight": 600, ...font }, shown(heading)));
  return picture;
}

/** Adds what stands around a chart below it: what its colours mean, and what it shows of what. */
export function addFoot(picture: SVGSVGElement, element: HTMLElement, legend: Element | null, note: string): void {
  const style = getComputedStyle(element);
  const height = Number(picture.getAttribute("height"));
  let at = height;
  if (legend !== null) {
    const box = legend.getBoundingClientRect();
    picture.append(drawnLegend(legend, PAD - box.left, at - box.top));
    at += box.height + 8;
  }
  if (note !== "") {
    const width = Number(picture.getAttribute("width"));
    for (const line of wrapped(note, Math.floor((width - 2 * PAD) / 5.6))) {
      picture.append(
        make(
          "text",
          {
            x: PAD,
            y: at + 11,
            "font-size": 11,
            "font-family": style.fontFamily,
            fill: variable(style, "muted"),
          },
          line,
        ),
      );
      at += 15;
    }
  }
  if (at === height) return;
  at += PAD - 4;
  picture.setAttribute("height", String(Math.ceil(at)));
  picture.setAttribute("viewBox", `0 0 ${picture.getAttribute("width")} ${Math.ceil(at)}`);
  picture.querySelector("rect")?.setAttribute("height", String(Math.ceil(at)));
}

/** The texts, dots and ramps of a legend where they stand on the page. */
function drawnLegend(legend: Element, dx: number, dy: number): SVGGElement {
  const group = make("g", { transform: `translate(${dx} ${dy})` });
  for (const element of legend.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    const [x, y] = [box.left, box.top + box.height / 2];
    if (element.localName === "i")
      group.append(make("circle", { cx: x + 5, cy: y, r: 5, fill: style.backgroundColor }));
    else if (element.classList.contains("xd-legend-ramp")) {
      const stops = style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [];
      const step = box.width / Math.max(1, stops.length);
      stops.forEach((fill, i) =>
        group.append(make("rect", { x: x + i * step, y: box.top, width: step + 0.5, height: box.height, fill })),
      );
    } else if (element.childElementCount === 0 || element.lastChild?.nodeType === Node.TEXT_NODE) {
      const text = element.lastChild?.textContent ?? "";
      const indent = element.childElementCount > 0 ? 16 : 0;
      group.append(
        make(
          "text",
          { x: x + indent, y: y + 4, "font-size": 12, "font-family": style.fontFamily, fill: style.color },
          shown(text, 40),
        ),
      );
    }
  }
  return group;
}

/** A text as lines of at most some characters. */
function wrapped(text: string, length: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + word.length >= length) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}

export const ORIGIN = { x: PAD, y: HEAD } as const;

/** Returns a colour of the theme. */
export function variable(style: CSSStyleDeclaration, name: string): string {
  return style.getPropertyValue(`--xd-${name}`).trim();
}

/** Returns an SVG element with attributes and a text. */
export function make<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>>,
  text?: string,
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A copy of an element with its looks as attributes; what only serves the pointer is left out. */
function styled(element: Element): Element {
  const copy = element.cloneNode(false) as Element;
  const style = getComputedStyle(element);
  for (const name of STYLES) {
    const value = style.getPropertyValue(name);
    if (value) copy.setAttribute(name, value);
  }
  for (const name of ["class", "style", "tabindex", "role"]) copy.removeAttribute(name);
  for (const child of element.childNodes) {
    if (child instanceof Element) copy.append(styled(child));
    else if (child.nodeType === Node.TEXT_NODE) copy.append(child.cloneNode());
  }
  return copy;
}
