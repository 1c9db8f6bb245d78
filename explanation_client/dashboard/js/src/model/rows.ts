/** Which of the explained rows are at hand: a sample of them, or all. */

export interface RowSet {
  readonly count: number;
  /** N, the number of rows that were explained. */
  readonly total: number;
  readonly isSample: boolean;
  /** Position among the explained rows of the row at a place here. */
  position(place: number): number;
  /** Place here of the row at a position among the explained rows; -1 where it is not at hand. */
  find(position: number): number;
}

export function allRows(total: number): RowSet {
  const inside = (row: number): boolean => Number.isInteger(row) && row >= 0 && row < total;
  return {
    count: total,
    total,
    isSample: false,
    position: (place) => place,
    find: (row) => (inside(row) ? row : -1),
  };
}

/** Returns the rows at positions that are in ascending order. */
export function someRows(positions: ArrayLike<number>, total: number): RowSet {
  const count = positions.length;
  for (let i = 0; i < count; i++) {
    const before = i ? positions[i - 1] : -1;
    if (!(positions[i] > before && positions[i] < total))
      throw new Error(`row ${positions[i]} of the sample is out of order or range`);
  }
  const find = (row: number): number => {
    let low = 0;
    let high = count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (positions[middle] === row) return middle;
      if (positions[middle] < row) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  };
  return { count, total, isSample: count < total, position: (place) => positions[place], find };
}
