/** Everything that is known of a row, as columns by a short key: values, predictions, errors, importances. */

import type { Translate } from "../i18n/translate";
import { shown } from "../lib/text";
import { capped, categorical, type Column } from "./columns";
import type { Data, Explanation } from "./explanation";
import type { Labels } from "./labels";
import type { Local } from "./local";
import type { Numbers } from "./parquet";

export interface Variable {
  /** "c3" a column, "p" predicted, "t" true, "q1" a probability, "e" the error, "k" whether correct, "i5" an importance, "n" the row. */
  readonly key: string;
  readonly name: string;
  readonly group: "columns" | "labels" | "importances";
  /** Made when it is first looked at. */
  column(): Column;
}

export interface Known {
  readonly explanation: Explanation;
  readonly data: Data | null;
  readonly labels: Labels | null;
  readonly local: Local | null;
  readonly output: number;
}

// Importances to choose from: the most important features.
const MOST_IMPORTANCES = 100;

/** Returns the variables of the rows at hand, in the order in which they are offered. */
export function variables(known: Known, t: Translate): Variable[] {
  const { explanation, data, labels, local, output } = known;
  const found: Variable[] = [...labelVariables(explanation, labels, t)];
  data?.names.forEach((name, i) =>
    found.push({
      key: `c${i}`,
      name: shown(name, 80),
      group: "columns",
      column: () => capped(data.byName(name) as Column, t("chart.other")),
    }),
  );
  if (local !== null) {
    for (const position of local.features.subarray(0, MOST_IMPORTANCES)) {
      const name = t("dependence.importance", { name: shown(explanation.features[position], 60) });
      found.push({
        key: `i${position}`,
        name,
        group: "importances",
        column: () => numberColumn(name, local.values(output, position)),
      });
    }
  }
  const rows = (data ?? labels ?? local)?.rows;
  if (rows) {
    const name = t("data.index");
    found.push({
      key: "n",
      name,
      group: "labels",
      column: () =>
        numberColumn(
          name,
          Float64Array.from({ length: rows.count }, (_, i) => rows.position(i)),
        ),
    });
  }
  return remembered(found);
}

function labelVariables(explanation: Explanation, labels: Labels | null, t: Translate): Variable[] {
  if (labels === null) return [];
  const { predicted, true: real, proba } = labels;
  const { info } = explanation;
  const classes = info.task === "classification";
  const found: Variable[] = [];
  const add = (key: string, name: string, column: () => Column): number =>
    found.push({ key, name, group: "labels", column });
  if (predicted) add("p", t(classes ? "data.predictedClass" : "data.predicted"), () => predicted);
  if (real) add("t", t(classes ? "data.trueClass" : "data.true"), () => real);
  proba?.forEach((values, i) => {
    const name = t("row.probability", { name: shown(info.outputs[i] ?? String(i), 40) });
    add(`q${i}`, name, () => numberColumn(name, values));
  });
  if (predicted?.kind === "number" && real?.kind === "number") {
    add("e", t("data.error"), () =>
      numberColumn(
        t("data.error"),
        predicted.values.map((value, i) => value - real.values[i]),
      ),
    );
  }
  if (classes && predicted?.kind === "category" && real?.kind === "category") {
    const [yes, no] = [t("data.yes"), t("data.no")];
    const correct = (row: number): string | null => {
      const truth = real.value(row);
      return truth === null || predicted.value(row) === null
        ? null
        : categoryOf(predicted, row) === categoryOf(real, row)
          ? yes
          : no;
    };
    add("k", t("data.correct"), () =>
      categorical(
        t("data.correct"),
        "object",
        Array.from(predicted.values, (_, row) => correct(row)),
        [yes, no],
      ),
    );
  }
  return found;
}

function categoryOf(column: Column, row: number): string | undefined {
  return column.categories[column.values[row]];
}

export function numberColumn(name: string, values: Numbers): Column {
  return {
    name,
    dtype: "float64",
    kind: "number",
    values,
    categories: [],
    value: (row) => (Number.isNaN(values[row]) ? null : values[row]),
  };
}

function remembered(found: readonly Variable[]): Variable[] {
  return found.map((variable) => {
    let made: Column | null = null;
    return { ...variable, column: () => (made ??= variable.column()) };
  });
}
