/** Local importances of the rows at hand, from the sample (`view`) or from the shards of all rows (`local`). */

import { guarded } from "./files";
import type { FileEntry, PartLayout, Range } from "./manifest";
import type { Numbers, Table } from "./parquet";
import type { RowSet } from "./rows";

/** Importances of one row, in the order of the stored ranking; `rest` is the sum of those that are not here. */
export interface RowImportances {
  readonly positions: Int32Array;
  readonly values: Float64Array;
  /** Sum of what was cut; null where it is not known. 0 where nothing was. */
  readonly rest: number | null;
  readonly restCount: number;
}

/** One table of numbers for each output: column c of a dense part is a feature, of a ranked part a rank. */
export interface Lines {
  readonly width: number;
  values(output: number, column: number): Numbers;
  /** Positions of the features of a rank. */
  index(output: number, column: number): Numbers;
  /** Sums over all features; null where they are not stored. */
  total(output: number): Numbers | null;
}

export class Local {
  readonly rows: RowSet;
  readonly ranked: boolean;
  /** How many importances each row has. */
  readonly kept: number;
  /** Features of which there are values, globally most important first; of a ranked part all. */
  readonly features: Int32Array;
  readonly #lines: Lines;
  readonly #columns: Map<number, number>;
  readonly #nFeatures: number;
  readonly #scattered = new Map<string, Numbers>();

