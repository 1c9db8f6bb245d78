/** Explanation exploration: the value of a feature against its importance, coloured by another feature. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Scatter } from "../charts/scatter";
import type { Fact } from "../charts/tooltip";
import { Select } from "../components/controls";
import { FeaturePicker } from "../components/feature";
import { Figure } from "../components/figure";
import { ColorLegend } from "../components/legend";
import { Message } from "../components/message";
import { RowCard } from "../components/rowcard";
import { useRowName } from "../components/rows";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import { capped, type Column } from "../model/columns";
import type { Data, Explanation } from "../model/explanation";
import { likelyPartner, strongestPartner } from "../model/interplay";
import { numberColumn, type Variable, variables } from "../model/variables";
import { definePanel, type Given } from "../panel";

type Parts = Given<"local" | "data", "labels" | "interactions">;

export const dependencePanel = definePanel<"local" | "data", "labels" | "interactions">({
  id: "dependence",
  title: "dependence.title",
  about: "dependence.about",
  group: "model",
  needs: ["local", "data"],
  wants: ["labels", "interactions"],
  showsRow: true,
  component: DependencePanel,
});

// Candidates for the automatic colour, and features in the list.
const MOST_CANDIDATES = 30;
const MOST_COLORS = 200;

function DependencePanel(parts: Parts): JSX.Element {
  const { store, explanation, t } = useApp();
  const { local, data } = parts;
  const output = useOutput();
  const wanted = useShown((state) => state.feature);
  const [{ color: chosen }, set] = useSettings("dependence", { color: "auto" });
  const feature = wanted !== null && wanted < explanation.features.length ? wanted : firstFeature(explanation, parts);
  const stored = data.byName(explanation.features[feature]);
  const column = useMemo(() => stored && capped(stored, t("chart.other")), [stored, t]);
  const known = useMemo(
    () => variables({ explanation, ...parts, local: null, output }, t),
    [explanation, parts.data, parts.labels, output, t],
  );
  const auto = useMemo(
    () => automatic(explanation, parts, output, feature, known),
    [explanation, parts, output, feature, known],
  );
  // A link from another panel names a feature, the list a column.
  const asked = chosen.startsWith("f")
    ? columnOf(explanation, data, known, Number(chosen.slice(1)))
    : known.find(({ key }) => key === chosen);
  const color = chosen === "none" ? null : (asked ?? auto);
  const colors = colorChoices(known, explanation, data.names);
  return (
    <>
      <div class="xd-controls">
        <FeaturePicker
          label={t("control.feature")}
          value={feature}
          features={local.features}
          onChange={(position) => store.set({ feature: position })}
        />
        <Select
          label={t("control.color")}
          value={asked?.key ?? (chosen === "none" ? "none" : "auto")}
          choices={[
            { value: "auto", label: t("control.auto", { name: auto ? auto.name : t("control.none") }) },
            { value: "none", label: t("control.none") },
            { label: t("data.labels"), choices: colors.labels },
            { label: t("data.columns"), choices: colors.columns },
          ]}
          onChange={(value) => set({ color: value })}
        />
      </div>
      {column === undefined || !local.has(feature) ? (
        <Message>{t("dependence.noColumn")}</Message>
      ) : (
        <div class="xd-split">
          <Chart {...parts} feature={feature} column={column} color={color} />
          <RowCard {...parts} />
        </div>
      )}
    </>
  );
}

interface ChartProps extends Parts {
  feature: number;
  column: Column;
  color: Variable | null;
}

function Chart({ local, labels, mask, feature, column, color }: ChartProps): JSX.Element {
  const { store, explanation, t, format } = useApp();
  const output = useOutput();
  const row = useShown((state) => state.row);
  const second = useShown((state) => state.row2);
  const { info, features } = explanation;
  const name = shown(features[feature], 60);
  const importance = t("dependence.importance", { name });
  const values = useMemo(
    () => numberColumn(importance, local.values(output, feature)),
    [local, output, feature, importance],
  );
  const shades = color?.column() ?? null;
  const rowName = useRowName(labels);
  const missing = t("row.missing");
  const describe = (point: number): { title: string; facts: Fact[] } => ({
    title: rowName(local.rows.position(point)),
    facts: [
      [name, shown(format.value(column.value(point), missing), 40)],
      [t("local.importance"), format.signed(values.values[point])],
      ...(color && shades && shades !== column
        ? [[color.name, shown(format.value(shades.value(point), missing), 40)] as const]
        : []),
    ],
  });
  const title = info.outputs.length > 1 ? `${importance}: ${shown(info.outputs[output], 60)}` : importance;
  const table = (): TableData => ({
    columns: [t("data.index"), name, importance, ...(color ? [color.name] : [])],
    rows: Array.from(values.values, (value, place) => [
      local.rows.position(place),
      column.value(place),
      Number.isNaN(value) ? null : value,
      ...(shades ? [shades.value(place)] : []),
    ]).filter((_, place) => mask === null || mask[place] > 0),
  });
  return (
    <Figure
      title={title}
      notes={[
        info.outputSpace !== undefined && t("local.unit", { space: shown(info.outputSpace, 40) }),
        local.rows.isSample && t("summary.pointsNote", { n: local.rows.count, total: local.rows.total }),
      ]}
      table={table}
      legend={color && <ColorLegend title={color.name} column={shades} />}
    >
      <Scatter
        x={column}
        y={values}
        color={shades}
        xLabel={name}
        yLabel={importance}
        label={`${title}. ${t("chart.points", { n: local.rows.count })}.`}
        mask={mask}
        selected={row === null ? -1 : local.rows.find(row)}
        second={second === null ? -1 : local.rows.find(second)}
        describe={describe}
        onSelect={(point) => store.set({ row: local.rows.position(point) })}
      >
        {(frame) => {
          const zero = frame.y(0);
          return (
            zero > frame.top &&
            zero < frame.bottom && <line class="xd-zero" x1={frame.left} x2={frame.right} y1={zero} y2={zero} />
          );
        }}
      </Scatter>
    </Figure>
  );
}

/** The most important feature of which both values and importances are at hand. */
function firstFeature(explanation: Explanation, { local, data }: Parts): number {
  return (
    Array.from(local.features).find((position) => data.byName(explanation.features[position]) !== undefined) ??
    local.features[0] ??
    0
  );
}

