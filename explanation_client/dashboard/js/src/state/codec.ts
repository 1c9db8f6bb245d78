/** The state as a short text that is safe in a link: `output=1&panel=local&row=17`. */

export type Primitive = number | string | boolean | null;
export type Settings = Readonly<Record<string, Primitive>>;

/** Returns the settings that differ from the defaults, in the order of their names; empty where none do. */
export function encode(settings: Settings, defaults: Settings): string {
  return Object.keys(settings)
    .sort()
    .filter((name) => !Object.is(settings[name], defaults[name] ?? null))
    .map((name) => `${escape(name)}=${encodeValue(settings[name])}`)
    .join("&");
}

/** Returns what `encode` was given, as far as it can be understood: anybody can write a link. */
export function decode(text: string, defaults: Settings): Record<string, Primitive> {
  const found: Record<string, Primitive> = {};
  for (const pair of text.split("&")) {
    const at = pair.indexOf("=");
    if (at < 1) continue;
    const name = unescape(pair.slice(0, at));
    const value = decodeValue(pair.slice(at + 1));
    if (name === null || value === undefined) continue;
    const usual = Object.hasOwn(defaults, name) ? defaults[name] : null;
    // A setting keeps its type; what begins as "none" may be a number or a text.
    if (usual === null || value === null || typeof usual === typeof value) found[name] = value;
  }
  return found;
}

/** Texts stand for themselves where nothing else looks like them; others begin with an apostrophe. */
function encodeValue(value: Primitive): string {
  if (typeof value !== "string") return String(value);
  return decodeValue(escape(value)) === value ? escape(value) : `'${escape(value)}`;
}

function decodeValue(text: string): Primitive | undefined {
  if (text === "null") return null;
  if (text === "true" || text === "false") return text === "true";
  if (/^-?\d/.test(text) && Number.isFinite(Number(text))) return Number(text);
  return unescape(text.startsWith("'") ? text.slice(1) : text) ?? undefined;
}

function escape(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd")).replaceAll("'", "%27");
}

function unescape(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
