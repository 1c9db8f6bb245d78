/** Perturbation exploration: change a row's values, and see what the live model makes of it. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Button, Search, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message, Notice } from "../components/message";
import { Name } from "../components/name";
import { type PairRow, Pairs, pairsSvg } from "../components/pairs";
import { RowPicker, useRowName } from "../components/rows";
import type { Answer, Question, Value } from "../host";
import { isWhole, useAnswers } from "../lib/ask";
import type { TableData } from "../lib/csv";
import { useUnique } from "../lib/ids";
import { folded, shown, title as hover } from "../lib/text";
import type { Column } from "../model/columns";
import { definePanel, type Given } from "../panel";

type Parts = Given<"model" | "data", "labels" | "local">;
type Edits = Readonly<Record<string, Value>>;

export const whatIfPanel = definePanel<"model" | "data", "labels" | "local">({
  id: "whatif",
  title: "whatif.title",
  about: "whatif.about",
  group: "row",
  needs: ["model", "data"],
  wants: ["labels", "local"],
  component: WhatIfPanel,
});

function WhatIfPanel(parts: Parts): JSX.Element {
  const { store, t } = useApp();
  const { data } = parts;
  const row = useShown((state) => state.row);
  const place = row === null ? -1 : data.rows.find(row);
  return (
    <>
      <div class="xd-controls">
        <RowPicker rows={data.rows} value={row} onChange={(chosen) => store.set({ row: chosen })} label={t("row.number")} />
      </div>
      {row === null && <Message>{t("need.row")}</Message>}
      {row !== null && place < 0 && <Message>{t("row.notHere", { n: row })}</Message>}
      {row !== null && place >= 0 && <WhatIf key={row} {...parts} row={row} place={place} />}
    </>
  );
}

function WhatIf({ data, labels, local, row, place }: Parts & { row: number; place: number }): JSX.Element {
  const { host, explanation, t } = useApp();
  const [edits, setEdits] = useState<Edits>({});
  const output = useOutput();
  const names = useMemo(() => byImportance(data.names, explanation.features, local, output, place), [data, local, output, place]);
  const questions = useMemo<Question[]>(
    () => [
      { row, edits: {}, explain: true },
      ...(Object.keys(edits).length > 0 ? [{ row, edits, explain: true }] : []),
    ],
    [row, edits],
  );
  const asked = useAnswers(host.model, questions);
  const edit = (name: string, value: Value | undefined): void => {
    const next = Object.fromEntries(Object.entries(edits).filter(([other]) => other !== name));
    setEdits(value === undefined ? next : { ...next, [name]: value });
  };
  const rowName = useRowName(labels)(row);
  const [before, after] = asked.answers === null ? [undefined, undefined] : [asked.answers[0], asked.answers[1] ?? asked.answers[0]];
  return (
    <div class="xd-two">
      <section class="xd-section">
        <h3 class="xd-subheading">{t("whatif.values")}</h3>
        <Editor names={names} byName={data.byName} place={place} edits={edits} onEdit={edit} />
        <div class="xd-actions">
          <Button disabled={Object.keys(edits).length === 0} onClick={() => setEdits({})}>
            {t("whatif.reset")}
          </Button>
        </div>
      </section>
      <section class={`xd-section ${asked.status === "asking" ? "xd-busy" : ""}`} aria-busy={asked.status === "asking"} aria-live="polite">
        {asked.status === "failed" && (
          <Message tone="error" title={t("whatif.failed")}>
            {asked.error}
          </Message>
        )}
        {before && after && <Predictions before={before} after={after} rowName={rowName} isEdited={Object.keys(edits).length > 0} />}
        {before && after && <Importances before={before} after={after} />}
        {before === undefined && asked.status === "asking" && <Message>{t("whatif.asking")}</Message>}
      </section>
    </div>
  );
}

interface EditorProps {
  names: readonly string[];
  byName(name: string): Column | undefined;
  place: number;
  edits: Edits;
  onEdit(name: string, value: Value | undefined): void;
}

function Editor({ names, byName, place, edits, onEdit }: EditorProps): JSX.Element {
  const { t } = useApp();
  const [{ search, count }, set] = useSettings("whatif", { search: "", count: 12 });
  const found = names.filter((name) => folded(name).includes(folded(search.trim())));
  // What was changed stays in sight.
  const first = Object.keys(edits).filter((name) => !found.slice(0, count).includes(name));
  const listed = [...first, ...found.slice(0, count)];
  const most = Math.min(500, Math.max(1, names.length));
  return (
    <>
      <div class="xd-controls">
        <Search label={t("control.search")} value={search} onChange={(wanted) => set({ search: wanted })} />
        {most > 12 && <Slider label={t("whatif.count")} min={1} max={most} value={Math.min(count, most)} onChange={(wanted) => set({ count: wanted })} />}
      </div>
      <div class="xd-edits">
        {listed.map((name) => {
          const column = byName(name);
          return column && <Cell key={name} column={column} original={column.value(place)} edit={edits[name]} onEdit={(value) => onEdit(name, value)} />;
        })}
      </div>
    </>
  );
}

interface CellProps {
  column: Column;
  original: Value;
  /** Undefined: not changed. */
  edit: Value | undefined;
  onEdit(value: Value | undefined): void;
}

// More are typed: a browser's list of thousands helps nobody.
const MOST_CHOICES = 200;

