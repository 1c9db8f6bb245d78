/** Beside a chart of rows: what moved the selected one. */

import type { JSX } from "preact";
import { useApp, useOutput, useShown } from "../app";
import { Bars } from "../charts/bars";
import type { Data } from "../model/explanation";
import type { Labels } from "../model/labels";
import type { Local } from "../model/local";
import { shown } from "../lib/text";
import { Button, IconButton } from "./controls";
import { RowFacts, useRowName } from "./rows";

const MOST = 8;

export function RowCard({
  local,
  data,
  labels,
}: {
  local: Local | null;
  data: Data | null;
  labels: Labels | null;
}): JSX.Element {
  const { store, explanation, t, format } = useApp();
  const row = useShown((state) => state.row);
  const output = useOutput();
  const name = useRowName(labels);
  const rows = (local ?? data ?? labels)?.rows;
  const place = row === null ? -1 : (rows?.find(row) ?? -1);
  if (row === null || place < 0) {
    return (
      <aside class="xd-card">
        <p class="xd-note">{t("row.none")}</p>
      </aside>
    );
  }
  const importances = local?.row(output, place);
  const pairs = importances
    ? Array.from(importances.positions, (position, i) => [position, importances.values[i]] as const)
        .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
        .slice(0, MOST)
    : [];
  const text = format.series(
    pairs.map(([, value]) => value),
    true,
  );
  const detail = (position: number): string | undefined => {
    const column = data?.byName(explanation.features[position]);
    return column && shown(format.value(column.value(place), t("row.missing")), 30);
  };
  return (
    <aside class="xd-card" aria-label={name(row)}>
      <div class="xd-card-head">
        <h3 class="xd-card-title">{name(row)}</h3>
        <IconButton icon="close" label={t("row.clear")} onClick={() => store.set({ row: null })} />
      </div>
      {labels && <RowFacts labels={labels} row={row} />}
      {pairs.length > 0 && (
        <>
          <p class="xd-note">
            {t("local.title")}
            {explanation.info.outputs.length > 1 && `: ${shown(explanation.info.outputs[output], 40)}`}
          </p>
          <Bars
            label={t("local.title")}
            stacked
            rows={pairs.map(([position, value]) => ({
              key: String(position),
              name: explanation.features[position],
              detail: detail(position),
              from: 0,
              to: value,
              value,
              text: text(value),
              tone: value < 0 ? "negative" : "positive",
            }))}
          />
          <Button onClick={() => store.set({ panel: "local" })}>{t("row.open")}</Button>
        </>
      )}
    </aside>
  );
}
