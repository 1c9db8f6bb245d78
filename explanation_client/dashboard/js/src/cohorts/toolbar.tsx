/** The choice of a cohort, above every panel: which rows the charts show. */

import type { JSX } from "preact";
import { useApp, useLoaded, useShown } from "../app";
import { Select } from "../components/controls";
import type { App } from "../app";
import { shown } from "../lib/text";
import type { State } from "../state/store";
import { maskOf, readCohorts, readConditions, writeConditions } from "./conditions";

export const SAVED = "cohorts.saved";

/** Which rows the charts show; null for all of those at hand. */
export async function cohortFilter({ explanation }: App, { cohort, allRows }: State): Promise<Uint8Array | null> {
  const conditions = readConditions(cohort);
  if (conditions.length === 0) return null;
  const part = <P extends "data" | "labels">(name: P) => (explanation.has(name, allRows) ? explanation.load(name, allRows) : Promise.resolve(null));
  const [data, labels, rows] = await Promise.all([part("data"), part("labels"), explanation.rows(allRows)]);
  return maskOf(conditions, data, labels, rows.count);
}

export function CohortToolbar(): JSX.Element | null {
  const app = useApp();
  const { store, explanation, t } = app;
  const state = useShown((found) => found);
  const { cohort, allRows } = state;
  const there = explanation.has("data", allRows) || explanation.has("labels", allRows);
  const mask = useLoaded(() => (there ? cohortFilter(app, state) : Promise.resolve(null)), [explanation, cohort, allRows, there]);
  if (!there) return null;
  const saved = readCohorts(String(state.settings[SAVED] ?? ""));
  if (saved.length === 0 && cohort === "") return null;
  const choices = [
    { value: "", label: t("cohort.all") },
    ...saved.map(({ name, conditions }) => ({ value: writeConditions(conditions), label: shown(name, 40) })),
  ];
  if (!choices.some(({ value }) => value === cohort)) choices.push({ value: cohort, label: t("cohort.unsaved") });
  const counted = mask.status === "ready" ? mask.value : null;
  return (
    <div class="xd-cohort-bar">
      <Select label={t("cohort.rows")} value={cohort} choices={choices} onChange={(chosen) => store.set({ cohort: chosen })} />
      {counted !== null && <span class="xd-note">{t("sample.of", { n: counted.reduce((sum, bit) => sum + bit, 0), total: counted.length })}</span>}
    </div>
  );
}