function Cell({ column, original, edit, onEdit }: CellProps): JSX.Element {
  const { t, format } = useApp();
  const id = useUnique();
  const missing = t("row.missing");
  const current = edit === undefined ? original : edit;
  const change = (value: Value): void => onEdit(value === original ? undefined : value);
  const changed = edit === undefined ? "" : "xd-edited";
  return (
    <>
      <label for={id} title={hover(column.name)}>
        <Name text={column.name} />
        {edit !== undefined && <span class="xd-note">{t("whatif.was", { value: shown(format.value(original, missing), 40) })}</span>}
      </label>
      {column.kind === "category" && column.categories.length <= MOST_CHOICES ? (
        <select id={id} class={`xd-select ${changed}`} value={current === null ? "-1" : String(column.categories.indexOf(String(current)))} onChange={({ currentTarget }) => change(chosen(column, Number(currentTarget.value)))}>
          {current === null && <option value="-1">{missing}</option>}
          {column.categories.map((name, i) => (
            <option key={name} value={String(i)}>
              {shown(name, 80)}
            </option>
          ))}
        </select>
      ) : (
        <Entry id={id} class={`xd-input ${changed}`} column={column} placeholder={missing} value={current === null ? "" : String(current)} onChange={change} />
      )}
    </>
  );
}

interface EntryProps {
  id: string;
  class: string;
  column: Column;
  placeholder: string;
  value: string;
  onChange(value: Value): void;
}

function Entry({ column, onChange, ...rest }: EntryProps): JSX.Element {
  const onInput = ({ currentTarget }: { currentTarget: HTMLInputElement }): void => onChange(typed(column, currentTarget));
  return column.kind === "number" ? <input {...rest} type="number" step={isWhole(column) ? 1 : "any"} onInput={onInput} /> : <input {...rest} onInput={onInput} />;
}

function chosen(column: Column, place: number): Value {
  const name = column.categories[place] ?? null;
  return column.dtype === "bool" && name !== null ? name === "true" : name;
}

function typed(column: Column, input: HTMLInputElement): Value {
  if (input.value === "") return null;
  if (column.kind !== "number") return input.value;
  const value = input.valueAsNumber;
  // A whole number beyond what a float64 holds is sent as its digits.
  return isWhole(column) && !Number.isSafeInteger(value) ? input.value : value;
}

function Predictions({ before, after, rowName, isEdited }: { before: Answer; after: Answer; rowName: string; isEdited: boolean }): JSX.Element {
  const { explanation, t, format } = useApp();
  const { outputs } = explanation.info;
  const title = t("whatif.prediction", { name: rowName });
  const [old, now] = [before.predictions[0], after.predictions[0]];
  // One number for several classes is a score of the positive one.
  const names = old.length === outputs.length ? outputs : old.map((_, i) => (old.length === 1 ? t("row.predicted") : String(i)));
  const text = format.series([...old, ...now]);
  const rows = names.map((name, i): PairRow => {
    const gap = now[i] - old[i];
    return {
      key: String(i),
      name,
      values: [old[i], now[i]],
      texts: [text(old[i]), text(now[i])],
      change: isEdited ? { text: format.signed(gap), tone: gap > 0 ? "up" : gap < 0 ? "down" : "same" } : undefined,
    };
  });
  return <PairFigure title={title} rows={rows} />;
}

function Importances({ before, after }: { before: Answer; after: Answer }): JSX.Element | null {
  const { explanation, t, format } = useApp();
  const output = useOutput();
  const topK = useShown((state) => state.topK);
  const note = after.note ?? before.note;
  const [old, now] = [before.local?.values[output], after.local?.values[output]];
  if (old === undefined || now === undefined) return note === undefined ? null : <Notice>{note}</Notice>;
  const order = explanation.features.map((_, position) => position).filter((position) => position < now.length);
  const size = (position: number): number => Math.max(Math.abs(now[position]), Math.abs(old[position]));
  order.sort((a, b) => size(b) - size(a) || a - b);
  const text = format.series([...old, ...now], true);
  const rows = order.slice(0, topK).map(
    (position): PairRow => ({
      key: String(position),
      name: explanation.features[position],
      values: [old[position], now[position]],
      texts: [text(old[position]), text(now[position])],
    }),
  );
  const { outputs } = explanation.info;
  const title = outputs.length > 1 ? `${t("local.title")}: ${shown(outputs[output], 60)}` : t("local.title");
  return (
    <>
      {note !== undefined && <Notice>{note}</Notice>}
      <PairFigure title={title} rows={rows} />
    </>
  );
}

function PairFigure({ title, rows }: { title: string; rows: readonly PairRow[] }): JSX.Element {
  const { t } = useApp();
  const names = [t("whatif.before"), t("whatif.after")] as const;
  const table = (): TableData => ({ columns: [t("local.feature"), ...names], rows: rows.map(({ name, values }) => [name, ...values]) });
  return (
    <Figure title={title} table={table} svg={(frame) => pairsSvg(frame, title, rows, names)}>
      <Pairs rows={rows} names={names} label={title} />
    </Figure>
  );
}

/** Columns that move the row's output most come first; the others follow in their own order. */
function byImportance(names: readonly string[], features: readonly string[], local: Parts["local"], output: number, place: number): readonly string[] {
  if (local === null) return names;
  const { positions, values } = local.row(output, place);
  const sizes = new Map(Array.from(positions, (position, i) => [features[position], Math.abs(values[i])]));
  return [...names].sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0));
}
