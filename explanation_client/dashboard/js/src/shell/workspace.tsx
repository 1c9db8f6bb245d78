/** The frame around the panels: heading, navigation, what is a sample, the selected row, and the panel itself. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useApp, useLoaded, useShown } from "../app";
import { Button } from "../components/controls";
import { useUnique } from "../lib/ids";
import { Message, Notice } from "../components/message";
import { SelectedRow } from "../components/rows";
import { type Given, type Group, missing, type Need, type Panel, wantedParts } from "../panel";
import { PANELS, ROW_FILTER, TOOLBAR } from "../panels";
import type { PartName } from "../model/explanation";
import { message } from "../model/manifest";
import { Boundary } from "./boundary";
import { Waiting } from "./dashboard";
import { Header } from "./header";

const GROUPS: readonly Group[] = ["model", "row", "data", "compare"];

export function Workspace(): JSX.Element {
  const app = useApp();
  const { t } = app;
  const state = useShown((found) => found);
  const offered = offeredPanels(app);
  const panel = offered.find(({ id }) => id === state.panel) ?? firstShown(app, state);
  const base = useUnique();
  const Toolbar = TOOLBAR;
  return (
    <div class="xd-workspace">
      <Header />
      <div class="xd-columns">
        <Navigation panel={panel} base={base} />
        <main class="xd-main">
          <SampleNotice />
          {Toolbar && <Toolbar />}
          {!(panel.showsRow && missing(panel, app, state) === null) && <SelectedRow />}
          <div class="xd-panel" id={`${base}-panel`} role="tabpanel" aria-labelledby={`${base}-${panel.id}`}>
            <div class="xd-panel-head">
              <h2 class="xd-heading">{t(panel.title)}</h2>
              <p class="xd-about">{t(panel.about)}</p>
            </div>
            <PanelBody key={panel.id} panel={panel} />
          </div>
        </main>
      </div>
    </div>
  );
}

/** The first panel that can be shown: what somebody sees who has chosen none. */
function firstShown(app: Parameters<typeof missing>[1], state: Parameters<typeof missing>[2]): Panel {
  return offeredPanels(app).find((panel) => missing(panel, app, state) === null) ?? PANELS[0];
}

function offeredPanels({ explanation }: Parameters<typeof missing>[1]): readonly Panel[] {
  return PANELS.filter(({ applies }) => applies?.(explanation) ?? true);
}

/** Tabs in groups: beside the panel where there is room, above it where not. Arrow keys go from one to the next. */
function Navigation({ panel: current, base }: { panel: Panel; base: string }): JSX.Element {
  const app = useApp();
  const { store, t } = app;
  const state = useShown((found) => found);
  const list = useRef<HTMLDivElement>(null);
  const offered = offeredPanels(app);
  useEffect(() => {
    const tab = list.current?.querySelector<HTMLElement>("[aria-selected=true]");
    // The strip alone scrolls, and not the page around it.
    if (list.current && tab)
      list.current.scrollLeft = tab.offsetLeft - (list.current.clientWidth - tab.offsetWidth) / 2;
  }, [current.id]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const order = GROUPS.flatMap((group) => offered.filter((panel) => panel.group === group));
    const at = order.findIndex(({ id }) => id === current.id);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: -1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = order[(moves[event.key] + order.length) % order.length];
    store.set({ panel: next.id });
    (event.target as Element).closest('[role="tablist"]')?.querySelector<HTMLElement>(`[id="${base}-${next.id}"]`)?.focus();
  };
  return (
    <nav class="xd-navigation" aria-label={t("app.panels")}>
      <div
        class="xd-tabs"
        role="tablist"
        aria-label={t("app.panels")}
        aria-orientation="vertical"
        ref={list}
        onKeyDown={onKeyDown}
      >
        {GROUPS.map((group) => {
          const panels = offered.filter((panel) => panel.group === group);
          return (
            panels.length > 0 && (
              <div key={group} class="xd-tab-group" role="presentation">
                <span class="xd-tab-heading" aria-hidden="true">
                  {t(`group.${group}`)}
                </span>
                {panels.map((panel) => {
                  const there = missing(panel, app, state) === null;
                  return (
                    <button
                      key={panel.id}
                      id={`${base}-${panel.id}`}
                      type="button"
                      role="tab"
                      class={`xd-tab ${there ? "" : "xd-tab-missing"}`}
                      aria-selected={panel.id === current.id}
                      aria-controls={panel.id === current.id ? `${base}-panel` : undefined}
                      tabIndex={panel.id === current.id ? 0 : -1}
                      title={there ? undefined : t("app.unavailable")}
                      onClick={() => store.set({ panel: panel.id })}
                    >
                      {t(panel.title)}
                    </button>
                  );
                })}
              </div>
            )
          );
        })}
      </div>
    </nav>
  );
}

