/** The page behind the tab: the explanations of the place that its address names. */

import { type JSX, render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Mount } from "../../../explanation_client/dashboard/js/src/host";
import { Api } from "./api";
import { type Page, PageContext, useLoaded, usePage } from "./context";
import { Experiment } from "./experiment";
import { List } from "./list";
import { explanationsOf, explanationsOfModel, type Listed } from "./listing";
import { Open } from "./open";
import { Ready } from "./parts";
import { type Place, readPlace, writeAddress } from "./place";
import { readRoute, type Route, writeRoute } from "./route";
import { sentences, type Text } from "./strings";

interface Asked {
  readonly place: Place | null;
  readonly workspace: string | null;
  readonly theme: string | null;
  readonly route: Route;
}

function readHash(): Asked {
  const parameters = new URLSearchParams(location.hash.slice(1));
  return {
    place: readPlace(parameters),
    workspace: parameters.get("workspace") || savedWorkspace(),
    theme: parameters.get("theme"),
    route: readRoute(parameters.get("state") ?? ""),
  };
}

/** The workspace that MLflow's pages were last used in, where the server has any. */
function savedWorkspace(): string | null {
  try {
    return JSON.parse(localStorage.getItem("mlflow.activeWorkspace") ?? "null") as string | null;
  } catch {
    return localStorage.getItem("mlflow.activeWorkspace");
  }
}

function App({ mount }: { mount: Mount }): JSX.Element {
  const [asked, setAsked] = useState(readHash);
  useEffect(() => {
    const listen = (): void => setAsked(readHash());
    window.addEventListener("hashchange", listen);
    return () => window.removeEventListener("hashchange", listen);
  }, []);
  const t = useMemo(() => sentences(navigator.languages), []);
  const prefersDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = asked.theme === "dark" || (asked.theme === null && prefersDark);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const api = useMemo(() => new Api(location.href, asked.workspace), [asked.workspace]);
  const page: Page = {
    api,
    t,
    dark,
    route: asked.route,
    go: (change) => {
      const route = { ...readHash().route, ...change };
      keep(route);
      // The dashboard draws its own changes: only a change of what is open is one of this page's.
      if (Object.keys(change).some((name) => name !== "dashboard")) setAsked({ ...asked, route });
    },
    link: () => (window.parent === window ? location.href : parentLink()),
  };
  return (
    <PageContext.Provider value={page}>
      <main class="xp-main">
        {asked.place === null ? <div class="xp-message">{t("noPlace")}</div> : asked.route.id === "" ? <Overview place={asked.place} /> : <Open mount={mount} />}
      </main>
    </PageContext.Provider>
  );
}

/** Writes what is open into the address of this page, and tells MLflow's page around it. */
function keep(route: Route): void {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const state = writeRoute(route);
  if (state === "") parameters.delete("state");
  else parameters.set("state", state);
  history.replaceState(null, "", `#${parameters.toString()}`);
  if (window.parent !== window) window.parent.postMessage({ explanationsState: state }, location.origin);
}

function parentLink(): string {
  const outer = window.parent.location;
  return new URL(writeAddress(outer.hash, true, writeRoute(readHash().route)), outer.href).href;
}

function Overview({ place }: { place: Place }): JSX.Element {
  const page = usePage();
  if (place.kind === "experiment") return <Experiment experiment={place.experiment} snippet={uploadSnippet("")} />;
  return <Explanations key={JSON.stringify(place)} place={place} page={page} />;
}

function Explanations({ place, page }: { place: Exclude<Place, { kind: "experiment" }>; page: Page }): JSX.Element {
  const loaded = useLoaded(JSON.stringify(place), () => findAll(page.api, place, page.t));
  return <Ready loaded={loaded}>{(explanations) => <List explanations={explanations} snippet={uploadSnippet(place.kind === "run" ? place.run : "")} />}</Ready>;
}

/** The explanations of a run; those of a model's run and those that were uploaded for the model, each once. */
async function findAll(api: Api, place: Exclude<Place, { kind: "experiment" }>, t: Text): Promise<readonly Listed[]> {
  if (place.kind === "run") return explanationsOf(await api.run(place.run));
  const version = place.kind === "version" ? await api.version(place.name, place.version) : { run: "", model: place.model };
  const model = version.model === "" ? null : await api.model(version.model);
  const own = model === null ? new Map<string, string>() : explanationsOfModel(model.tags);
  const source = version.run || (model?.run ?? "");
  const runs = [...new Set([source, ...own.values()])].filter((run) => run !== "");
  if (runs.length === 0) throw new Error(t("noRun"));
  const found = await Promise.all(runs.map(async (run) => explanationsOf(await api.run(run))));
  const wanted = found.flat().filter(({ id, run }) => run.id === source || own.get(id) === run.id);
  return wanted.sort((a, b) => (Date.parse(b.uploaded) || 0) - (Date.parse(a.uploaded) || 0));
}

function uploadSnippet(run: string): string {
  return [
    "from explanation_client import ExplanationClient",
    "from explanation_client.explainers import TabularExplainer",
    "",
    "explanation = TabularExplainer(model, x_train).explain_global(x_test)",
    run === "" ? "client = ExplanationClient.from_run(run)" : `client = ExplanationClient.from_run_id(run_id="${run}")`,
    'client.upload_model_explanation(explanation, comment="…")',
  ].join("\n");
}

/** Shows the page; the dashboard is a file of its own, which other hosts share. */
export function start(mount: Mount): void {
  const root = document.getElementById("root");
  if (root !== null) render(<App mount={mount} />, root);
}
