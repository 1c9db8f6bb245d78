/** Cohorts: rows chosen by conditions, kept under a name, and compared with others. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { type Cohort, columnOf, type Condition, maskOf, type Origin, readCohorts, readConditions, writeCohorts, writeConditions } from "../cohorts/conditions";
import { metricsOf } from "../cohorts/metrics";
import { BriefTable } from "../components/brief";
import { Button, Check, Field, IconButton, Select } from "../components/controls";
import { Figure } from "../components/figure";
import { Message, Notice } from "../components/message";
import { Name } from "../components/name";
import { type PairRow, Pairs, pairsSvg } from "../components/pairs";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import type { Column } from "../model/columns";
import { globalBars } from "../model/ranking";
import { definePanel, type Given } from "../panel";

type Parts = Given<never, "data" | "labels" | "local">;

export const cohortsPanel = definePanel<never, "data" | "labels" | "local">({
  id: "cohorts",
  title: "cohort.title",
  about: "cohort.about",
  group: "compare",
  needs: [],
  wants: ["data", "labels", "local"],
  missing: ({ explanation }, { allRows }) => (explanation.has("data", allRows) || explanation.has("labels", allRows) ? null : "need.data"),
  component: CohortsPanel,
});

function CohortsPanel(parts: Parts): JSX.Element {
  const { store, t } = useApp();
  const active = useShown((state) => state.cohort);
  const [{ saved }, set] = useSettings("cohorts", { saved: "" });
  const cohorts = readCohorts(saved);
  const conditions = readConditions(active);
  const activate = (wanted: readonly Condition[]): void => store.set({ cohort: writeConditions(wanted) });
  return (
    <>
      <section class="xd-section">
        <h3 class="xd-subheading">{t("cohort.rows")}</h3>
        <Conditions {...parts} conditions={conditions} onChange={activate} />
        <Save conditions={conditions} onSave={(cohort) => set({ saved: writeCohorts([...cohorts.filter(({ name }) => name !== cohort.name), cohort]) })} />
        {cohorts.length > 0 && (
          <ul class="xd-conditions" aria-label={t("cohort.saved")}>
            {cohorts.map((cohort) => (
              <li key={cohort.name}>
                <Button kind="quiet" pressed={writeConditions(cohort.conditions) === active} onClick={() => activate(cohort.conditions)}>
                  <Name text={cohort.name} />
                </Button>
                <IconButton icon="close" label={t("cohort.forget", { name: shown(cohort.name, 40) })} onClick={() => set({ saved: writeCohorts(cohorts.filter(({ name }) => name !== cohort.name)) })} />
              </li>
            ))}
          </ul>
        )}
      </section>
      <Comparison {...parts} cohorts={cohorts} active={conditions} />
    </>
  );
}

interface ConditionsProps extends Parts {
  conditions: readonly Condition[];
  onChange(conditions: readonly Condition[]): void;
}

function Conditions({ data, labels, conditions, onChange }: ConditionsProps): JSX.Element {
  const { explanation, t } = useApp();
  const choices = useMemo(() => columnChoices(data?.names ?? [], labels, explanation.info.outputs, t), [data, labels]);
  const add = (key: string): void => {
    const about = parseKey(key);
    const column = about && columnOf(about, data, labels);
    if (about && column) onChange([...conditions, { ...about, ...(column.kind === "category" && { among: column.categories.slice(0, 1) }) }]);
  };
  const replace = (at: number, condition: Condition): void => onChange(conditions.map((each, i) => (i === at ? condition : each)));
  return (
    <ul class="xd-conditions">
      {conditions.map((condition, i) => (
        <li key={i}>
          <OneCondition condition={condition} column={columnOf(condition, data, labels)} title={choices.find(({ value }) => value === keyOf(condition))?.label ?? condition.name} onChange={(next) => replace(i, next)} />
          <IconButton icon="close" label={t("cohort.remove")} onClick={() => onChange(conditions.filter((_, other) => other !== i))} />
        </li>
      ))}
      <li>
        <Select label={t("cohort.add")} value="" choices={[{ value: "", label: t("cohort.choose") }, ...choices]} onChange={add} />
      </li>
    </ul>
  );
}

interface OneConditionProps {
  condition: Condition;
  column: Column | null;
  title: string;
  onChange(condition: Condition): void;
}

function OneCondition({ condition, column, title, onChange }: OneConditionProps): JSX.Element {
  const { t } = useApp();
  if (column === null) return <Message>{t("cohort.noColumn", { name: shown(title, 60) })}</Message>;
  const missing = column.values.some((value) => Number.isNaN(value)) && (
    <Check label={t("row.missing")} checked={condition.missing === true} onChange={(checked) => onChange({ ...condition, missing: checked })} />
  );
  if (column.kind === "category") return <CategoryCondition condition={condition} column={column} title={title} onChange={onChange} more={missing} />;
  const time = column.kind === "time";
  const bound = (key: "low" | "high", label: string): JSX.Element => (
    <Field label={label}>
      {(id) => (
        <input
          id={id}
          class="xd-input"
          type={time ? "date" : "number"}
          step="any"
          value={condition[key] == null ? "" : time ? new Date(condition[key]).toISOString().slice(0, 10) : condition[key]}
          onChange={({ currentTarget }) => {
            const value = time ? (currentTarget.valueAsDate?.getTime() ?? NaN) : currentTarget.valueAsNumber;
            onChange({ ...condition, [key]: Number.isNaN(value) ? null : value });
          }}
        />
      )}
    </Field>
  );
  return (
    <>
      {bound("low", `${shown(title, 40)} ≥`)}
      {bound("high", `${shown(title, 40)} ≤`)}
      {missing}
    </>
  );
}

// More are chosen from a list that holds one at a time.
const MOST_CHECKS = 12;

function CategoryCondition({ condition, column, title, onChange, more }: OneConditionProps & { column: Column; more: JSX.Element | false }): JSX.Element {
  const among = condition.among ?? column.categories;
  if (column.categories.length > MOST_CHECKS) {
    return (
      <>
        <Select label={shown(title, 40)} value={among[0] ?? ""} choices={column.categories.slice(0, 1000).map((name) => ({ value: name, label: shown(name, 60) }))} onChange={(name) => onChange({ ...condition, among: [name] })} />
        {more}
      </>
    );
  }
  const toggle = (name: string, on: boolean): void => onChange({ ...condition, among: column.categories.filter((each) => (each === name ? on : among.includes(each))) });
  return (
    <fieldset class="xd-checks">
      <legend class="xd-label">{shown(title, 60)}</legend>
      {column.categories.map((name) => (
        <Check key={name} label={shown(name, 40)} checked={among.includes(name)} onChange={(on) => toggle(name, on)} />
      ))}
      {more}
    </fieldset>
  );
}

function Save({ conditions, onSave }: { conditions: readonly Condition[]; onSave(cohort: Cohort): void }): JSX.Element {
  const { t } = useApp();
  const [name, setName] = useState("");
  const save = (): void => {
    onSave({ name: name.trim(), conditions });
    setName("");
  };
  return (
    <div class="xd-actions">
      <Field label={t("cohort.name")}>
        {(id) => <input id={id} class="xd-input" value={name} maxLength={100} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <Button disabled={name.trim() === "" || conditions.length === 0} onClick={save}>
        {t("cohort.save")}
      </Button>
    </div>
  );
}

function Comparison({ data, labels, local, cohorts, active }: Parts & { cohorts: readonly Cohort[]; active: readonly Condition[] }): JSX.Element {
  const { explanation, store, t, format } = useApp();
  const { topK, weighting, signed } = useShown((state) => state);
  const output = useOutput();
  const [{ first, second }, set] = useSettings("cohorts", { first: "", second: writeConditions(active) });
  const rows = (data ?? labels)?.rows;
  const options = [
    { value: "", label: t("cohort.all") },
    ...cohorts.map(({ name, conditions }) => ({ value: writeConditions(conditions), label: shown(name, 40) })),
  ];
  for (const text of [writeConditions(active), first, second]) if (!options.some(({ value }) => value === text)) options.push({ value: text, label: t("cohort.unsaved") });
  const sides = [first, second] as const;
  const names = sides.map((side) => options.find(({ value }) => value === side)?.label ?? "") as [string, string];
  const masks = useMemo(() => sides.map((side) => (side === "" || rows === undefined ? null : maskOf(readConditions(side), data, labels, rows.count))), [first, second, data, labels]);
  const metrics = masks.map((mask) => metricsOf(labels, explanation.info, output, mask, rows?.count ?? 0));
  const wanted = { weighting, output, signed: false };
  const bars = useMemo(
    () => masks.map((mask) => globalBars(explanation, wanted, { perClass: null, aggregates: null, local, labels, mask: mask ?? new Uint8Array(rows?.count ?? 0).fill(1) })),
    [masks, local, labels, output, weighting, signed],
  );
  const same = first === second;
  const seen = same ? names.slice(0, 1) : names;
  const title = t("cohort.importance");
  const pairs = importancePairs(bars, explanation.features, topK, format);
  const table = (): TableData => ({ columns: [t("local.feature"), ...names], rows: pairs.all });
  const metricTable = { columns: [t("cohort.metric"), ...seen], rows: metrics[0].map(({ key }, i) => [t(key), ...metrics.slice(0, seen.length).map((side) => side[i]?.value ?? null)]) };
  return (
    <section class="xd-section">
      <h3 class="xd-subheading">{t("cohort.compare")}</h3>
      <div class="xd-controls">
        <Select label={t("cohort.first")} value={first} choices={options} onChange={(chosen) => set({ first: chosen })} />
        <Select label={t("cohort.second")} value={second} choices={options} onChange={(chosen) => set({ second: chosen })} />
        <Button kind="quiet" onClick={() => store.set({ cohort: second })}>
          {t("cohort.show")}
        </Button>
      </div>
      <BriefTable title={t("cohort.metric")} table={metricTable} text={(value, i) => (metrics[0][i].percent ? format.percent(value) : format.number(value))} />
      {same && <Notice>{t("cohort.same")}</Notice>}
      {!same && pairs.rows.length > 0 && (
        <Figure title={title} notes={[rows?.isSample && t("sample.of", { n: rows.count, total: rows.total })]} table={table} svg={(frame) => pairsSvg(frame, title, pairs.rows, names)}>
          <Pairs rows={pairs.rows} names={names} label={title} />
        </Figure>
      )}
    </section>
  );
}

function importancePairs(bars: readonly ReturnType<typeof globalBars>[], features: readonly string[], topK: number, format: ReturnType<typeof useApp>["format"]): { rows: PairRow[]; all: [string, number | null, number | null][] } {
  const [a, b] = bars;
  if (typeof a === "string" || typeof b === "string") return { rows: [], all: [] };
  const known = features.map((_, position) => position).filter((position) => !Number.isNaN(a.values[position]) && !Number.isNaN(b.values[position]));
  known.sort((x, y) => Math.max(a.values[y], b.values[y]) - Math.max(a.values[x], b.values[x]) || x - y);
  const text = format.series(known.flatMap((position) => [a.values[position], b.values[position]]));
  const all = known.map((position): [string, number | null, number | null] => [features[position], a.values[position], b.values[position]]);
  const rows = known.slice(0, topK).map((position): PairRow => {
    const values = [a.values[position], b.values[position]] as const;
    return { key: String(position), name: features[position], values, texts: [text(values[0]), text(values[1])] };
  });
  return { rows, all };
}

function columnChoices(names: readonly string[], labels: Parts["labels"], outputs: readonly string[], t: ReturnType<typeof useApp>["t"]): { value: string; label: string }[] {
  const found: { value: string; label: string }[] = [];
  if (labels?.predicted) found.push({ value: keyOf({ origin: "predicted", name: "" }), label: t("row.predicted") });
  if (labels?.true) found.push({ value: keyOf({ origin: "true", name: "" }), label: t("row.true") });
  labels?.proba?.forEach((_, c) => found.push({ value: keyOf({ origin: "proba", name: String(c) }), label: t("row.probability", { name: shown(outputs[c] ?? String(c), 40) }) }));
  return [...found, ...names.slice(0, 1000).map((name) => ({ value: keyOf({ origin: "data", name }), label: shown(name, 60) }))];
}

function keyOf({ origin, name }: Pick<Condition, "origin" | "name">): string {
  return `${origin}:${name}`;
}

function parseKey(key: string): Pick<Condition, "origin" | "name"> | null {
  const at = key.indexOf(":");
  return at < 0 ? null : { origin: key.slice(0, at) as Origin, name: key.slice(at + 1) };
}