  /** `order` has all features in the global ranking, `columns` those of the lines' columns, where they are not ranked. */
  constructor(lines: Lines, rows: RowSet, ranked: boolean, order: Int32Array, columns: Int32Array) {
    this.rows = rows;
    this.ranked = ranked;
    this.kept = lines.width;
    this.#lines = lines;
    this.#nFeatures = order.length;
    this.#columns = new Map(ranked ? [] : Array.from(columns.subarray(0, lines.width), (position, i) => [position, i]));
    this.features = ranked ? order : order.filter((position) => this.#columns.has(position));
  }

  /** Whether there are values of a feature: the sample holds the thousand most important ones. */
  has(position: number): boolean {
    return this.ranked ? position >= 0 && position < this.#nFeatures : this.#columns.has(position);
  }

  /** Importances of one feature for an output, one for each row at hand; NaN where a cut left the feature out. */
  values(output: number, position: number): Numbers {
    if (!this.ranked) {
      const column = this.#columns.get(position);
      if (column === undefined) throw new Error(`feature ${position} is not in the sample`);
      return this.#lines.values(output, column);
    }
    const key = `${output}/${position}`;
    let found = this.#scattered.get(key);
    if (found === undefined) {
      found = this.#gather(output, position);
      this.#scattered.set(key, found);
    }
    return found;
  }

  /** All importances of the row at a place. */
  row(output: number, place: number): RowImportances {
    const width = this.#lines.width;
    const values = new Float64Array(width);
    for (let c = 0; c < width; c++) {
      const column = this.ranked ? c : this.#columns.get(this.features[c])!;
      values[c] = this.#lines.values(output, column)[place];
    }
    const positions = this.ranked
      ? Int32Array.from({ length: width }, (_, c) => this.#lines.index(output, c)[place])
      : this.features;
    const restCount = this.#nFeatures - width;
    if (restCount === 0) return { positions, values, rest: 0, restCount };
    const total = this.#lines.total(output)?.[place];
    return {
      positions,
      values,
      rest: total === undefined ? null : total - values.reduce((sum, value) => sum + value, 0),
      restCount,
    };
  }

  #gather(output: number, position: number): Numbers {
    const found = new Float64Array(this.rows.count).fill(NaN);
    for (let c = 0; c < this.#lines.width; c++) {
      const index = this.#lines.index(output, c);
      const values = this.#lines.values(output, c);
      for (let i = 0; i < found.length; i++) if (index[i] === position) found[i] = values[i];
    }
    return found;
  }
}

/**
 * Returns the lines of a `view` file: `output`, `row`, one column for each feature, or the ranked columns, and the sum
 * over all features where it leaves some out. Of two outputs that mirror each other it may hold the second one only.
 */
export function viewLines(table: Table, entry: FileEntry, part: PartLayout): Lines {
  const [, rows, width] = entry.shape;
  const first = entry.outputs?.[0] ?? 0;
  const mirrored = (output: number): boolean => output < first;
  const slice = (column: number, output: number): Numbers =>
    guarded(entry.name, () => {
      const line = ((mirrored(output) ? 1 : output) - first) * rows;
      return finite(table.numbers(column)).subarray(line, line + rows);
    });
  const total = table.find("total");
  guarded(entry.name, () => {
    for (let c = 0; part.ranked && c < width; c++)
      if (table.names[c + 2] !== `value_${c + 1}`) throw new Error(`column ${c + 2} is not value_${c + 1}`);
  });
  const turned = (values: Numbers, output: number): Numbers =>
    mirrored(output) ? values.map((value) => -value) : values;
  return {
    width,
    values: remembered((output, column) => turned(slice(2 + column, output), output)),
    index: (output, column) => slice(2 + width + column, output),
    total: (output) => (total < 0 ? null : turned(slice(total, output), output)),
  };
}

/** Returns the features of the columns of a `view` file that is not ranked, which are named by their positions. */
export function viewColumns(table: Table, entry: FileEntry, nFeatures: number): Int32Array {
  return guarded(entry.name, () => {
    const names = table.names.slice(2, 2 + entry.shape[2]);
    const positions = Int32Array.from(names, (name) => (/^f\d+$/.test(name) ? Number(name.slice(1)) : -1));
    const wrong = positions.findIndex((position, c) => !(position >= 0 && position < nFeatures) || positions.indexOf(position) < c);
    if (wrong >= 0) throw new Error(`column ${wrong + 2} is not that of a feature`);
    return positions;
  });
}

/** The same function, which works out each answer once. */
function remembered(make: (output: number, column: number) => Numbers): (output: number, column: number) => Numbers {
  const known = new Map<string, Numbers>();
  return (output, column) => {
    const key = `${output}/${column}`;
    const found = known.get(key) ?? make(output, column);
    known.set(key, found);
    return found;
  };
}

export interface Tile {
  readonly entry: FileEntry;
  readonly table: Table;
}

/** Rows of a tile's table: those of each of its outputs, one output after the other. */
export function tileLines(entry: FileEntry, outputs: Range, nRows: number): number {
  const [first, end] = entry.outputs ?? outputs;
  const rows = entry.rows ?? [0, nRows];
  return (end - first) * (rows[1] - rows[0]);
}

/** Returns the lines of all `local` files. */
export function shardLines(tiles: readonly Tile[], part: PartLayout, outputs: Range, nRows: number): Lines {
  /** One column over all rows; `place` says where it is in a tile, -1 for not there. */
  const usual = part.dtype === "float32" ? Float32Array : Float64Array;
  const gather = (output: number, place: (columns: Range) => number, Kind = usual): Numbers => {
    const out = new Kind(nRows);
    let filled = 0;
    for (const { entry, table } of tiles) {
      const [firstOutput, endOutput] = entry.outputs ?? outputs;
      const column = place(entry.columns ?? [0, part.kept]);
      if (output < firstOutput || output >= endOutput || column < 0) continue;
      const [first, end] = entry.rows ?? [0, nRows];
      const line = (output - firstOutput) * (end - first);
      out.set(guarded(entry.name, () => finite(table.numbers(column))).subarray(line, line + end - first), first);
      filled += end - first;
    }
    if (filled !== nRows) throw new Error(`the files of the local importances hold ${filled} of ${nRows} rows`);
    return out;
  };
  const stored = (output: number): number => (part.mirror ? 1 : output);
  const inside =
    (column: number) =>
    ([first, end]: Range): number =>
      column >= first && column < end ? column - first : -1;
  const index = remembered((output, column) =>
    gather(output, (columns) => {
      const at = inside(column)(columns);
      return at < 0 ? -1 : at + columns[1] - columns[0];
    }),
  );
  // A total is a float64 whatever the importances are.
  const total = remembered((output) => {
    const found = gather(stored(output), (columns) => (columns[0] === 0 ? 2 * columns[1] : -1), Float64Array);
    return part.mirror && output === 0 ? found.map((value) => 0 - value) : found;
  });
  return {
    width: part.kept,
    values: remembered((output, column) => {
      const found = gather(stored(output), inside(column));
      return part.mirror && output === 0 ? found.map((value) => -value) : found;
    }),
    index: (output, column) => index(stored(output), column),
    total: (output) => total(output, 0),
  };
}

function finite(values: Numbers): Numbers {
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) throw new Error("holds importances that are not finite");
  return values;
}
