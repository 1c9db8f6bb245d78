/** Two explanations: how much each feature matters in the one and in the other, and how its rank changed. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useLoaded, useSettings, useShown } from "../app";
import { BriefTable } from "../components/brief";
import { Button, Search, Segmented, Select, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message, Notice } from "../components/message";
import { type PairRow, Pairs, pairsSvg } from "../components/pairs";
import type { TableData } from "../lib/csv";
import { folded, shown } from "../lib/text";
import type { Drift, Moved, Pair } from "../model/drift";
import type { Explanation } from "../model/explanation";
import { definePanel } from "../panel";
import { Spreads, useDrift, Verdict } from "./drift";

export const compareExplanationsPanel = definePanel<"second">({
  id: "explanations2",
  title: "compare.title",
  about: "compare.about",
  group: "compare",
  needs: ["second"],
  component: CompareExplanations,
});

function CompareExplanations(): JSX.Element {
  const app = useApp();
  const { host, store, explanation, t } = app;
  const [wanted, here] = [useShown((state) => state.source), useShown((state) => state.shown)];
  const others = host.sources.map((_, i) => i).filter((i) => i !== (here < host.sources.length ? here : 0));
  const source = others.includes(wanted) ? wanted : others[0];
  const loaded = useLoaded(() => app.open(source), [explanation, source]);
  const chooser = host.sources.length > 2 && (
    <Select
      label={t("compare.with")}
      value={String(source)}
      choices={others.map((i) => ({ value: String(i), label: shown(host.sources[i].label, 60) || t("compare.number", { n: i + 1 }) }))}
      onChange={(chosen) => store.set({ source: Number(chosen) })}
    />
  );
  if (loaded.status === "loading") return <Message>{t("app.loading")}</Message>;
  if (loaded.status === "failed") {
    return (
      <>
        <div class="xd-controls">{chooser}</div>
        <Message tone="error" title={t("app.panelFailed")} action={<Button onClick={loaded.retry}>{t("app.retry")}</Button>}>
          {loaded.error.message}
        </Message>
      </>
    );
  }
  return <Comparison other={loaded.value} chooser={chooser} />;
}

function Comparison({ other, chooser }: { other: Explanation; chooser: JSX.Element | false }): JSX.Element {
  const { store, explanation, t, format } = useApp();
  const { topK, search, feature } = useShown((state) => state);
  const [{ unit, sort, baseline }, set] = useSettings("compare", { unit: "share", sort: "importance", baseline: "" });
  const asShare = unit === "share";
  // What was there first is what the other one is measured by, unless somebody says otherwise.
  const turned = baseline === "" ? other.info.createdAt < explanation.info.createdAt : baseline === "second";
  const pair: Pair<Explanation> = turned ? [other, explanation] : [explanation, other];
  const labels = [explanation, other].map((each, i) => each.label || each.info.comment || t("compare.number", { n: i + 1 }));
  const names = (turned ? [labels[1], labels[0]] : labels) as [string, string];
  const compared = useMemo(() => compare(pair, asShare), [...pair, asShare]);
  const drift = useDrift(pair);
  const known = new Map(drift.found?.features.map((line) => [line.name, line]));
  const ordered = useMemo(() => (sort === "change" && drift.found ? byChange(compared ?? [], drift.found) : (compared ?? [])), [compared, sort, drift.found]);
  const found = ordered.filter(({ name }) => folded(name).includes(folded(search.trim())));
  const most = Math.min(1000, Math.max(1, compared?.length ?? 1));
  const title = t(asShare ? "compare.share" : "global.meanAbs");
  const text = asShare ? (value: number): string => (Number.isNaN(value) ? "–" : format.share(value)) : format.series(found.flatMap(({ values }) => values));
  const hasLocal = drift.locals !== null && drift.why === null;
  const rows: PairRow[] = found.slice(0, Math.min(topK, most)).map(({ name, values, ranks }) => {
    const line = known.get(name);
    const position = explanation.features.indexOf(name);
    return {
      key: name,
      name,
      values,
      texts: [text(values[0]), text(values[1])],
      change: { text: changeText(ranks, t), tone: tone(ranks) },
      ...(hasLocal && line ? { distance: { value: line.distance, text: Number.isNaN(line.distance) ? "–" : format.fixed(line.distance, 3) } } : {}),
      ...(drift.judged && line?.moved ? { flag: t("drift.flag") } : {}),
      ...(hasLocal && position >= 0 ? { title: t("drift.open", { name: shown(name, 60) }), onSelect: () => store.set({ feature: position }) } : {}),
    };
  });
  const chosen = feature !== null ? explanation.features[feature] : (drift.found?.features[0]?.name ?? "");
  const heads = [t("compare.rank"), t("drift.distance")] as const;
  const table = (): TableData => tableOf(found, names, known, title, t);
  return (
    <>
      <div class="xd-controls">
        {chooser}
        <Select
          label={t("drift.baseline")}
          value={turned ? "second" : "first"}
          choices={labels.map((label, i) => ({ value: i === 0 ? "first" : "second", label: shown(label, 40) }))}
          onChange={(value) => set({ baseline: value })}
        />
        <Slider label={t("control.topK")} min={1} max={most} value={Math.min(topK, most)} onChange={(value) => store.set({ topK: value })} />
        <Segmented
          label={t("control.sort")}
          value={sort === "change" ? "change" : "importance"}
          choices={(["importance", "change"] as const).map((value) => ({ value, label: t(value === "change" ? "drift.change" : "control.sort.importance") }))}
          onChange={(value) => set({ sort: value })}
        />
        <Segmented
          label={t("control.magnitude")}
          value={asShare ? "share" : "value"}
          choices={[
            { value: "share", label: t("compare.shares") },
            { value: "value", label: t("compare.values") },
          ]}
          onChange={(value) => set({ unit: value })}
        />
        <Search label={t("control.search")} value={search} onChange={(value) => store.set({ search: value })} />
      </div>
      <Verdict drift={drift} pair={pair} names={names} />
      {!asShare && pair[0].info.outputSpace !== pair[1].info.outputSpace && <Notice>{t("compare.units")}</Notice>}
      {compared === null ? (
        <Message>{t("need.global")}</Message>
      ) : (
        <Figure
          title={title}
          notes={[sort !== "change" && t("compare.order"), hasLocal && t("drift.distanceNote")]}
          table={table}
          svg={(frame) => pairsSvg(frame, title, rows, names, heads)}
        >
          {rows.length === 0 ? (
            <Message>{t("chart.empty")}</Message>
          ) : (
            <Pairs rows={rows} names={names} label={title} heads={heads} />
          )}
        </Figure>
      )}
      {drift.locals && <Spreads pair={pair} names={names} locals={drift.locals} feature={chosen} />}
      <Facts pair={pair} names={names} />
    </>
  );
}

/** The features in the order of how much they changed. */
function byChange(compared: readonly Compared[], { features }: Drift): readonly Compared[] {
  const place = new Map(features.map(({ name }, i) => [name, i]));
  return [...compared].sort((a, b) => (place.get(a.name) ?? Infinity) - (place.get(b.name) ?? Infinity));
}

