/** The selected row: which it is, what is known of it, the way to the next one. */

import type { JSX } from "preact";
import { useApp, usePart, useShown } from "../app";
import { shown } from "../lib/text";
import type { Labels } from "../model/labels";
import type { RowSet } from "../model/rows";
import { Field, IconButton } from "./controls";
import { Name } from "./name";

/** What a row is called: its own name, or its number. */
export function useRowName(labels: Labels | null): (position: number) => string {
  const { t } = useApp();
  return (position) => {
    const place = labels?.rows.find(position) ?? -1;
    const name = place < 0 ? null : (labels?.rowNames?.[place] ?? null);
    return name === null ? t("row.name", { n: position }) : shown(name, 60);
  };
}

/** Chooses a row by number, and walks to its neighbours among the rows at hand. */
export function RowPicker({
  rows,
  value,
  onChange,
  label,
}: {
  rows: RowSet;
  value: number | null;
  onChange(row: number | null): void;
  label: string;
}): JSX.Element {
  const { t } = useApp();
  const place = value === null ? -1 : rows.find(value);
  const step = (by: number): void => {
    const next = place < 0 ? 0 : Math.min(rows.count - 1, Math.max(0, place + by));
    onChange(rows.position(next));
  };
  return (
    <Field label={label} class="xd-row-picker">
      {(id) => (
        <div class="xd-joined">
          <IconButton icon="previous" label={t("row.previous")} onClick={() => step(-1)} disabled={place === 0} />
          <input
            id={id}
            class="xd-input xd-number"
            type="number"
            min={0}
            max={rows.total - 1}
            value={value ?? ""}
            onChange={(event) => onChange(nearest(rows, event.currentTarget.valueAsNumber))}
          />
          <IconButton icon="next" label={t("row.next")} onClick={() => step(1)} disabled={place === rows.count - 1} />
        </div>
      )}
    </Field>
  );
}

/** The row at hand that is nearest to a number: not every row is in a sample. */
function nearest(rows: RowSet, wanted: number): number | null {
  if (Number.isNaN(wanted) || rows.count === 0) return null;
  let best = rows.position(0);
  for (let place = 0; place < rows.count; place++) {
    const here = rows.position(place);
    if (Math.abs(here - wanted) < Math.abs(best - wanted)) best = here;
  }
  return best;
}

/** What the model predicted for a row, and what is true. */
export function RowFacts({ labels, row }: { labels: Labels; row: number }): JSX.Element | null {
  const { t, format, explanation } = useApp();
  const place = labels.rows.find(row);
  if (place < 0) return null;
  const { predicted, proba } = labels;
  const predictedOutput = labels.predictedOutput?.[place] ?? -1;
  const missing = t("row.missing");
  const text = (value: ReturnType<NonNullable<Labels["true"]>["value"]>): string =>
    shown(format.value(value, missing), 60);
  return (
    <dl class="xd-facts">
      {predicted && (
        <div>
          <dt>{t("row.predicted")}</dt>
          <dd data-value={String(predicted.value(place))}>{text(predicted.value(place))}</dd>
        </div>
      )}
      {proba && predictedOutput >= 0 && predictedOutput < proba.length && (
        <div>
          <dt>
            <Name text={t("row.probability", { name: shown(explanation.info.outputs[predictedOutput], 40) })} />
          </dt>
          <dd data-value={proba[predictedOutput][place]}>{format.number(proba[predictedOutput][place])}</dd>
        </div>
      )}
      {labels.true && (
        <div>
          <dt>{t("row.true")}</dt>
          <dd data-value={String(labels.true.value(place))}>{text(labels.true.value(place))}</dd>
        </div>
      )}
    </dl>
  );
}

/** A line above the panels while a row is selected. */
export function SelectedRow(): JSX.Element | null {
  const { store, t } = useApp();
  const row = useShown((state) => state.row);
  const loaded = usePart("labels", row !== null);
  const labels = loaded.status === "ready" ? loaded.value : null;
  const name = useRowName(labels);
  if (row === null) return null;
  return (
    <div class="xd-selected-row">
      <span class="xd-row-dot" />
      <span class="xd-selected-name">
        <Name text={name(row)} />
      </span>
      {labels && <RowFacts labels={labels} row={row} />}
      <IconButton icon="close" label={t("row.clear")} onClick={() => store.set({ row: null })} />
    </div>
  );
}
