/** The values of the explained rows, of which each column is decoded when it is first looked at. */

import type { Column } from "./columns";
import { guarded } from "./files";
import type { Tile } from "./local";
import type { Cells } from "./parquet";
import type { RowSet } from "./rows";

export interface Data {
  readonly rows: RowSet;
  /** Names of the columns, in order. */
  readonly names: readonly string[];
  /** The column of that name, decoded when it is first asked for; undefined where there is none. */
  byName(name: string): Column | undefined;
}

/** One column of the files of `data`, whose rows and columns are divided among them. */
export function stacked(tiles: readonly Tile[], column: number, nRows: number): Cells {
  const mine = tiles.filter(
    ({ entry }) => entry.columns === undefined || (column >= entry.columns[0] && column < entry.columns[1]),
  );
  const read = ({ entry, table }: Tile): Cells =>
    guarded(entry.name, () => table.cells(column - (entry.columns?.[0] ?? 0)));
  if (mine.length === 1) return read(mine[0]);
  const out = new Array<unknown>(nRows);
  for (const tile of mine) {
    const [first] = tile.entry.rows ?? [0];
    const cells = read(tile);
    for (let i = 0; i < cells.length; i++) out[first + i] = cells[i];
  }
  return out;
}

/** Data of which each column is decoded when it is first looked at. */
export function lazyData(rows: RowSet, names: readonly string[], make: (place: number) => Column): Data {
  const made = new Map<number, Column>();
  const places = new Map(names.map((name, i) => [name, i]));
  const at = (place: number): Column => {
    const found = made.get(place) ?? make(place);
    made.set(place, found);
    return found;
  };
  return {
    rows,
    names,
    byName: (name) => {
      const place = places.get(name);
      return place === undefined ? undefined : at(place);
    },
  };
}
