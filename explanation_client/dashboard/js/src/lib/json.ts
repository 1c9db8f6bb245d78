/** JSON as the manifest has it: a key that occurs twice is refused, as readers may differ in which one they take. */

/** Returns what some UTF-8 text holds; throws where it is no JSON, or names a key of an object twice. */
export function parseJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const value: unknown = JSON.parse(text);
  const key = doubledKey(text);
  if (key !== null) throw new Error(`the key ${key.slice(0, 80)} occurs twice`);
  return value;
}

/** The text is valid JSON: strings and brackets are all that must be told apart. */
function doubledKey(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  let last: string | null = null;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token !== ":") last = token;
    else if (last !== null) {
      const keys = open[open.length - 1];
      const key = String(JSON.parse(last));
      if (keys?.has(key)) return last;
      keys?.add(key);
    }
  }
  return null;
}
