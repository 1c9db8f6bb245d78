/** All runs of an experiment: what matters most in each, side by side, and how that changed from run to run. */

import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Run } from "./api";
import { useLoaded, usePage } from "./context";
import { explanationsOf, type Listed } from "./listing";
import { Name, Nothing, Ready, When } from "./parts";

type Sort = "time" | "name" | "feature";

export function Experiment({ experiment, snippet }: { experiment: string; snippet: string }): JSX.Element {
  const { api, t } = usePage();
  const first = useLoaded(experiment, () => api.runs(experiment, ""));
  const [older, setOlder] = useState<{ runs: readonly Run[]; next: string } | null>(null);
  const [failed, setFailed] = useState("");
  const [isLoading, setLoading] = useState(false);
  useEffect(() => setOlder(null), [experiment]);
  return (
    <Ready loaded={first}>
      {(page) => {
        const runs = [...page.runs, ...(older?.runs ?? [])];
        const next = older?.next ?? page.next;
        const more = async (): Promise<void> => {
          setLoading(true);
          try {
            const found = await api.runs(experiment, next);
            setOlder({ runs: [...(older?.runs ?? []), ...found.runs], next: found.next });
            setFailed("");
          } catch (error) {
            setFailed(error instanceof Error ? error.message : String(error));
          }
          setLoading(false);
        };
        if (runs.length === 0) {
          return <Nothing snippet={snippet} />;
        }
        return (
          <>
            <Table runs={runs} />
            {failed !== "" && <p role="alert">{failed}</p>}
            {next !== "" && (
              <button type="button" class="xp-button" disabled={isLoading} onClick={() => void more()}>
                {isLoading ? t("loading") : t("more")}
              </button>
            )}
          </>
        );
      }}
    </Ready>
  );
}

function Table({ runs }: { runs: readonly Run[] }): JSX.Element {
  const { go, t } = usePage();
  const [search, setSearch] = useState("");
  const [sort, setSort] = useState<Sort>("time");
  const [marked, setMarked] = useState("");
  const [chosen, setChosen] = useState<readonly Listed[]>([]);
  const latest = useMemo(() => runs.flatMap((run) => explanationsOf(run).slice(0, 1)), [runs]);
  const listed = useMemo(() => sorted(latest.filter((each) => fits(each, search)), sort, marked), [latest, search, sort, marked]);
  const changes = useMemo(() => rankChanges(latest), [latest]);
  const columns = Math.max(1, ...listed.map(({ top }) => top.length));
  const toggle = (each: Listed, on: boolean): void => setChosen([...chosen.filter(({ id }) => id !== each.id), ...(on ? [each] : [])].slice(-2));
  return (
    <>
      <div class="xp-actions">
        <label class="xp-field">
          {t("search")}
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
        <label class="xp-field">
          {t("sort")}
          <select value={sort} onChange={(event) => setSort(event.currentTarget.value as Sort)}>
            <option value="time">{t("sortTime")}</option>
            <option value="name">{t("sortName")}</option>
            <option value="feature" disabled={marked === ""}>
              {t("sortFeature")}
            </option>
          </select>
        </label>
        <button type="button" class="xp-button xp-primary" disabled={chosen.length !== 2} onClick={() => go({ run: chosen[1].run.id, id: chosen[1].id, otherRun: chosen[0].run.id, otherId: chosen[0].id })}>
          {chosen.length === 2 ? t("compareChosen") : t("chooseTwo")}
        </button>
      </div>
      <p class="xp-note" role="status">
        {t("latestOnly")}: {listed.length.toLocaleString()}. {t("changes")}
      </p>
      <div class="xp-scroll" tabIndex={0} role="region" aria-label={t("title")}>
        <table class="xp-table">
          <thead>
            <tr>
              <th scope="col">
                <span class="xp-unseen">{t("compare")}</span>
              </th>
              <th scope="col">{t("run")}</th>
              {Array.from({ length: columns }, (_, i) => (
                <th key={i} scope="col">
                  {i + 1}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {listed.map((each) => (
              <tr key={each.id}>
                <td>
                  <input type="checkbox" aria-label={`${t("compare")}: ${each.run.name}`} checked={chosen.some(({ id }) => id === each.id)} onChange={(event) => toggle(each, event.currentTarget.checked)} />
                </td>
                <td class="xp-run">
                  <button type="button" class="xp-link" onClick={() => go({ run: each.run.id, id: each.id })}>
                    <Name text={each.run.name} length={40} />
                  </button>
                  <span class="xp-about">
                    <When iso={each.uploaded} />
                    {each.comment !== "" && <Name text={each.comment} length={100} />}
                  </span>
                </td>
                {Array.from({ length: columns }, (_, i) => {
                  const name = each.top[i];
                  return (
                    <td key={i}>
                      {name !== undefined && (
                        <button type="button" class={`xp-chip ${name === marked ? "xp-marked" : ""}`} aria-pressed={name === marked} onClick={() => setMarked(name === marked ? "" : name)}>
                          <Name text={name} length={26} />
                          <Change change={changes.get(each.id)?.[i] ?? null} />
                        </button>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** How many places a feature rose since the run before; "new" where it was not among the most important ones. */
function Change({ change }: { change: number | "new" | null }): JSX.Element | null {
  const { t } = usePage();
  if (change === null || change === 0) return null;
  if (change === "new") return <span class="xp-change">{t("newTop")}</span>;
  return <span class="xp-change">{change > 0 ? `▲${change}` : `▼${-change}`}</span>;
}

/** Returns for each explanation how the rank of each top feature changed since the next older one; null for the oldest. */
export function rankChanges(latest: readonly Listed[]): ReadonlyMap<string, readonly (number | "new")[] | null> {
  return new Map(
    latest.map((each, i) => {
      const before = latest[i + 1];
      if (before === undefined) return [each.id, null];
      return [each.id, each.top.map((name, rank) => (before.top.includes(name) ? before.top.indexOf(name) - rank : "new"))];
    }),
  );
}

function fits({ run, comment, top }: Listed, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  return [run.name, comment, ...top].some((text) => text.toLowerCase().includes(wanted));
}

function sorted(listed: readonly Listed[], sort: Sort, marked: string): readonly Listed[] {
  const rank = ({ top }: Listed): number => (top.includes(marked) ? top.indexOf(marked) : Infinity);
  if (sort === "name") return [...listed].sort((a, b) => a.run.name.localeCompare(b.run.name, undefined, { numeric: true }));
  if (sort === "feature") return [...listed].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
  return listed;
}
