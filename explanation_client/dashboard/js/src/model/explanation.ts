/** One stored explanation: its manifest and names at once, every other part when it is first used. */

import type { Source } from "../host";
import { type Column, makeColumn, takeRows } from "./columns";
import { type Data, lazyData, stacked } from "./data";
import { type Documents, makeDocuments, type TextFile, type TextShard } from "./documents";
import { Files, guarded } from "./files";
import { globalImportances, type Importances, importances, ranking } from "./importances";
import { type Labels, makeLabels } from "./labels";
import { Local, shardLines, type Tile, tileLines, viewColumns, viewLines } from "./local";
import {
  type FileEntry,
  type Info,
  type Manifest,
  message,
  parseManifest,
  type Range,
  type Role,
  StoredDataError,
} from "./manifest";
import type { Cells, Numbers, Table } from "./parquet";
import { allRows, type RowSet, someRows } from "./rows";

export type { Data, Importances };

/** Figures over all rows of one feature's importances for one output. */
export interface Figures {
  readonly meanAbs: number;
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly q05: number;
  readonly q25: number;
  readonly q50: number;
  readonly q75: number;
  readonly q95: number;
  readonly max: number;
}

/** In place of an output: for each row the one that is predicted. */
export const PREDICTED = -1;
/** In place of a feature: the sum of those that the sample leaves out. */
export const OTHERS = -1;

export interface Aggregates {
  readonly features: Int32Array;
  /** Null for an output or a feature that is not among them. */
  of(output: number, position: number): Figures | null;
}

/** Mean absolute interactions: one symmetric matrix (k, k) for each output, row after row. */
export interface Interactions {
  readonly positions: Int32Array;
  readonly matrices: readonly Numbers[];
}

export interface PartTypes {
  perClass: readonly Importances[];
  aggregates: Aggregates;
  local: Local;
  data: Data;
  labels: Labels;
  interactions: Interactions;
  documents: Documents;
}

export type PartName = keyof PartTypes;

// The most that is read when somebody asks for all rows: what a browser holds without trouble.
const MOST_BYTES = 512 * 1024 * 1024;

export class Explanation {
  readonly label: string;
  readonly manifest: Manifest;
  readonly info: Info;
  readonly features: readonly string[];
  /** All features, globally most important first; in their own order where there are no global importances. */
  readonly order: Int32Array;
  /** The same in the order of the stored columns: the global ranking, unless that was not known when rows were stored. */
  readonly #columns: Int32Array;
  readonly global: Importances | null;
  readonly baseValues: readonly number[] | null;
  readonly #files: Files;
  readonly #loaded = new Map<string, Promise<unknown>>();

