/** Data exploration: any column, prediction or importance against any other, or how often it has which value. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Histogram, countRows, totalsOf } from "../charts/histogram";
import type { Frame } from "../charts/plot";
import { Scatter } from "../charts/scatter";
import type { Fact } from "../charts/tooltip";
import { Check, type ChoiceGroup, Select, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { ColorLegend } from "../components/legend";
import { Message } from "../components/message";
import { RowCard } from "../components/rowcard";
import { useRowName } from "../components/rows";
import type { Value } from "../host";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import type { Column } from "../model/columns";
import type { RowSet } from "../model/rows";
import { type Variable, variables } from "../model/variables";
import { definePanel, type Given } from "../panel";

type Parts = Given<never, "data" | "labels" | "local">;

export const dataPanel = definePanel<never, "data" | "labels" | "local">({
  id: "data",
  title: "data.title",
  about: "data.about",
  group: "data",
  needs: [],
  wants: ["data", "labels", "local"],
  missing: ({ explanation }, state) =>
    explanation.has("data", state.allRows) || explanation.has("labels", state.allRows) ? null : "need.data",
  showsRow: true,
  component: DataPanel,
});

const COUNT = "count";
const USUAL = { x: "", y: "", color: "", jitter: false as boolean, bins: 30 };

function DataPanel(parts: Parts): JSX.Element {
  const { explanation, t } = useApp();
  const output = useOutput();
  const [settings, set] = useSettings("data", USUAL);
  const known = useMemo(
    () => variables({ explanation, ...parts, output }, t),
    [explanation, parts.data, parts.labels, parts.local, output, t],
  );
  const find = (key: string): Variable | undefined => known.find((variable) => variable.key === key);
  const usual = useMemo(() => usualAxes(known, parts), [known, parts]);
  const x = find(settings.x) ?? find(usual.x);
  const y = settings.y === COUNT ? undefined : (find(settings.y) ?? find(usual.y));
  const color = settings.color === "none" ? undefined : (find(settings.color) ?? find(usual.color));
  const groups = choices(known, t);
  if (x === undefined) return <Message>{t("chart.empty")}</Message>;
  const numeric = y !== undefined && (x.column().kind !== "category" || y.column().kind !== "category");
  return (
    <>
      <div class="xd-controls">
        <Select label={t("control.x")} value={x.key} choices={groups} onChange={(key) => set({ x: key })} />
        <Select
          label={t("control.y")}
          value={y?.key ?? COUNT}
          choices={[{ value: COUNT, label: t("data.histogram") }, ...groups]}
          onChange={(key) => set({ y: key })}
        />
        <Select
          label={t("control.color")}
          value={color?.key ?? "none"}
          choices={[{ value: "none", label: t("control.none") }, ...groups]}
          onChange={(key) => set({ color: key })}
        />
        {y === undefined && x.column().kind !== "category" && (
          <Slider label={t("data.bins")} min={5} max={100} value={settings.bins} onChange={(bins) => set({ bins })} />
        )}
        {numeric && (
          <Check label={t("control.jitter")} checked={settings.jitter} onChange={(jitter) => set({ jitter })} />
        )}
      </div>
      {y === undefined ? (
        <Counts x={x} color={color} mask={parts.mask} bins={settings.bins} />
      ) : (
        <div class="xd-split">
          <Points {...parts} x={x} y={y} color={color} jitter={settings.jitter} />
          <RowCard {...parts} />
        </div>
      )}
    </>
  );
}

interface CountsProps {
  x: Variable;
  color: Variable | undefined;
  mask: Uint8Array | null;
  bins: number;
}

function Counts({ x, color, mask, bins }: CountsProps): JSX.Element {
  const { t, format } = useApp();
  const column = x.column();
  const groups = color && color.column().kind === "category" && color.key !== x.key ? color.column() : null;
  const table = (): TableData => {
    const counted = countRows(column, null, 1, bins, mask);
    const edge = (i: number): Value => (column.kind === "time" ? format.time(counted.edges[i]) : counted.edges[i]);
    const totals = totalsOf(counted);
    return column.kind === "category"
      ? {
          columns: [x.name, t("chart.count")],
          rows: totals.map((total, i) => [column.categories[i] ?? null, total]),
        }
      : {
          columns: [t("chart.from"), t("chart.to"), t("chart.count")],
          rows: totals.map((total, i) => [edge(i), edge(i + 1), total]),
        };
  };
  return (
    <Figure title={x.name} table={table} legend={groups && color && <ColorLegend title={color.name} column={groups} />}>
      <Histogram
        column={column}
        groups={groups}
        bins={bins}
        xLabel={x.name}
        yLabel={t("chart.count")}
        label={`${x.name}: ${t("data.histogram")}`}
        mask={mask}
      />
    </Figure>
  );
}

interface PointsProps extends Parts {
  x: Variable;
  y: Variable;
  color: Variable | undefined;
  jitter: boolean;
}

function Points({ data, labels, local, mask, x, y, color, jitter }: PointsProps): JSX.Element {
  const { store, t, format } = useApp();
  const row = useShown((state) => state.row);
  const second = useShown((state) => state.row2);
  const rows = (data ?? labels ?? local)?.rows as RowSet;
  const [xs, ys, shades] = [x.column(), y.column(), color?.column() ?? null];
  const rowName = useRowName(labels);
  const missing = t("row.missing");
  const used = [x, y, ...(color && color.key !== x.key && color.key !== y.key ? [color] : [])];
  const describe = (point: number): { title: string; facts: Fact[] } => ({
    title: rowName(rows.position(point)),
    facts: used.map((variable) => [variable.name, shown(format.value(variable.column().value(point), missing), 40)]),
  });
  const table = (): TableData => ({
    columns: [t("data.index"), ...used.map(({ name }) => name)],
    rows: Array.from({ length: rows.count }, (_, place) => place)
      .filter((place) => mask === null || mask[place] > 0)
      .map((place) => [rows.position(place), ...used.map((variable) => variable.column().value(place))]),
  });
  const title = `${y.name} / ${x.name}`;
  const crossed = xs.kind === "category" && ys.kind === "category";
  const counts = useMemo(() => (crossed ? crossCounts(xs, ys, mask) : null), [xs, ys, mask]);
  const compared = [x.key, y.key].sort().join() === "p,t" && !crossed;
  const spread = { x: jitter || xs.kind === "category", y: jitter || ys.kind === "category" };
  return (
    <Figure
      title={title}
      notes={[rows.isSample && t("summary.pointsNote", { n: rows.count, total: rows.total })]}
      table={table}
      legend={color && <ColorLegend title={color.name} column={shades} />}
    >
      <Scatter
        x={xs}
        y={ys}
        color={shades}
        xLabel={x.name}
        yLabel={y.name}
        label={`${title}. ${t("chart.points", { n: rows.count })}.`}
        mask={mask}
        jitter={spread}
        selected={row === null ? -1 : rows.find(row)}
        second={second === null ? -1 : rows.find(second)}
        describe={describe}
        onSelect={(point) => store.set({ row: rows.position(point) })}
      >
        {(frame) => (
          <>
            {compared && <Diagonal frame={frame} />}
            {counts && <CellCounts frame={frame} counts={counts} />}
          </>
        )}
      </Scatter>
    </Figure>
  );
}

/** Where both axes are the same. */
function Diagonal({ frame: { x, y } }: { frame: Frame }): JSX.Element {
  const [low, high] = [Math.max(x.low, y.low), Math.min(x.high, y.high)];
  return <line class="xd-zero" x1={x(low)} y1={y(low)} x2={x(high)} y2={y(high)} />;
}