/** What the charts show of how many rows, and the way to all of them. */
function SampleNotice(): JSX.Element | null {
  const { explanation, store, t, format } = useApp();
  const all = useShown((state) => state.allRows);
  const there = explanation.has("local") || explanation.has("data");
  const loaded = useLoaded(() => (there ? explanation.rows(all) : Promise.resolve(null)), [explanation, all, there]);
  if (loaded.status !== "ready" || loaded.value === null) return null;
  const rows = loaded.value;
  const size = explanation.allRowsBytes;
  if (all && size !== null) {
    return (
      <Notice
        action={
          <Button kind="quiet" onClick={() => store.set({ allRows: false })}>
            {t("sample.back")}
          </Button>
        }
      >
        {t("sample.showsAll", { n: rows.count })}
      </Notice>
    );
  }
  if (!rows.isSample) return null;
  const more = size !== null && (
    <Button kind="quiet" onClick={() => store.set({ allRows: true })}>
      {t("sample.all", { size: format.bytes(size) })}
    </Button>
  );
  return (
    <Notice action={more}>
      {t(explanation.isStreamed ? "sample.streamed" : explanation.isStratified ? "sample.stratified" : "sample.notice", {
        n: rows.count,
        total: rows.total,
      })}
    </Notice>
  );
}

/** The panel once its parts are read, or why it can't be shown. */
function PanelBody({ panel }: { panel: Panel }): JSX.Element {
  const app = useApp();
  const { explanation, t, host } = app;
  const state = useShown((found) => found);
  const why = missing(panel, app, state);
  const needs = panel.needs.filter(isPart);
  const wants = wantedParts(panel, state, explanation).filter((part) => !needs.includes(part));
  const all = state.allRows;
  const loaded = useLoaded(
    () => (why === null ? read(app, needs, wants, all) : Promise.resolve(null)),
    [explanation, why, all, [...needs, ...wants].join()],
  );
  const filtered = useLoaded(
    () => ROW_FILTER?.(app, state) ?? Promise.resolve(null),
    [explanation, all, state.cohort, ROW_FILTER],
  );
  if (why !== null) {
    const hint = why === "need.model" ? host.modelHint : undefined;
    return (
      <Message code={hint?.code}>
        {t(why)} {hint?.text}
      </Message>
    );
  }
  if (loaded.status === "failed") {
    return (
      <Message
        tone="error"
        title={t("app.panelFailed")}
        action={<Button onClick={loaded.retry}>{t("app.retry")}</Button>}
      >
        {loaded.error.message}
      </Message>
    );
  }
  if (loaded.status === "loading" || loaded.value === null || filtered.status === "loading") return <Waiting t={t} />;
  const mask = filtered.status === "ready" ? filtered.value : null;
  const { parts, problems } = loaded.value;
  const Body = panel.component;
  return (
    <Boundary t={t}>
      {problems.map((problem) => (
        <Notice key={problem}>{t("app.partFailed", { why: problem })}</Notice>
      ))}
      <Body {...parts} mask={mask} />
    </Boundary>
  );
}

type AllParts = Omit<Given<Need, PartName>, "mask">;

interface Read {
  readonly parts: AllParts;
  readonly problems: readonly string[];
}

/** Parts that are needed must come; those that are wanted may fail, and then the panel says so. */
async function read(
  { explanation }: Parameters<typeof missing>[1],
  needs: readonly PartName[],
  wants: readonly PartName[],
  all: boolean,
): Promise<Read> {
  const problems = new Set<string>();
  const parts: Record<string, unknown> = {
    perClass: null,
    aggregates: null,
    local: null,
    data: null,
    labels: null,
    interactions: null,
    documents: null,
  };
  const need = needs.map(async (part) => {
    parts[part] = await explanation.load(part, all);
  });
  const want = wants.map(async (part) => {
    if (!explanation.has(part, all)) return;
    try {
      parts[part] = await explanation.load(part, all);
    } catch (error) {
      problems.add(message(error));
    }
  });
  await Promise.all([...need, ...want]);
  return { parts: parts as unknown as AllParts, problems: [...problems] };
}

function isPart(need: Need): need is PartName {
  return need !== "model" && need !== "second";
}
