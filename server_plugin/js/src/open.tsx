/** One explanation in the dashboard, alone or beside another. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Host, Mount, Source } from "../../../explanation_client/dashboard/js/src/host";
import { type Page, useLoaded, usePage } from "./context";
import { explanationsOf, type Listed } from "./listing";
import { CopyLink, Ready } from "./parts";

export function Open({ mount }: { mount: Mount }): JSX.Element {
  const page = usePage();
  const { route, go, t } = page;
  const wanted = [{ run: route.run, id: route.id }, ...(route.otherId === "" ? [] : [{ run: route.otherRun, id: route.otherId }])];
  const key = JSON.stringify(wanted);
  const loaded = useLoaded(key, () => Promise.all(wanted.map(({ run, id }) => find(page, run, id))));
  return (
    <>
      <div class="xp-actions">
        <button type="button" class="xp-button" onClick={() => go({ run: "", id: "", otherRun: "", otherId: "", dashboard: "" })}>
          ← {t("back")}
        </button>
        <CopyLink />
      </div>
      <Ready loaded={loaded}>{(found) => <Dashboard key={key} found={found} mount={mount} />}</Ready>
    </>
  );
}

async function find({ api, t }: Page, run: string, id: string): Promise<Listed> {
  const listed = explanationsOf(await api.run(run)).find((each) => each.id === id);
  if (listed === undefined) throw new Error(t("gone"));
  return listed;
}

function Dashboard({ found, mount }: { found: readonly Listed[]; mount: Mount }): JSX.Element {
  const { api, dark, route, go, t } = usePage();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (place.current === null) return;
    const label = ({ run, comment }: Listed): string => (comment === "" ? run.name : `${run.name}: ${comment}`);
    const sources = found.map((each): Source => api.source(each.run.id, each.id, each.manifest, label(each)));
    const host: Host = {
      sources: [sources[0], ...sources.slice(1)],
      modelHint: { text: t("live"), code: liveSnippet(found[0]) },
      canDownload: true,
    };
    // Two explanations are opened to be compared: that view comes first, unless a link says another.
    const state = route.dashboard || (found.length > 1 ? "panel=explanations2" : "");
    return mount(place.current, host, { theme: dark ? "dark" : "light", state, onState: (dashboard) => go({ dashboard }) });
  }, [dark]);
  return <div class="xp-dashboard" ref={place} />;
}

function liveSnippet({ run, id }: Listed): string {
  return [
    "from explanation_client import ExplanationClient",
    "from explanation_client.dashboard import ExplanationDashboard",
    "",
    `client = ExplanationClient.from_run_id(run_id="${run.id}")`,
    `explanation = client.download_model_explanation("${id}")`,
    "ExplanationDashboard(explanation, model, dataset=x_test)",
  ].join("\n");
}
