/** What every part of the dashboard can reach: the explanation, the state, the language, ways to save. */

import { createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { Host } from "./host";
import type { Format, Translate } from "./i18n/translate";
import type { Saver } from "./lib/save";
import type { Explanation, PartName, PartTypes } from "./model/explanation";
import type { State, Store } from "./state/store";
import type { Primitive } from "./state/codec";

export interface App {
  /** The element that holds the dashboard, with its theme. */
  readonly root: HTMLElement;
  readonly host: Host;
  readonly store: Store;
  /** The explanation shown: the first source, or one of the same rows in other features. */
  readonly explanation: Explanation;
  /** The explanation of any source, opened when first asked for. */
  open(source: number): Promise<Explanation>;
  readonly t: Translate;
  readonly format: Format;
  readonly saver: Saver;
  readonly dark: boolean;
  /** Say something to those who do not see the chart. */
  announce(text: string): void;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error("rendered outside the dashboard");
  return app;
}

/** The state; the component renders again when what `pick` takes from it changes. */
export function useShown<T>(pick: (state: State) => T): T {
  return usePicked(useApp().store, pick);
}

export function usePicked<T>(store: Store, pick: (state: State) => T): T {
  const picked = pick(store.state);
  const [, render] = useState({});
  useLayoutEffect(() => {
    const update = (): void => {
      if (!Object.is(pick(store.state), picked)) render({});
    };
    update();
    return store.listen(update);
  });
  return picked;
}

/** The output that is shown: the chosen one; else the second of two classes, which is the positive one; else the first. */
export function shownOutput(state: State, outputs: number): number {
  if (state.output >= 0 && state.output < outputs) return state.output;
  return outputs === 2 ? 1 : 0;
}

export function useOutput(): number {
  const { explanation } = useApp();
  return useShown((state) => shownOutput(state, explanation.info.outputs.length));
}

/** Settings of a panel that live in the shared state, and a function that changes some. */
export function useSettings<S extends Record<string, Primitive>>(
  panel: string,
  defaults: S,
): [S, (change: Partial<S>) => void] {
  const { store } = useApp();
  const settings = useShown((state) => state.settings);
  const own: Record<string, Primitive> = { ...defaults };
  for (const name of Object.keys(defaults)) {
    const found = settings[`${panel}.${name}`];
    const usual = defaults[name];
    if (found !== undefined && (usual === null || found === null || typeof found === typeof usual)) own[name] = found;
  }
  const set = (change: Partial<S>): void => {
    const next: Record<string, Primitive> = { ...store.state.settings };
    for (const [name, value] of Object.entries(change)) {
      const key = `${panel}.${name}`;
      if (value === undefined || Object.is(value, defaults[name])) delete next[key];
      else next[key] = value;
    }
    store.set({ settings: next });
  };
  return [own as S, set];
}

/** How far the loading of something has come. */
export type Loaded<T> =
  | { readonly status: "loading" }
  | { readonly status: "ready"; readonly value: T }
  | { readonly status: "failed"; readonly error: Error; retry(): void };

/** What a promise gives; `make` is called again when one of `inputs` changes. */
export function useLoaded<T>(make: () => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [tries, setTries] = useState(0);
  const [found, setFound] = useState<{ key: readonly unknown[]; loaded: Loaded<T> } | null>(null);
  const key = [...inputs, tries];
  useEffect(() => {
    let current = true;
    const settle = (loaded: Loaded<T>): void => {
      if (current) setFound({ key, loaded });
    };
    const fail = (error: unknown): void => {
      const known = error instanceof Error ? error : new Error(String(error));
      settle({ status: "failed", error: known, retry: () => setTries(tries + 1) });
    };
    make().then((value) => settle({ status: "ready", value }), fail);
    return () => {
      current = false;
    };
  }, key);
  const fresh = found !== null && found.key.every((value, i) => Object.is(value, key[i]));
  return fresh ? found.loaded : { status: "loading" };
}

/** A part of the explanation; `wanted` false or a part that is not stored gives null at once. */
export function usePart<P extends PartName>(part: P, wanted = true): Loaded<PartTypes[P] | null> {
  const { explanation } = useApp();
  const all = useShown((state) => state.allRows);
  const there = wanted && explanation.has(part, all);
  return useLoaded<PartTypes[P] | null>(
    () => (there ? explanation.load(part, all) : Promise.resolve(null)),
    [explanation, part, all, there],
  );
}
