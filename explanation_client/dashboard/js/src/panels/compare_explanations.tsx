/** Two explanations: how much each feature matters in the one and in the other, and how its rank changed. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useLoaded, useSettings, useShown } from "../app";
import { Button, Search, Segmented, Select, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message, Notice } from "../components/message";
import { Name } from "../components/name";
import { type PairRow, Pairs, pairsSvg } from "../components/pairs";
import type { TableData } from "../lib/csv";
import { folded, shown } from "../lib/text";
import type { Explanation } from "../model/explanation";
import { definePanel } from "../panel";

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
  const wanted = useShown((state) => state.source);
  const source = wanted > 0 && wanted < host.sources.length ? wanted : 1;
  const loaded = useLoaded(() => app.open(source), [explanation, source]);
  const chooser = host.sources.length > 2 && (
    <Select
      label={t("compare.with")}
      value={String(source)}
      choices={host.sources.slice(1).map(({ label }, i) => ({ value: String(i + 1), label: shown(label, 60) || t("compare.number", { n: i + 2 }) }))}
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
  const { topK, search } = useShown((state) => state);
  const [{ unit }, set] = useSettings("compare", { unit: "share" });
  const pair = [explanation, other] as const;
  const compared = useMemo(() => compare(pair, unit === "share"), [explanation, other, unit]);
  const names = pair.map((each, i) => each.label || each.info.comment || t("compare.number", { n: i + 1 })) as [string, string];
  const found = useMemo(() => compared?.filter(({ name }) => folded(name).includes(folded(search.trim()))) ?? [], [compared, search]);
  const most = Math.min(1000, Math.max(1, compared?.length ?? 1));
  const title = t(unit === "share" ? "compare.share" : "global.meanAbs");
  const text = unit === "share" ? (value: number): string => (Number.isNaN(value) ? "–" : format.percent(value)) : format.series(found.flatMap(({ values }) => values));
  const rows: PairRow[] = found.slice(0, Math.min(topK, most)).map(({ name, values, ranks }) => ({
    key: name,
    name,
    values,
    texts: [text(values[0]), text(values[1])],
    change: { text: changeText(ranks, t), tone: tone(ranks) },
  }));
  const table = (): TableData => ({
    columns: [t("local.feature"), ...names, ...names.map((name) => `${t("compare.rank")}: ${name}`)],
    rows: found.map(({ name, values, ranks }) => [name, ...values.map((value) => (Number.isNaN(value) ? null : value)), ...ranks]),
  });
  return (
    <>
      <div class="xd-controls">
        {chooser}
        <Slider label={t("control.topK")} min={1} max={most} value={Math.min(topK, most)} onChange={(chosen) => store.set({ topK: chosen })} />
        <Segmented
          label={t("control.magnitude")}
          value={unit === "share" ? "share" : "value"}
          choices={[
            { value: "share", label: t("compare.shares") },
            { value: "value", label: t("compare.values") },
          ]}
          onChange={(chosen) => set({ unit: chosen })}
        />
        <Search label={t("control.search")} value={search} onChange={(text) => store.set({ search: text })} />
      </div>
      <Facts pair={pair} names={names} />
      {unit !== "share" && explanation.info.outputSpace !== other.info.outputSpace && <Notice>{t("compare.units")}</Notice>}
      {compared === null ? (
        <Message>{t("need.global")}</Message>
      ) : (
        <Figure title={title} notes={[t("compare.order")]} table={table} svg={(frame) => pairsSvg(frame, title, rows, names)}>
          {rows.length === 0 ? <Message>{t("chart.empty")}</Message> : <Pairs rows={rows} names={names} label={title} />}
        </Figure>
      )}
    </>
  );
}

/** What the two explanations are, line by line; what they agree in is said once more than it needs, and so is seen. */
function Facts({ pair, names }: { pair: readonly [Explanation, Explanation]; names: readonly [string, string] }): JSX.Element {
  const { t, format } = useApp();
  const lines = [
    [t("info.method"), pair.map(({ info }) => info.method)],
    [t("info.model"), pair.map(({ info }) => info.modelType ?? "–")],
    [t("info.space"), pair.map(({ info }) => info.outputSpace ?? "–")],
    [t("compare.rows"), pair.map(({ info }) => format.integer(info.nRows))],
    [t("info.created"), pair.map(({ info }) => format.moment(info.createdAt))],
  ] as const;
  return (
    <div class="xd-table-frame" tabIndex={0} role="region" aria-label={t("app.details")}>
      <table class="xd-table">
        <thead>
          <tr>
            <td />
            {names.map((name, i) => (
              <th key={i} scope="col">
                <Name text={name} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map(([name, values]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {values.map((value, i) => (
                <td key={i}>
                  <Name text={value} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
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