function tableOf(
  found: readonly Compared[],
  names: readonly [string, string],
  known: ReadonlyMap<string, Moved>,
  title: string,
  t: ReturnType<typeof useApp>["t"],
): TableData {
  const stated = (value: number | undefined): number | null => (value === undefined || Number.isNaN(value) ? null : value);
  return {
    columns: [
      t("local.feature"),
      ...names.map((name) => `${title}: ${name}`),
      ...names.map((name) => `${t("compare.rank")}: ${name}`),
      t("drift.change"),
      t("drift.distance"),
      t("drift.ks"),
      t("drift.pValue"),
      t("drift.flag"),
    ],
    rows: found.map(({ name, values, ranks }) => {
      const line = known.get(name);
      return [name, ...values.map(stated), ...ranks, stated(line?.change), stated(line?.distance), stated(line?.ks), stated(line?.pValue), line?.moved ?? null];
    }),
  };
}

/** What the two explanations are, line by line; what they agree in is said once more than it needs, and so is seen. */
function Facts({ pair, names }: { pair: readonly [Explanation, Explanation]; names: readonly [string, string] }): JSX.Element {
  const { t, format } = useApp();
  const rows: TableData["rows"] = [
    [t("info.method"), ...pair.map(({ info }) => info.method)],
    [t("info.model"), ...pair.map(({ info }) => info.modelType ?? null)],
    [t("info.space"), ...pair.map(({ info }) => info.outputSpace ?? null)],
    [t("compare.rows"), ...pair.map(({ info }) => format.integer(info.nRows))],
    [t("info.created"), ...pair.map(({ info }) => format.moment(info.createdAt))],
  ];
  return <BriefTable title={t("app.details")} table={{ columns: [t("app.details"), ...names], rows }} />;
}

export interface Compared {
  readonly name: string;
  /** NaN where the feature is not in that explanation, or was cut. */
  readonly values: readonly [number, number];
  /** From 1; null where there is none. */
  readonly ranks: readonly [number | null, number | null];
}

/** Returns the features of both, by name, those first that matter most in either; null without global importances. */
export function compare(pair: readonly [Explanation, Explanation], asShare: boolean): readonly Compared[] | null {
  const sides = pair.map(({ global, features, order }) => {
    if (global === null) return null;
    // Shares are of the sum over all features, those that a cut left out included.
    const total = asShare ? global.values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : Math.abs(value)), Math.abs(global.rest)) : 1;
    const known = Array.from(order).filter((position) => !Number.isNaN(global.values[position]));
    return new Map(known.map((position, rank) => [features[position], { value: global.values[position] / (total || 1), rank: rank + 1 }]));
  });
  const [here, there] = sides;
  if (here === null || there === null) return null;
  const most = [here, there].map((side) => largest(side.values()) || 1);
  const size = ({ values }: Compared): number => Math.max(...values.map((value, i) => (Number.isNaN(value) ? 0 : Math.abs(value) / most[i])));
  const names = [...new Set([...here.keys(), ...there.keys()])];
  const found = names.map((name): Compared => ({
    name,
    values: [here.get(name)?.value ?? NaN, there.get(name)?.value ?? NaN],
    ranks: [here.get(name)?.rank ?? null, there.get(name)?.rank ?? null],
  }));
  return found.sort((a, b) => size(b) - size(a));
}

/** The largest magnitude: a loop, as there may be more features than a call takes arguments. */
function largest(sides: Iterable<{ readonly value: number }>): number {
  let most = 0;
  for (const { value } of sides) most = Math.max(most, Math.abs(value));
  return most;
}

function tone([before, after]: Compared["ranks"]): "up" | "down" | "same" {
  if (before === null || after === null || before === after) return "same";
  return after < before ? "up" : "down";
}

function changeText([before, after]: Compared["ranks"], t: ReturnType<typeof useApp>["t"]): string {
  if (before === null) return t("compare.onlySecond");
  if (after === null) return t("compare.onlyFirst");
  if (before === after) return `${before} =`;
  return `${before} → ${after} ${after < before ? "▲" : "▼"}`;
}
