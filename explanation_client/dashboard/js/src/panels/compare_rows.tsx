/** Two rows: what differs between them, and what that does to the model's output. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useShown } from "../app";
import { Search, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message } from "../components/message";
import { type PairRow, Pairs, pairsSvg } from "../components/pairs";
import { RowFacts, RowPicker, useRowName } from "../components/rows";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import { matching } from "../model/ranking";
import { definePanel, type Given } from "../panel";

type Parts = Given<"local", "data" | "labels">;

export const compareRowsPanel = definePanel<"local", "data" | "labels">({
  id: "rows2",
  title: "rows2.title",
  about: "rows2.about",
  group: "compare",
  needs: ["local"],
  wants: ["data", "labels"],
  component: CompareRows,
});

function CompareRows(parts: Parts): JSX.Element {
  const { store, t } = useApp();
  const { local, labels } = parts;
  const state = useShown((found) => found);
  const { row, row2 } = state;
  const nameOf = useRowName(labels);
  const most = Math.min(1000, local.features.length);
  const both = row !== null && row2 !== null && local.rows.find(row) >= 0 && local.rows.find(row2) >= 0;
  return (
    <>
      <div class="xd-controls">
        <RowPicker rows={local.rows} value={row} onChange={(chosen) => store.set({ row: chosen })} label={t("rows2.first")} />
        <RowPicker rows={local.rows} value={row2} onChange={(chosen) => store.set({ row2: chosen })} label={t("rows2.second")} />
        <Slider label={t("control.topK")} min={1} max={most} value={Math.min(state.topK, most)} onChange={(topK) => store.set({ topK })} />
        <Search label={t("control.search")} value={state.search} onChange={(search) => store.set({ search })} />
      </div>
      {labels && (
        <div class="xd-two">
          {[row, row2].map(
            (each, i) =>
              each !== null &&
              labels.rows.find(each) >= 0 && (
                <div key={i} class="xd-row-facts">
                  <span class="xd-swatch">
                    <i class={`xd-pair-key xd-pair-${i}`} />
                    <strong>{nameOf(each)}</strong>
                  </span>
                  <RowFacts labels={labels} row={each} />
                </div>
              ),
          )}
        </div>
      )}
      {both ? <Difference {...parts} rows={[row, row2]} topK={Math.min(state.topK, most)} /> : <Message>{t("rows2.choose")}</Message>}
    </>
  );
}

function Difference({ local, data, labels, rows, topK }: Parts & { rows: readonly [number, number]; topK: number }): JSX.Element {
  const { explanation, t, format } = useApp();
  const output = useOutput();
  const search = useShown((state) => state.search);
  const { features, info } = explanation;
  const [first, second] = useMemo(() => rows.map((row) => byPosition(local, output, local.rows.find(row), features.length)), [local, output, rows[0], rows[1]]);
  const order = useMemo(() => {
    const gap = (position: number): number => Math.abs((second[position] || 0) - (first[position] || 0));
    const known = Array.from(local.features).filter((position) => !Number.isNaN(first[position]) || !Number.isNaN(second[position]));
    return matching(known.sort((a, b) => gap(b) - gap(a) || a - b), features, search);
  }, [first, second, search]);
  const nameOf = useRowName(labels);
  const names = [nameOf(rows[0]), nameOf(rows[1])] as const;
  const missing = t("row.missing");
  const valueOf = (position: number, row: number): string => {
    const column = data?.byName(features[position]);
    return column ? shown(format.value(column.value(data?.rows.find(row) ?? -1), missing), 24) : "";
  };
  const text = format.series([...first, ...second], true);
  const listed: PairRow[] = Array.from(order.subarray(0, topK), (position) => {
    const values = [first[position], second[position]] as const;
    const [a, b] = rows.map((row) => valueOf(position, row));
    const gap = (values[1] || 0) - (values[0] || 0);
    return {
      key: String(position),
      name: features[position],
      detail: a === "" && b === "" ? undefined : a === b ? a : `${a} → ${b}`,
      values,
      texts: [text(values[0]), text(values[1])],
      change: { text: text(gap), tone: gap > 0 ? "up" : gap < 0 ? "down" : "same" },
    };
  });
  const title = info.outputs.length > 1 ? t("rows2.difference", { name: shown(info.outputs[output], 60) }) : t("rows2.difference", { name: t("local.output") });
  const table = (): TableData => ({
    columns: [t("local.feature"), ...names.map((name) => `${t("local.value")}: ${name}`), ...names.map((name) => `${t("local.importance")}: ${name}`)],
    rows: Array.from(order, (position) => [
      features[position],
      ...rows.map((row) => data?.byName(features[position])?.value(data.rows.find(row)) ?? null),
      number(first[position]),
      number(second[position]),
    ]),
  });
  return (
    <Figure title={title} table={table} svg={(frame) => pairsSvg(frame, title, listed, names)}>
      {listed.length === 0 ? <Message>{t("chart.empty")}</Message> : <Pairs rows={listed} names={names} label={title} />}
    </Figure>
  );
}

function byPosition(local: Parts["local"], output: number, place: number, nFeatures: number): Float64Array {
  const values = new Float64Array(nFeatures).fill(NaN);
  const found = local.row(output, place);
  found.positions.forEach((position, i) => (values[position] = found.values[i]));
  return values;
}

function number(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
