/** Parquet files to columns of numbers and texts; a column is decoded when it is first asked for. */

import { decompress } from "fzstd";
import {
  parquetMetadata,
  type Compressors,
  type DecodedArray,
  type Encoding,
  type FileMetaData,
  type PageHeader,
  type SchemaElement,
} from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { convert, convertWithDictionary, DEFAULT_PARSERS } from "hyparquet/src/convert.js";
import { decompressPage, readDataPage, readDataPageV2 } from "hyparquet/src/datapage.js";
import { readPlain } from "hyparquet/src/plain.js";

type ColumnDecoder = Parameters<typeof convert>[1];
type DataPage = ReturnType<typeof readDataPageV2>;
type ParquetParsers = ColumnDecoder["parsers"];

export type Numbers = Float64Array | Float32Array;
/** What hyparquet gives: typed arrays, or plain ones where values may be missing. */
export type Cells = ArrayLike<unknown>;

/** A decoded file whose number of rows and columns is as the manifest says. */
export interface Table {
  readonly rows: number;
  readonly names: readonly string[];
  /** Position of a column, or -1. */
  find(name: string): number;
  /** Values as they are stored; null or undefined where missing; times in milliseconds since 1970. */
  cells(column: number): Cells;
  /** Values of a column of finite or infinite numbers, none missing. */
  numbers(column: number): Numbers;
}

// Times become plain numbers: a Date would lose what is shorter than a millisecond.
const PARSERS: ParquetParsers = {
  ...DEFAULT_PARSERS,
  timestampFromMilliseconds: (value) => Number(value),
  timestampFromMicroseconds: (value) => Number(value) / 1e3,
  timestampFromNanoseconds: (value) => Number(value) / 1e6,
};

// Written are uncompressed and snappy pages; zstd is what other writers may choose.
const COMPRESSORS: Compressors = { ZSTD: (bytes, size) => decompress(bytes, new Uint8Array(size)) };

/** Returns the table that a file holds; throws where it is none, or not of so many rows. */
export function openParquet(bytes: Uint8Array, rows: number): Table {
  const metadata = parquetMetadata(bytes, { geoparquet: false });
  const leaves = metadata.schema.slice(1);
  if (leaves.some((leaf) => leaf.num_children || leaf.repetition_type === "REPEATED"))
    throw new Error("has nested columns");
  const total = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  if (total !== rows || Number(metadata.num_rows) !== rows) throw new Error(`has ${total} rows, not ${rows}`);
  const names = leaves.map((leaf) => leaf.name);
  const places = new Map(names.map((name, i) => [name, i]));
  const decoded = new Map<number, Cells>();
  const cells = (column: number): Cells => {
    let found = decoded.get(column);
    if (found === undefined) {
      found = join(decode(bytes, metadata, leaves[column], column), rows);
      decoded.set(column, found);
    }
    return found;
  };
  return {
    rows,
    names,
    find: (name) => places.get(name) ?? -1,
    cells,
    numbers: (column) => asNumbers(cells(column)),
  };
}

/** The pieces of a column, one for each page of values. */
function decode(bytes: Uint8Array, metadata: FileMetaData, leaf: SchemaElement, column: number): Cells[] {
  const pieces: Cells[] = [];
  for (const group of metadata.row_groups) {
    const chunk = group.columns[column]?.meta_data;
    if (!chunk) throw new Error(`has no column ${column}`);
    const first = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
    const size = Number(chunk.total_compressed_size);
    if (first < 0 || size < 0 || first + size > bytes.length) throw new Error(`column ${column} lies outside the file`);
    const decoder: ColumnDecoder = {
      ...chunk,
      pathInSchema: [leaf.name],
      element: leaf,
      schemaPath: [
        { children: [], count: 2, element: metadata.schema[0], path: [] },
        { children: [], count: 1, element: leaf, path: [leaf.name] },
      ],
      parsers: PARSERS,
      compressors: COMPRESSORS,
    };
    pages(new DataView(bytes.buffer, bytes.byteOffset + first, size), Number(group.num_rows), decoder, pieces);
  }
  return pieces;
}

/**
 * hyparquet reads levels, values and dictionaries; a flat column needs none of its assembly of nested ones, and stays
 * a typed array where nothing is missing.
 */
