/** What is known of the rows beside their values: names, predictions, true values. */

import { categorical, type Column, makeColumn } from "./columns";
import type { DataLayout, Info } from "./manifest";
import type { Cells, Numbers, Table } from "./parquet";
import type { RowSet } from "./rows";

export interface Labels {
  readonly rows: RowSet;
  readonly rowNames: readonly (string | null)[] | null;
  readonly predicted: Column | null;
  readonly true: Column | null;
  /** Probabilities, one array for each class. */
  readonly proba: readonly Numbers[] | null;
  /** Position of the predicted class among the outputs; -1 where it is not known. Null for a regression. */
  readonly predictedOutput: Int32Array | null;
}

/** Returns the labels of a table as `labels` and `view-labels` have them, of those of its rows that are at hand. */
export function makeLabels(
  table: Table,
  layout: DataLayout,
  info: Info,
  rows: RowSet,
  take: (cells: Cells) => Cells,
): Labels {
  const cells = (name: string): Cells => {
    const place = table.find(name);
    if (place < 0) throw new Error(`has no column ${name}`);
    return take(table.cells(place));
  };
  const label = (name: "predicted" | "true"): Column | null => {
    const dtype = layout[name];
    return dtype === null ? null : labelColumn(name, dtype, cells(name), info);
  };
  const predicted = label("predicted");
  const proba =
    layout.proba > 0 ? Array.from({ length: layout.proba }, (_, c) => toNumbers(cells(`predicted_proba_${c}`))) : null;
  return {
    rows,
    rowNames: layout.rowNames
      ? Array.from(cells("row_name"), (cell) => (typeof cell === "string" ? cell : null))
      : null,
    predicted,
    true: label("true"),
    proba,
    predictedOutput: info.task === "classification" ? predictedOutputs(predicted, proba, info, rows.count) : null,
  };
}

/**
 * Class labels get the names of the outputs. Labels that are none of them are positions among the outputs where they
 * can be, as models that were fitted on numbered classes predict them.
 */
function labelColumn(name: string, dtype: string, cells: Cells, info: Info): Column {
  const column = makeColumn(name, dtype, cells);
  if (info.task === "regression" || column.kind === "time") return column;
  const outputs = new Set(info.outputs);
  const texts = Array.from(cells, (_, i) => labelText(column, i, outputs));
  const known = texts.every((text) => text === null || outputs.has(text));
  const codes = texts.map(Number);
  const numbered =
    !known &&
    texts.every((text, i) => text === null || (Number.isInteger(codes[i]) && codes[i] >= 0 && codes[i] < outputs.size));
  return categorical(
    name,
    dtype,
    numbered ? texts.map((text, i) => (text === null ? null : info.outputs[codes[i]])) : texts,
    info.outputs,
  );
}

/** The text of a class label, as the output of that class was named in Python: "True", or "1.0" beside "1". */
function labelText(column: Column, row: number, outputs: ReadonlySet<string>): string | null {
  const value = column.value(row);
  if (value === null) return null;
  if (typeof value === "boolean") return value ? "True" : "False";
  const text = String(value);
  return typeof value === "number" && !outputs.has(text) && outputs.has(`${text}.0`) ? `${text}.0` : text;
}

function predictedOutputs(
  predicted: Column | null,
  proba: readonly Numbers[] | null,
  info: Info,
  count: number,
): Int32Array | null {
  if (predicted?.kind === "category") {
    const classes = info.outputs.length;
    return Int32Array.from(predicted.values, (code) => (code < classes ? code : -1));
  }
  if (proba === null || proba.length !== info.outputs.length) return null;
  return Int32Array.from({ length: count }, (_, row) => {
    let best = 0;
    for (let c = 1; c < proba.length; c++) if (proba[c][row] > proba[best][row]) best = c;
    return best;
  });
}

function toNumbers(cells: Cells): Numbers {
  return cells instanceof Float32Array || cells instanceof Float64Array ? cells : Float64Array.from(cells, Number);
}
