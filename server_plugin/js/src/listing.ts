/** The explanations of a run, as its tags list them (docs/format-v1.md, "The run tag"). Tags of others may begin alike. */

import type { Run } from "./api";

export interface Listed {
  readonly id: string;
  readonly run: Run;
  readonly manifest: string;
  readonly method: string;
  readonly comment: string;
  readonly uploaded: string;
  readonly space: string;
  readonly features: number;
  readonly rows: number;
  readonly top: readonly string[];
}

const KEY = /^explanation\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const MANIFEST = /^manifest-[0-9a-f]{64}-[a-z0-9]{1,32}\.json$/;

/** Returns what a run's tags say of its explanations, latest upload first; damaged tags are left out. */
export function explanationsOf(run: Run): readonly Listed[] {
  const found = [...run.tags].flatMap(([key, value]) => {
    const id = KEY.exec(key)?.[1];
    const listed = id === undefined ? null : parse(id, run, value);
    return listed === null ? [] : [listed];
  });
  return found.sort((a, b) => (Date.parse(b.uploaded) || 0) - (Date.parse(a.uploaded) || 0) || (a.id < b.id ? 1 : -1));
}

/** Ids of the explanations that a logged model's tags name, with the run of each. */
export function explanationsOfModel(tags: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [key, run] of tags) {
    const id = KEY.exec(key)?.[1];
    if (id !== undefined && /^[\w-]{1,64}$/.test(run)) found.set(id, run);
  }
  return found;
}

function parse(id: string, run: Run, value: string): Listed | null {
  try {
    const tag: unknown = JSON.parse(value);
    if (typeof tag !== "object" || tag === null) return null;
    const { manifest, method, comment, uploaded, created, space, features, rows, top } = tag as Record<string, unknown>;
    if (typeof manifest !== "string" || !MANIFEST.test(manifest) || typeof method !== "string") return null;
    const text = (found: unknown): string => (typeof found === "string" ? found : "");
    return {
      id,
      run,
      manifest,
      method,
      comment: text(comment),
      uploaded: text(uploaded) || text(created),
      space: text(space),
      features: Number(features) || 0,
      rows: Number(rows) || 0,
      top: Array.isArray(top) ? top.filter((name): name is string => typeof name === "string") : [],
    };
  } catch {
    return null;
  }
}
