/** Saving what a chart or table shows: as a file, or in the page itself where it may not save files. */

/** Something to copy or to save by hand. */
export type Offer =
  { readonly name: string; readonly text: string } | { readonly name: string; readonly image: string };

export interface Saver {
  text(name: string, kind: string, text: string): void;
  picture(name: string, svg: SVGSVGElement): Promise<void>;
}

/** Returns what saves; `offer` shows what can't be saved as a file. */
export function makeSaver(canDownload: boolean, offer: (offer: Offer) => void): Saver {
  return {
    text(name, kind, text) {
      if (canDownload) download(name, new Blob([text], { type: `${kind};charset=utf-8` }));
      else offer({ name, text });
    },
    async picture(name, svg) {
      const canvas = await rasterise(svg);
      if (!canDownload) {
        offer({ name, image: canvas.toDataURL("image/png") });
        return;
      }
      const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
      if (blob === null) throw new Error("the browser can't make this picture");
      download(name, blob);
    },
  };
}

/** A name for a file: letters, digits and dashes only. */
export function fileName(...parts: readonly string[]): string {
  const text = parts
    .join("-")
    .normalize("NFKD")
    .replace(/[^a-zA-Z0-9]+/g, "-");
  return (
    text
      .replace(/^-+|-+$/g, "")
      .slice(0, 80)
      .toLowerCase() || "explanation"
  );
}

export function svgText(svg: SVGSVGElement): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}\n`;
}

function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Twice the size, so that it stays sharp on paper. */
async function rasterise(svg: SVGSVGElement): Promise<HTMLCanvasElement> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Number(svg.getAttribute("width"));
  canvas.height = 2 * Number(svg.getAttribute("height"));
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Copies a text; whether it worked. Frames without the permission fall back to the old command. */
export async function copyText(field: HTMLTextAreaElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.select();
    return document.execCommand("copy");
  }
}
