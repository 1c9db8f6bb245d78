/** Colours for canvases: those of the style sheet, and ramps that people of every colour vision can read. */

export type Rgb = readonly [red: number, green: number, blue: number];

/** What charts draw with, as the theme has it now. */
export interface Colors {
  readonly dark: boolean;
  readonly background: Rgb;
  readonly grid: Rgb;
  readonly point: Rgb;
  readonly missing: Rgb;
  readonly positive: Rgb;
  readonly negative: Rgb;
  readonly categories: readonly Rgb[];
  /** 256 steps from low to high. */
  readonly ramp: readonly Rgb[];
  /** 256 steps from nothing, which is hardly seen, to much. */
  readonly heat: readonly Rgb[];
}

// Plasma (Smith and van der Walt): lightness rises evenly, so that every colour vision reads it, and so does print.
const PLASMA = [
  "#0d0887",
  "#41049d",
  "#6a00a8",
  "#8f0da4",
  "#b12a90",
  "#cc4778",
  "#e16462",
  "#f2844b",
  "#fca636",
  "#fcce25",
  "#f0f921",
].map(parseHex);

export const CATEGORIES = 8;

/** Returns the colours of the theme of an element inside the dashboard. */
export function readColors(element: Element): Colors {
  const style = getComputedStyle(element);
  const color = (name: string): Rgb => parseHex(style.getPropertyValue(`--xd-${name}`).trim());
  const dark = element.closest("[data-theme]")?.getAttribute("data-theme") === "dark";
  return {
    dark,
    background: color("surface"),
    grid: color("grid"),
    point: color("point"),
    missing: color("missing"),
    positive: color("positive"),
    negative: color("negative"),
    categories: Array.from({ length: CATEGORIES }, (_, i) => color(`category-${i}`)),
    // The end that the background would swallow is left out.
    ramp: dark ? ramp(0.22, 1) : ramp(0, 0.86),
    heat: Array.from({ length: 256 }, (_, i) => mix(color("sunken"), color("heat"), i / 255)),
  };
}

/** Returns 256 colours between two places of the ramp. */
export function ramp(from: number, to: number): Rgb[] {
  return Array.from({ length: 256 }, (_, i) => {
    const place = (from + ((to - from) * i) / 255) * (PLASMA.length - 1);
    const low = Math.min(Math.floor(place), PLASMA.length - 2);
    return mix(PLASMA[low], PLASMA[low + 1], place - low);
  });
}

export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const part = (i: number): number => Math.round(a[i] + (b[i] - a[i]) * share);
  return [part(0), part(1), part(2)];
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}

/** Black or white, whichever is read better on a colour. */
export function inkOn([red, green, blue]: Rgb): string {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 150 ? "#000000" : "#ffffff";
}

function parseHex(text: string): Rgb {
  const digits = text.length === 4 ? [...text.slice(1)].map((digit) => digit + digit).join("") : text.slice(1);
  const value = Number.parseInt(digits, 16);
  return Number.isNaN(value) ? [128, 128, 128] : [value >> 16, (value >> 8) & 255, value & 255];
}
