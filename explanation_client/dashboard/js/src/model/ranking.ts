/** Importances of the whole data in the way that was asked for, and features in the order of them. */

import { folded } from "../lib/text";
import type { SortBy, Weighting } from "../state/store";
import { type Aggregates, type Explanation, type Importances, OTHERS, PREDICTED } from "./explanation";
import type { Labels } from "./labels";
import type { Local } from "./local";
import { inOrder } from "./columns";

export interface Wanted {
  readonly weighting: Weighting;
  readonly output: number;
  readonly signed: boolean;
}

/** What global importances can be made of; null for what is not at hand. */
export interface Sources {
  readonly perClass: readonly Importances[] | null;
  readonly aggregates: Aggregates | null;
  readonly local: Local | null;
  readonly labels: Labels | null;
  /** Rows that count; null for all. */
  readonly mask: Uint8Array | null;
}

export interface GlobalBars {
  /** One for each feature; NaN where it is not known. */
  readonly values: Float64Array;
  /** Sum of the importances of features that are not among the values; NaN where it is not known. */
  readonly rest: number;
  readonly restCount: number;
  /** "stored" as it was computed, "exact" from figures over all rows, "rows" from the rows at hand. */
  readonly origin: "stored" | "exact" | "rows";
  /** How many rows were used. */
  readonly rows: number;
  /** Features of which each row has an importance: fewer than all after a cut. */
  readonly kept: number;
}

export type Weightings = "global.notSigned" | "global.notPredicted" | "global.notHere";

/** Returns the importances that are wanted, or the key of the sentence that says why there are none. */
export function globalBars(explanation: Explanation, wanted: Wanted, sources: Sources): GlobalBars | Weightings {
  const { weighting, signed } = wanted;
  const single = explanation.info.outputs.length === 1;
  const averaged = weighting === "average" && !single;
  if (averaged && signed) return "global.notSigned";
  if (sources.mask !== null) return fromRows(explanation, wanted, sources);
  return (
    stored(explanation, wanted, sources) ??
    exact(explanation, wanted, sources) ??
    fromRows(explanation, wanted, sources)
  );
}

function stored(
  explanation: Explanation,
  { weighting, output, signed }: Wanted,
  { perClass }: Sources,
): GlobalBars | null {
  if (signed) return null;
  const single = explanation.info.outputs.length === 1;
  if (weighting === "predicted" && !single) return null;
  const found =
    weighting === "average" || (single && explanation.global !== null)
      ? explanation.global
      : (perClass?.[output] ?? null);
  if (found === null) return null;
  const { nFeatures, nRows } = explanation.info;
  return {
    values: found.values,
    rest: found.rest,
    restCount: nFeatures - found.kept,
    origin: "stored",
    rows: nRows,
    kept: nFeatures,
  };
}

/** From the figures over all rows, which know the thousand most important features. */
function exact(
  explanation: Explanation,
  { weighting, output, signed }: Wanted,
  { aggregates }: Sources,
): GlobalBars | null {
  if (aggregates === null) return null;
  const { nFeatures, nRows, outputs } = explanation.info;
  const values = new Float64Array(nFeatures).fill(NaN);
  const single = outputs.length === 1;
  const used = single ? [0] : { average: outputs.map((_, i) => i), predicted: [PREDICTED], class: [output] }[weighting];
  const mean = (position: number): number => {
    const figures = used.map((each) => aggregates.of(each, position));
    return (
      figures.reduce((sum, found) => sum + (found === null ? NaN : signed ? found.mean : found.meanAbs), 0) /
      used.length
    );
  };
  for (const position of aggregates.features) values[position] = mean(position);
  if (aggregates.features.every((position) => Number.isNaN(values[position]))) return null;
  const restCount = nFeatures - aggregates.features.length;
  // Only with signs is the sum of the others what they bring together.
  const rest = restCount > 0 && signed ? mean(OTHERS) : NaN;
  return { values, rest, restCount, origin: "exact", rows: nRows, kept: nFeatures };
}

/** From the local importances of the rows at hand. Features that a row's cut left out count as zero. */
function fromRows(
  explanation: Explanation,
  { weighting, output, signed }: Wanted,
  { local, labels, mask }: Sources,
): GlobalBars | Weightings {
  if (local === null) return "global.notHere";
  const { nFeatures, outputs } = explanation.info;
  const byRow = weighting === "predicted" && outputs.length > 1;
  const predicted = labels?.predictedOutput ?? null;
  if (byRow && predicted === null) return "global.notPredicted";
  const counts = (row: number): boolean => (mask === null || mask[row] > 0) && !(byRow && predicted![row] < 0);
  const rows = Array.from({ length: local.rows.count }, (_, row) => row).filter(counts);
  const used = weighting === "average" || byRow ? outputs.map((_, i) => i) : [output];
  const values = new Float64Array(nFeatures).fill(NaN);
  for (const position of local.features) {
    const columns = used.map((each) => local.values(each, position));
    let [sum, known] = [0, 0];
    for (const row of rows) {
      for (let c = 0; c < columns.length; c++) {
        const value = columns[c][row];
        if (Number.isNaN(value) || (byRow && c !== predicted![row])) continue;
        known++;
        sum += signed ? value : Math.abs(value);
      }
    }
    if (known > 0) values[position] = sum / rows.length / (byRow ? 1 : used.length);
  }
  const restCount = values.reduce((sum, value) => sum + Number(Number.isNaN(value)), 0);
  return {
    values,
    rest: NaN,
    restCount,
    origin: "rows",
    rows: rows.length,
    kept: local.ranked ? local.kept : nFeatures,
  };
}

/** Returns the positions of features whose importance is known, in the order asked for; ties keep their own order. */
export function ranked(
  values: ArrayLike<number>,
  names: readonly string[],
  sort: SortBy,
  row: ArrayLike<number> | null = null,
): Int32Array {
  const known = Array.from(names.keys()).filter((position) => !Number.isNaN(values[position]));
  const magnitude = sort === "row" && row !== null ? row : values;
  const orders: Record<SortBy, (a: number, b: number) => number> = {
    importance: (a, b) => Math.abs(values[b]) - Math.abs(values[a]),
    row: (a, b) => Math.abs(magnitude[b] || 0) - Math.abs(magnitude[a] || 0),
    name: (a, b) => inOrder(names[a], names[b]),
    position: () => 0,
  };
  return Int32Array.from(known.sort((a, b) => orders[sort](a, b) || a - b));
}

/** Returns those of some features whose name holds a text, whatever its case and accents. */
export function matching(positions: ArrayLike<number>, names: readonly string[], search: string): Int32Array {
  const wanted = folded(search.trim());
  const all = Int32Array.from(positions);
  return wanted === "" ? all : all.filter((position) => folded(names[position]).includes(wanted));
}
