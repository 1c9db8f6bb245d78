/** One small store for everything that a user chose. */

import { decode, encode, type Primitive, type Settings } from "./codec";

export type Weighting = "average" | "predicted" | "class";
export type SortBy = "importance" | "name" | "position" | "row";

/** What is shown. Rows and features are named by their position in the explanation. */
export interface State {
  readonly panel: string;
  readonly output: number;
  readonly row: number | null;
  /** The row that the selected one is compared with. */
  readonly row2: number | null;
  readonly weighting: Weighting;
  readonly signed: boolean;
  readonly topK: number;
  readonly sort: SortBy;
  readonly search: string;
  readonly feature: number | null;
  /** Show all rows where they can be read, and not only the sample. */
  readonly allRows: boolean;
  /** The active subset of rows, as the cohorts write it; empty for all. */
  readonly cohort: string;
  /** Which source is shown: another one than the first where it explains the same in other features. */
  readonly shown: number;
  /** Which source it is compared with. */
  readonly source: number;
  readonly theme: "auto" | "light" | "dark";
  /** Settings of single panels, by "panel.name". */
  readonly settings: Settings;
}

export const DEFAULTS: State = {
  panel: "",
  output: -1,
  row: null,
  row2: null,
  weighting: "average",
  signed: false,
  topK: 15,
  sort: "importance",
  search: "",
  feature: null,
  allRows: false,
  cohort: "",
  shown: 0,
  source: 1,
  theme: "auto",
  settings: {},
};

const { settings: _, ...CORE } = DEFAULTS;
const CHOICES: Partial<Record<keyof State, readonly Primitive[]>> = {
  weighting: ["average", "predicted", "class"],
  sort: ["importance", "name", "position", "row"],
  theme: ["auto", "light", "dark"],
};
// A text of a link is no place for a theme, which is the reader's own.
const PRIVATE = new Set(["theme"]);

/** Returns a state as a text for a link. */
export function encodeState(state: State): string {
  const { settings, ...core } = state;
  const shared = Object.entries(core).filter(([name]) => !PRIVATE.has(name));
  return encode({ ...Object.fromEntries(shared), ...settings }, CORE);
}

/** Returns the state that a text says, with defaults for what it does not say or says wrongly. */
export function decodeState(text: string): State {
  const core: Record<string, Primitive> = { ...CORE };
  const settings: Record<string, Primitive> = {};
  for (const [name, value] of Object.entries(decode(text, CORE))) {
    if (name.includes(".")) settings[name] = value;
    else if (Object.hasOwn(CORE, name) && allowed(name as keyof State, value)) core[name] = value;
  }
  return { ...core, settings } as State;
}

function allowed(name: keyof State, value: Primitive): boolean {
  if (name === "row" || name === "row2" || name === "feature") return value === null || whole(value);
  if (name === "output" || name === "topK" || name === "source" || name === "shown") return value === -1 || whole(value);
  return value !== null && !PRIVATE.has(name) && (CHOICES[name]?.includes(value) ?? true);
}

function whole(value: Primitive): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export class Store {
  #state: State;
  readonly #listeners = new Set<() => void>();

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  /** Change some of the state; those who listen hear of it where anything is different. */
  set(change: Partial<State>): void {
    const next = { ...this.#state, ...change };
    const same = (Object.keys(next) as (keyof State)[]).every((name) => Object.is(next[name], this.#state[name]));
    if (same) return;
    this.#state = next;
    for (const listener of [...this.#listeners]) listener();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