type Counted = readonly { readonly x: number; readonly y: number; readonly count: number }[];

function CellCounts({ frame, counts }: { frame: Frame; counts: Counted }): JSX.Element {
  const { format } = useApp();
  const height = Math.abs(frame.y(1) - frame.y(0));
  return (
    <>
      {height > 30 &&
        counts.map(({ x, y, count }) => (
          <text
            key={`${x}/${y}`}
            class="xd-cell-count"
            x={frame.x(x)}
            y={frame.y(y) - height * 0.35 - 8}
            text-anchor="middle"
          >
            {format.integer(count)}
          </text>
        ))}
    </>
  );
}

/** Rows with each pair of categories. */
function crossCounts(x: Column, y: Column, mask: Uint8Array | null): Counted {
  const [nx, ny] = [x.categories.length, y.categories.length];
  if (nx * ny > 400) return [];
  const counts = new Float64Array(nx * ny);
  for (let row = 0; row < x.values.length; row++) {
    const cell = x.values[row] * ny + y.values[row];
    if (!Number.isNaN(cell) && (mask === null || mask[row])) counts[cell]++;
  }
  return Array.from(counts, (count, cell) => ({ x: Math.floor(cell / ny), y: cell % ny, count }));
}

/** What is shown first: true against predicted where both are known, else the two most telling columns. */
function usualAxes(known: readonly Variable[], { labels }: Parts): { x: string; y: string; color: string } {
  const columns = known.filter(({ group }) => group === "columns").map(({ key }) => key);
  const predicted = labels?.predicted ? "p" : "";
  if (predicted && labels?.true)
    return { x: "t", y: "p", color: labels.true.kind === "category" ? "k" : (columns[0] ?? "") };
  return {
    x: columns[0] ?? predicted,
    y: predicted && columns.length ? predicted : (columns[1] ?? COUNT),
    color: predicted,
  };
}

function choices(known: readonly Variable[], t: ReturnType<typeof useApp>["t"]): ChoiceGroup<string>[] {
  const group = (name: Variable["group"]): ChoiceGroup<string> => ({
    label: t(`data.${name}`),
    choices: known.filter((variable) => variable.group === name).map(({ key, name: label }) => ({ value: key, label })),
  });
  return (["labels", "columns", "importances"] as const).map(group).filter(({ choices: found }) => found.length > 0);
}