/** The feature to colour by: the strongest stored interaction, else what goes best with the spread of the importances. */
function automatic(
  explanation: Explanation,
  { local, data, interactions }: Parts,
  output: number,
  feature: number,
  known: readonly Variable[],
): Variable | null {
  const variable = (position: number): Variable | undefined => columnOf(explanation, data, known, position);
  const partner = interactions && strongestPartner(interactions, output, feature);
  if (partner !== null) return variable(partner) ?? null;
  const column = data.byName(explanation.features[feature]);
  if (column === undefined || !local.has(feature)) return null;
  const others = Array.from(local.features.subarray(0, MOST_CANDIDATES)).filter((position) => position !== feature);
  const candidates = others.flatMap((position) => {
    const found = variable(position);
    return found ? [{ variable: found, column: found.column() }] : [];
  });
  return likelyPartner(column, local.values(output, feature), candidates)?.variable ?? null;
}

/** The column with the values of a feature. */
function columnOf(
  explanation: Explanation,
  data: Data,
  known: readonly Variable[],
  position: number,
): Variable | undefined {
  const place = data.names.indexOf(explanation.features[position] ?? "");
  return place < 0 ? undefined : known.find(({ key }) => key === `c${place}`);
}

type Choices = { value: string; label: string }[];

/** Labels, then columns in the global ranking. */
function colorChoices(
  known: readonly Variable[],
  explanation: Explanation,
  names: readonly string[],
): { labels: Choices; columns: Choices } {
  const rank = new Map(Array.from(explanation.order, (position, place) => [explanation.features[position], place]));
  const choice = ({ key, name }: Variable): Choices[number] => ({ value: key, label: name });
  const place = ({ key }: Variable): number => rank.get(names[Number(key.slice(1))]) ?? Infinity;
  return {
    labels: known.filter(({ group }) => group === "labels").map(choice),
    columns: known
      .filter(({ group }) => group === "columns")
      .sort((a, b) => place(a) - place(b) || 0)
      .slice(0, MOST_COLORS)
      .map(choice),
  };
}