function pages(view: DataView, rows: number, decoder: ColumnDecoder, pieces: Cells[]): void {
  const reader = { view, offset: 0 };
  let dictionary: DecodedArray | undefined;
  for (let seen = 0; seen < rows && reader.offset < view.byteLength;) {
    const header = parquetHeader(reader);
    const body = new Uint8Array(view.buffer, view.byteOffset + reader.offset, header.compressed_page_size);
    reader.offset += header.compressed_page_size;
    if (header.dictionary_page_header) {
      const page = decompressPage(body, header.uncompressed_page_size, decoder.codec, COMPRESSORS);
      const from = { view: new DataView(page.buffer, page.byteOffset, page.byteLength), offset: 0 };
      dictionary = convert(readPlain(from, decoder.type, header.dictionary_page_header.num_values, undefined), decoder);
      continue;
    }
    const [found, encoding] = values(body, header, decoder);
    const converted = convertWithDictionary(found.dataPage, dictionary, encoding, decoder);
    const piece = found.definitionLevels?.length ? withGaps(found.definitionLevels, converted) : converted;
    seen += piece.length;
    pieces.push(piece);
  }
}

function values(body: Uint8Array, header: PageHeader, decoder: ColumnDecoder): [DataPage, Encoding] {
  if (header.data_page_header_v2) return [readDataPageV2(body, header, decoder), header.data_page_header_v2.encoding];
  if (!header.data_page_header) throw new Error(`has a page of type ${header.type}`);
  const page = decompressPage(body, header.uncompressed_page_size, decoder.codec, COMPRESSORS);
  const { num_values: count, encoding } = header.data_page_header;
  const levels = decoder.element.repetition_type === "OPTIONAL" ? fullLevels(page, count) : 0;
  if (levels === 0) return [readDataPage(page, header.data_page_header, decoder), encoding];
  const [root, leaf] = decoder.schemaPath;
  const required = { ...leaf, element: { ...leaf.element, repetition_type: "REQUIRED" as const } };
  return [
    readDataPage(page.subarray(levels), header.data_page_header, { ...decoder, schemaPath: [root, required] }),
    encoding,
  ];
}

/**
 * The number of bytes that a page spends on saying that none of its values is missing: one run of ones. 0 where it says
 * anything else. Most pages begin so, and reading their levels one by one would take longer than the values.
 */
function fullLevels(page: Uint8Array, count: number): number {
  const length = new DataView(page.buffer, page.byteOffset, page.byteLength).getUint32(0, true);
  let [run, at] = [0, 4];
  for (let shift = 0; shift < 32; shift += 7) {
    run += (page[at] & 0x7f) * 2 ** shift;
    if (!(page[at++] & 0x80)) break;
  }
  // An even header is a run of one value, which is in the byte after it.
  return run === 2 * count && page[at] === 1 && at + 1 === 4 + length ? at + 1 : 0;
}

function withGaps(levels: readonly number[], values: ArrayLike<unknown>): unknown[] {
  let at = 0;
  return levels.map((level) => (level ? values[at++] : null));
}

/** Pieces one after the other, as one array of the same kind. */
function join(pieces: readonly Cells[], rows: number): Cells {
  if (pieces.length === 1 && pieces[0].length === rows) return pieces[0];
  const first = pieces[0];
  const same = pieces.every((piece) => piece.constructor === first?.constructor);
  const Kind = (same && ArrayBuffer.isView(first) ? first.constructor : Array) as new (length: number) => unknown[];
  const whole = new Kind(rows);
  let at = 0;
  for (const piece of pieces) {
    if (at + piece.length > rows) throw new Error("has more values than rows");
    if (whole instanceof Float64Array || whole instanceof Float32Array) whole.set(piece as ArrayLike<number>, at);
    else for (let i = 0; i < piece.length; i++) whole[at + i] = piece[i];
    at += piece.length;
  }
  if (at !== rows) throw new Error(`has ${at} values for ${rows} rows`);
  return whole;
}

/** Numbers as floats; throws at what is no number. */
export function asNumbers(cells: Cells): Numbers {
  if (cells instanceof Float64Array || cells instanceof Float32Array) return cells;
  const out = new Float64Array(cells.length);
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i];
    if (typeof cell !== "number" && typeof cell !== "bigint")
      throw new Error("has a missing value, or a text, where numbers belong");
    out[i] = Number(cell);
  }
  return out;
}
