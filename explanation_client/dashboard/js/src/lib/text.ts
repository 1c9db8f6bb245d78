/** Texts of others as they can be shown: cut, and without marks that would change how the text around them reads. */

// Control characters, and those that turn the direction of what follows.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Returns a text with unseen marks as visible escapes, cut to a length. */
export function shown(text: string, length = 120): string {
  const cut = text.length > length ? `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…` : text;
  return cut.replace(UNSEEN, escaped);
}

/** Returns a piece of a long text with unseen marks as visible escapes; its lines and tabs stay what they are. */
export function prose(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(UNSEEN, (mark) => (mark === "\n" || mark === "\t" ? mark : escaped(mark)));
}

function escaped(mark: string): string {
  return `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Returns a text for a title that shows on hover: longer, and still not endless. */
export function title(text: string): string {
  return shown(text, 1000);
}

/** Returns a text without case and accents, for searching. */
export function folded(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
