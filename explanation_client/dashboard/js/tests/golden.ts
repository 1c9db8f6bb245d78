/** The explanations that the repository keeps as golden files, as sources of the dashboard. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Source } from "../src/host";

const folder = join(String(process.env.DASHBOARD_TESTS), "../../../../tests/golden/v1");

/** A source of a golden explanation; `change` may return other bytes for a file, or throw. */
export function golden(
  name: string,
  change: (name: string, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes,
): Source {
  const files = new Map<string, string>();
  collect(join(folder, name), files);
  const manifest = [...files.keys()].find((file) => file.startsWith("manifest-"));
  if (manifest === undefined) throw new Error(`${name} has no manifest`);
  const read = async (file: string): Promise<Uint8Array> => {
    const path = files.get(file);
    if (path === undefined) throw new Error("not in this page");
    return change(file, new Uint8Array(readFileSync(path)));
  };
  return { label: name, manifest: () => read(manifest), read, has: (file) => files.has(file) };
}

function collect(path: string, files: Map<string, string>): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) collect(join(path, entry.name), files);
    else files.set(entry.name, join(path, entry.name));
  }
}

/** Thirds of whole numbers, as the golden explanations are made of. */
export function numbers(count: number, seed: number): number[] {
  const made = Array.from({ length: count }, (_, i) => (((i * 37 + seed * 11) % 101) - 50) / 3);
  made[0] = -0;
  made[count - 1] = 0;
  return made;
}
