/**
 * Many points on a canvas. Each is a small disc that is blended, pixel by pixel, into an image; beside the image a map
 * says which point was drawn last at each pixel, so that a pointer finds its point at once.
 */

import type { Rgb } from "../theme/colors";

export interface PointSet {
  readonly count: number;
  /** Places in CSS pixels; NaN for a point that is not drawn. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Place of each point's colour in `table`. */
  readonly color: Uint8Array | Uint16Array;
  readonly table: readonly Rgb[];
  readonly radius: number;
  readonly alpha: number;
}

export interface Painted {
  readonly image: ImageData;
  /** Point + 1 at each pixel; 0 for none. */
  readonly owner: Uint32Array;
  readonly ratio: number;
}

export interface GridLines {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Left, top, right and bottom of the area. */
  readonly area: readonly [number, number, number, number];
  readonly color: Rgb;
}

/** How large and how dense points are drawn so that many of them stay readable. */
export function pointStyle(count: number): { radius: number; alpha: number } {
  if (count <= 300) return { radius: 4, alpha: 0.85 };
  if (count <= 2000) return { radius: 3.2, alpha: 0.7 };
  if (count <= 10_000) return { radius: 2.5, alpha: 0.6 };
  return { radius: 1.8, alpha: 0.45 };
}

/** Returns the picture of some points over a background with grid lines. */
export function paint(
  points: PointSet,
  width: number,
  height: number,
  ratio: number,
  background: Rgb,
  grid: GridLines | null,
): Painted {
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  const image = new ImageData(w, h);
  new Uint32Array(image.data.buffer).fill(packed(background));
  if (grid !== null) drawGrid(image, grid, ratio);
  const owner = new Uint32Array(w * h);
  if (points.radius * ratio < 1.3) drawSquares(points, image, owner, ratio);
  else drawDiscs(points, image, owner, ratio);
  return { image, owner, ratio };
}

/** Returns the point nearest to a place within some pixels, or -1. */
export function pointAt({ image, owner, ratio }: Painted, x: number, y: number, within = 10): number {
  const [cx, cy] = [Math.round(x * ratio), Math.round(y * ratio)];
  const most = Math.round(within * ratio);
  let found = -1;
  let nearest = most * most + 1;
  for (let r = 0; r <= most && r * r < nearest; r++) {
    for (let dy = -r; dy <= r; dy++) {
      const step = Math.abs(dy) === r ? 1 : 2 * r;
      for (let dx = -r; dx <= r; dx += step || 1) {
        const [px, py] = [cx + dx, cy + dy];
        if (px < 0 || py < 0 || px >= image.width || py >= image.height) continue;
        const point = owner[py * image.width + px];
        const distance = dx * dx + dy * dy;
        if (point > 0 && distance < nearest) {
          nearest = distance;
          found = point - 1;
        }
      }
    }
  }
  return found;
}

function drawDiscs(
  { count, x, y, color, table, radius, alpha }: PointSet,
  image: ImageData,
  owner: Uint32Array,
  ratio: number,
): void {
  const { width, height, data } = image;
  const stamp = disc(radius * ratio, alpha);
  const reach = stamp.reach;
  for (let i = 0; i < count; i++) {
    const cx = Math.round(x[i] * ratio);
    const cy = Math.round(y[i] * ratio);
    if (!(cx >= reach && cy >= reach && cx < width - reach && cy < height - reach)) continue;
    const [red, green, blue] = table[color[i]];
    const centre = cy * width + cx;
    for (let k = 0; k < stamp.dx.length; k++) {
      const at = centre + stamp.dy[k] * width + stamp.dx[k];
      const a = stamp.alpha[k];
      const o = at << 2;
      data[o] += ((red - data[o]) * a) >> 8;
      data[o + 1] += ((green - data[o + 1]) * a) >> 8;
      data[o + 2] += ((blue - data[o + 2]) * a) >> 8;
      if (stamp.inside[k]) owner[at] = i + 1;
    }
  }
}

/** Points of two by two pixels that cover what is below them: what millions of points need. */
function drawSquares(
  { count, x, y, color, table }: PointSet,
  image: ImageData,
  owner: Uint32Array,
  ratio: number,
): void {
  const { width, height } = image;
  const pixels = new Uint32Array(image.data.buffer);
  const inks = Uint32Array.from(table, packed);
  for (let i = 0; i < count; i++) {
    const cx = (x[i] * ratio) | 0;
    const cy = (y[i] * ratio) | 0;
    if (!(x[i] > 0 && cy > 0 && cx < width - 1 && cy < height - 1)) continue;
    const at = cy * width + cx;
    const ink = inks[color[i]];
    pixels[at] = ink;
    pixels[at + 1] = ink;
    pixels[at + width] = ink;
    pixels[at + width + 1] = ink;
    owner[at] = i + 1;
  }
}

/** The pixels of a disc, with how much of each it covers. */
function disc(
  radius: number,
  alpha: number,
): { reach: number; dx: Int32Array; dy: Int32Array; alpha: Int32Array; inside: Uint8Array } {
  const reach = Math.ceil(radius + 0.5);
  const found: [number, number, number, number][] = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const distance = Math.hypot(dx, dy);
      const covered = Math.min(1, Math.max(0, radius + 0.5 - distance));
      if (covered > 0.02) found.push([dx, dy, Math.round(covered * alpha * 256), Number(covered > 0.4)]);
    }
  }
  const part = (i: number): Int32Array => Int32Array.from(found, (pixel) => pixel[i]);
  return { reach, dx: part(0), dy: part(1), alpha: part(2), inside: Uint8Array.from(found, (pixel) => pixel[3]) };
}

function drawGrid(image: ImageData, grid: GridLines, ratio: number): void {
  const pixels = new Uint32Array(image.data.buffer);
  const ink = packed(grid.color);
  const [left, top, right, bottom] = grid.area.map((edge) => Math.round(edge * ratio));
  for (const line of grid.y) {
    const y = Math.round(line * ratio);
    if (y >= 0 && y < image.height) pixels.fill(ink, y * image.width + left, y * image.width + right);
  }
  for (const line of grid.x) {
    const x = Math.round(line * ratio);
    if (x < 0 || x >= image.width) continue;
    for (let y = top; y < Math.min(bottom, image.height); y++) pixels[y * image.width + x] = ink;
  }
}

/** A colour as the image's bytes in the order of the machine, which is little-endian wherever browsers run. */
function packed([red, green, blue]: Rgb): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
