/** The dashboard: opens the explanation, and holds what all parts share. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type App, AppContext, useLoaded, usePicked } from "../app";
import { Button } from "../components/controls";
import { Message } from "../components/message";
import type { Host, Options } from "../host";
import { chooseLanguage, Format, type Translate, translator } from "../i18n/translate";
import { makeSaver, type Offer } from "../lib/save";
import { Explanation } from "../model/explanation";
import { decodeState, DEFAULTS, encodeState, Store } from "../state/store";
import { Boundary } from "./boundary";
import { OfferDialog } from "./offer";
import { Workspace } from "./workspace";

interface DashboardProps {
  root: HTMLElement;
  host: Host;
  options: Options;
}

export function Dashboard({ root, host, options }: DashboardProps): JSX.Element {
  const store = useMemo(
    () => new Store({ ...(options.state ? decodeState(options.state) : DEFAULTS), theme: options.theme ?? "auto" }),
    [],
  );
  const language = useMemo(() => chooseLanguage(options.language, navigator.languages ?? []), []);
  const format = useMemo(() => new Format(language), [language]);
  const t = useMemo(() => translator(language, format), [language, format]);
  const dark = useTheme(root, store);
  const open = useMemo(() => opener(host), [host]);
  const wanted = usePicked(store, (state) => state.shown);
  const source = wanted > 0 && wanted < host.sources.length ? wanted : 0;
  // The model takes the rows of the first.
  const present = useMemo<Host>(() => (source === 0 ? host : { ...host, model: undefined }), [host, source]);
  const loaded = useLoaded(() => open(source), [open, source]);
  useLayoutEffect(() => {
    root.lang = language;
    // JupyterLab must not take the arrow keys for its own.
    root.dataset.lmSuppressShortcuts = "true";
  }, [root, language]);
  useEffect(() => {
    const { onState } = options;
    if (onState === undefined) return undefined;
    let last = encodeState(store.state);
    return store.listen(() => {
      const text = encodeState(store.state);
      if (text !== last) onState((last = text));
    });
  }, [store]);
  if (loaded.status === "loading") return <Waiting t={t} />;
  if (loaded.status === "failed") {
    return (
      <main class="xd-lone">
        <Message tone="error" title={t("app.failed")} action={<Button onClick={loaded.retry}>{t("app.retry")}</Button>}>
          {loaded.error.message}
        </Message>
      </main>
    );
  }
  return <Opened {...{ root, host: present, store, open, t, format, dark }} explanation={loaded.value} />;
}

/** What waits says so only after a moment, so that nothing flickers. */
export function Waiting({ t }: { t: Translate }): JSX.Element {
  return (
    <p class="xd-waiting" role="status">
      {t("app.loading")}
    </p>
  );
}

function Opened(props: Omit<App, "announce" | "saver">): JSX.Element {
  const { root, host, store, open, explanation, t, format, dark } = props;
  const [offer, setOffer] = useState<Offer | null>(null);
  const live = useRef<HTMLDivElement>(null);
  const app = useMemo<App>(
    () => ({
      root,
      host,
      store,
      open,
      explanation,
      t,
      format,
      dark,
      saver: makeSaver(host.canDownload, setOffer),
      announce: (text) => {
        if (live.current) live.current.textContent = text;
      },
    }),
    [root, host, store, open, explanation, t, format, dark],
  );
  return (
    <AppContext.Provider value={app}>
      <Boundary t={t}>
        <Workspace />
      </Boundary>
      {offer && <OfferDialog offer={offer} onClose={() => setOffer(null)} />}
      <div ref={live} class="xd-unseen" aria-live="polite" />
    </AppContext.Provider>
  );
}

/** Opens the sources, each once; one that failed is tried again. */
function opener(host: Host): (source: number) => Promise<Explanation> {
  const opened = new Map<number, Promise<Explanation>>();
  return (source) => {
    const wanted = host.sources[source];
    if (wanted === undefined) return Promise.reject(new Error(`there is no source ${source}`));
    const found = opened.get(source) ?? Explanation.open(wanted);
    opened.set(source, found);
    found.catch(() => opened.delete(source));
    return found;
  };
}

/** Writes the theme to the root, where the style sheet looks for it; whether it is dark. */
function useTheme(root: HTMLElement, store: Store): boolean {
  const theme = usePicked(store, (state) => state.theme);
  const query = useMemo(() => globalThis.matchMedia("(prefers-color-scheme: dark)"), []);
  const [systemDark, setSystemDark] = useState(query.matches);
  useEffect(() => {
    const changed = (): void => setSystemDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  const dark = theme === "dark" || (theme === "auto" && systemDark);
  // Before the first paint, and before any canvas asks for its colours.
  root.dataset.theme = dark ? "dark" : "light";
  return dark;
}
