/** What every view of the page can reach. */

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { Api } from "./api";
import type { Route } from "./route";
import type { Text } from "./strings";

export interface Page {
  readonly api: Api;
  readonly t: Text;
  readonly dark: boolean;
  readonly route: Route;
  go(change: Partial<Route>): void;
  /** The address that leads back here, inside MLflow's own page where this is shown in it. */
  link(): string;
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === null) throw new Error("rendered outside the page");
  return page;
}

export type Loaded<T> = { readonly status: "loading" } | { readonly status: "ready"; readonly value: T } | { readonly status: "failed"; readonly error: Error; retry(): void };

/** What a promise gives; `make` is called again when `key` changes. */
export function useLoaded<T>(key: string, make: () => Promise<T>): Loaded<T> {
  const [tries, setTries] = useState(0);
  const [found, setFound] = useState<{ key: string; loaded: Loaded<T> } | null>(null);
  useEffect(() => {
    let current = true;
    const settle = (loaded: Loaded<T>): void => {
      if (current) setFound({ key, loaded });
    };
    make().then(
      (value) => settle({ status: "ready", value }),
      (error: unknown) => settle({ status: "failed", error: error instanceof Error ? error : new Error(String(error)), retry: () => setTries((n) => n + 1) }),
    );
    return () => {
      current = false;
    };
  }, [key, tries]);
  return found?.key === key ? found.loaded : { status: "loading" };
}