  private constructor(label: string, manifest: Manifest, files: Files, table: Table) {
    this.label = label;
    this.manifest = manifest;
    this.info = manifest.info;
    this.baseValues = manifest.baseValues;
    this.#files = files;
    const n = manifest.info.nFeatures;
    const [names, columns] = [table.cells(0), table.numbers(1)];
    const features = new Array<string>(n);
    for (let i = 0; i < n; i++) {
      if (columns[i] < 0 || columns[i] >= n || features[columns[i]] !== undefined)
        throw new Error("does not have each position once");
      features[columns[i]] = String(names[i]);
    }
    this.features = features;
    this.#columns = Int32Array.from(columns);
    this.global = globalImportances(manifest, table, this.#columns);
    this.order = ranking(this.#columns, manifest.parts.global?.ranked === false ? this.global : null);
  }

  /** Returns the explanation of a source; rejects with a StoredDataError that says why there is none. */
  static async open(source: Source): Promise<Explanation> {
    let bytes: Uint8Array;
    try {
      bytes = await source.manifest();
    } catch (error) {
      throw new StoredDataError(`The manifest can't be read: ${message(error)}`, { cause: error });
    }
    const manifest = parseManifest(bytes);
    const files = new Files(source, manifest);
    const table = await files.only("features", () => manifest.info.nFeatures);
    return guarded(files.of("features")[0].name, () => new Explanation(source.label, manifest, files, table));
  }

  /** Whether a part can be had; `all`: of all rows and not of the sample. */
  has(part: PartName, all = false): boolean {
    const files = this.#files;
    const data = this.manifest.data;
    switch (part) {
      case "perClass":
        return files.has("per-class");
      case "aggregates":
      case "interactions":
        return files.has(part);
      case "local":
        // A view without features only says which rows were chosen.
        return this.manifest.parts.local !== undefined && files.has(all ? "local" : this.#viewOr("local"));
      case "data":
        return data?.columns != null && files.has(all ? "data" : this.#viewOr("data"));
      case "labels":
        return (
          data !== null &&
          (data.rowNames || data.proba > 0 || data.predicted !== null || data.true !== null) &&
          files.has(all ? "labels" : this.#viewOr("labels"))
        );
      case "documents":
        return files.has("view-documents") || files.has("documents");
    }
  }

  /** Whether documents were explained, and stored: perhaps not where this is shown. */
  get hasTexts(): boolean {
    return this.#files.of("view-documents").length + this.#files.of("documents").length > 0;
  }

  /** Whether the rows of the sample were chosen by what is predicted, with the extremes among them. */
  get isStratified(): boolean {
    return this.#files.of("view")[0]?.sample === "stratified";
  }

  /** Whether quantiles are those of a sample: rows were stored while others were still explained. */
  get isStreamed(): boolean {
    return this.#files.of("aggregates")[0]?.sample === "uniform";
  }

  /** Bytes that must be read to show all rows; null where they can't be had, or are too many. */
  get allRowsBytes(): number | null {
    const roles: Role[] = ["local", "data", "labels"];
    const size = this.#files.size(...roles);
    const [local, data] = [this.#files.has("local"), this.#files.has("data")];
    const there = roles.every((role) => this.#files.of(role).length === 0 || this.#files.has(role));
    const enough = local || (this.manifest.parts.local === undefined && data);
    return enough && there && size <= MOST_BYTES ? size : null;
  }

  /** The rows at hand: those of the sample, or all of them where there is none. */
  async rows(all = false): Promise<RowSet> {
    if (all || !this.#files.has("view")) return allRows(this.info.nRows);
    const table = await this.#view();
    const entry = this.#files.of("view")[0];
    const count = entry.shape[1];
    return guarded(entry.name, () => someRows(table.numbers(table.find("row")).subarray(0, count), this.info.nRows));
  }

  /** A part; rejects with a StoredDataError where its files are missing or damaged. */
  load<P extends PartName>(part: P, all = false): Promise<PartTypes[P]> {
    const key = `${part}/${all}`;
    let found = this.#loaded.get(key) as Promise<PartTypes[P]> | undefined;
    if (found === undefined) {
      found = this.#read(part, all) as Promise<PartTypes[P]>;
      found.catch(() => this.#loaded.delete(key));
      this.#loaded.set(key, found);
    }
    return found;
  }

  #read(part: PartName, all: boolean): Promise<PartTypes[PartName]> {
    switch (part) {
      case "perClass":
        return this.#perClass();
      case "aggregates":
        return this.#aggregates();
      case "interactions":
        return this.#interactions();
      case "local":
        return this.#local(all);
      case "data":
        return this.#data(all);
      case "labels":
        return this.#labels(all);
      case "documents":
        return this.#documents(all);
    }
  }

  /** The role of the sample of a part where there is one, else that of all rows. */
  #viewOr(role: "local" | "data" | "labels"): Role {
    const view = role === "local" ? "view" : (`view-${role}` as const);
    return this.#files.has(view) || !this.#files.has(role) ? view : role;
  }

  #view(): Promise<Table> {
    return this.#files.only("view", ({ shape }) => shape[0] * shape[1]);
  }

  async #perClass(): Promise<PartTypes["perClass"]> {
    const part = this.manifest.parts.perClass;
    if (part === undefined)
      throw new StoredDataError("The manifest has files of importances per class, and does not say how");
    const { nFeatures, outputs } = this.info;
    const table = await this.#files.only("per-class", () => part.kept);
    return guarded(this.#files.of("per-class")[0].name, () =>
      outputs.map((_, output) => {
        const values = table.numbers(table.find(`importance_${output}`));
        const places = part.ranked ? table.numbers(table.find(`position_${output}`)) : this.#columns;
        return importances(values, places, part.kept, nFeatures, part.totals?.[output]);
      }),
    );
  }

  async #aggregates(): Promise<Aggregates> {
    const [entry] = this.#files.of("aggregates");
    const table = await this.#files.only("aggregates", ({ shape }) => shape[0] * shape[1]);
    return guarded(entry.name, () => {
      const read = (name: string): Numbers => table.numbers(table.find(name));
      const names = ["mean_abs", "mean", "std", "min", "q05", "q25", "q50", "q75", "q95", "max"] as const;
      const columns = names.map(read);
      const [outputs, features] = [read("output"), read("feature")];
      const lines = new Map(Array.from(outputs, (output, line) => [`${output}/${features[line]}`, line]));
      const own = Int32Array.from(features.subarray(0, entry.shape[1])).filter((position) => position >= 0);
      return {
        features: own,
        of: (output, position) => {
          const line = lines.get(`${output}/${position}`);
          if (line === undefined) return null;
          const [meanAbs, mean, std, min, q05, q25, q50, q75, q95, max] = columns.map((column) => column[line]);
          return { meanAbs, mean, std, min, q05, q25, q50, q75, q95, max };
        },
      };
    });
  }

  async #interactions(): Promise<Interactions> {
    const outputs = this.info.outputs.length;
    const kept = this.manifest.parts.interactions?.kept ?? 0;
    const table = await this.#files.only("interactions", () => outputs * kept);
    return guarded(this.#files.of("interactions")[0].name, () => {
      const positions = Int32Array.from(table.numbers(0).subarray(0, kept));
      const matrices = this.info.outputs.map(() => new Float64Array(kept * kept));
      for (let c = 0; c < kept; c++) {
        const column = table.numbers(table.find(`f${positions[c]}`));
        matrices.forEach((matrix, output) => {
          for (let r = 0; r < kept; r++) matrix[r * kept + c] = column[output * kept + r];
        });
      }
      return { positions, matrices };
    });
  }

  async #local(all: boolean): Promise<Local> {
    const part = this.manifest.parts.local;
    if (part === undefined)
      throw new StoredDataError("The manifest has files of local importances, and does not say how");
    const rows = await this.rows(all);
    if (!all && this.#files.has("view")) {
      const table = await this.#view();
      const [entry] = this.#files.of("view");
      const shown = part.ranked ? this.order : viewColumns(table, entry, this.info.nFeatures);
      return new Local(viewLines(table, entry, part), rows, part.ranked, this.order, shown);
    }
    const { nRows, outputs } = this.info;
    const stored: Range = [part.mirror ? 1 : 0, outputs.length];
    const read = (entry: Tile["entry"]): Promise<Tile> =>
      this.#files.table(entry, tileLines(entry, stored, nRows)).then((table) => ({ entry, table }));
    const tiles = await Promise.all(this.#files.of("local").map(read));
    return new Local(shardLines(tiles, part, stored, nRows), rows, part.ranked, this.order, this.#columns);
  }

  async #data(all: boolean): Promise<Data> {
    const dtypes = this.manifest.data?.columns ?? [];
    const rows = await this.rows(all);
    const role = all ? "data" : this.#viewOr("data");
    const sampled = role === "view-data";
    const nRows = sampled ? rows.count : this.info.nRows;
    const entries = this.#files.of(role);
    const tables = await Promise.all(entries.map((entry) => this.#files.table(entry, entry.shape[0])));
    const names: string[] = new Array<string>(dtypes.length);
    entries.forEach((entry, i) => tables[i].names.forEach((name, c) => (names[(entry.columns?.[0] ?? 0) + c] = name)));
    const wanted = !sampled && rows.isSample ? Array.from({ length: rows.count }, (_, i) => rows.position(i)) : null;
    const column = (c: number): Column => {
      const made = makeColumn(
        names[c],
        dtypes[c],
        stacked(
          entries.map((entry, i) => ({ entry, table: tables[i] })),
          c,
          nRows,
        ),
      );
      return wanted === null ? made : takeRows(made, wanted);
    };
    return lazyData(rows, names, column);
  }

  /** All documents where they are asked for and few enough; else the sample, which may have fewer rows than other parts. */
  async #documents(all: boolean): Promise<Documents> {
    const files = this.#files;
    const whole = ["documents", "tokens", "sentences"] as const;
    const sampled = files.has("view-documents") && !(all && files.has("documents") && files.size(...whole) <= MOST_BYTES);
    const [role, ...others] = whole.map((name): Role => (sampled ? `view-${name}` : name));
    const open = async (entry: FileEntry, rows: number): Promise<TextFile> => ({
      entry,
      table: await files.table(entry, rows),
    });
    const shards = [...files.of(role)]
      .sort((a, b) => (a.rows?.[0] ?? 0) - (b.rows?.[0] ?? 0))
      .map(async (entry): Promise<TextShard> => {
        const same = others.map((other) => files.of(other).find(({ rows }) => rows?.[0] === entry.rows?.[0]));
        const [texts, tokens, sentences] = await Promise.all([
          open(entry, entry.shape[0]),
          ...same.map((found) => (found === undefined ? null : open(found, found.shape[found.shape.length - 1]))),
        ]);
        return { texts, tokens, sentences };
      });
    const read = await Promise.all(shards);
    const rows = sampled
      ? guarded(files.of(role)[0].name, () => {
          const { table } = read[0].texts;
          return someRows(table.numbers(table.find("row")), this.info.nRows);
        })
      : allRows(this.info.nRows);
    return guarded(files.of(role)[0].name, () =>
      makeDocuments(read, rows, this.info.outputs.length, this.info.nFeatures),
    );
  }

  async #labels(all: boolean): Promise<Labels> {
    const layout = this.manifest.data;
    if (layout === null) throw new StoredDataError("The manifest has a file of labels, and does not say how");
    const rows = await this.rows(all);
    const role = all ? "labels" : this.#viewOr("labels");
    const sampled = role === "view-labels" || !rows.isSample;
    const table = await this.#files.only(role, ({ shape }) => shape[0]);
    const take = (cells: Cells): Cells =>
      sampled ? cells : Array.from({ length: rows.count }, (_, i) => cells[rows.position(i)]);
    return guarded(this.#files.of(role)[0].name, () => makeLabels(table, layout, this.info, rows, take));
  }
}
