/** The manifest: parsed and checked before anything in it is believed (docs/format-v1.md). */

import { parseJson } from "../lib/json";

export type Range = readonly [first: number, end: number];
export type Role =
  | "features"
  | "per-class"
  | "local"
  | "top"
  | "interactions"
  | "view"
  | "aggregates"
  | "data"
  | "labels"
  | "view-data"
  | "view-labels"
  | TextRole;

export type TextRole = `${"" | "view-"}${"documents" | "tokens" | "sentences"}`;

export interface FileEntry {
  readonly name: string;
  readonly role: string;
  readonly size: number;
  readonly sha256: string;
  readonly shape: readonly number[];
  readonly outputs?: Range;
  readonly rows?: Range;
  readonly columns?: Range;
  /** Of a view: how its rows were chosen. */
  readonly sample?: string;
}

export interface PartLayout {
  readonly dtype: "float32" | "float64";
  readonly kept: number;
  readonly ranked: boolean;
  readonly totals?: readonly number[];
  readonly mirror: boolean;
}

export interface Info {
  readonly id: string;
  readonly createdAt: string;
  readonly uploadedAt?: string;
  readonly method: string;
  readonly task: "classification" | "regression";
  readonly outputs: readonly string[];
  readonly nFeatures: number;
  readonly nRows: number;
  readonly featureSpace?: string;
  readonly outputSpace?: string;
  readonly modelType?: string;
  readonly modelId?: string;
  readonly reason?: string;
  readonly comment?: string;
  readonly topK?: number;
  readonly notes: readonly string[];
  readonly madeWith: readonly (readonly [string, string])[];
}

/** What is stored of the explained rows: dtypes of the columns, in order, and of the labels. */
export interface DataLayout {
  readonly columns: readonly string[] | null;
  readonly rowNames: boolean;
  readonly predicted: string | null;
  readonly proba: number;
  readonly true: string | null;
}

export interface Manifest {
  readonly info: Info;
  readonly parts: {
    readonly global?: PartLayout;
    readonly perClass?: PartLayout;
    readonly local?: PartLayout;
    readonly interactions?: PartLayout;
  };
  readonly files: readonly FileEntry[];
  readonly baseValues: readonly number[] | null;
  readonly data: DataLayout | null;
}

/** What is stored can't be shown: damaged, from a newer version, or no explanation. The message is for the user. */
export class StoredDataError extends Error {}

const MOST_BYTES = 256 * 1024;
const PLAIN_NAME = /^[a-z0-9](?!.*\.\.)[a-z0-9._-]{0,159}$/;
const MOST_FEATURES = 10_000_000;

/** Returns the manifest that some bytes hold; throws a StoredDataError that says what is wrong with it. */
export function parseManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MOST_BYTES)
    throw new StoredDataError(`The manifest has ${bytes.length} bytes, at most ${MOST_BYTES}`);
  let document: unknown;
  try {
    document = parseJson(bytes);
  } catch (error) {
    throw new StoredDataError(`The manifest is damaged: ${message(error)}`, { cause: error });
  }
  const root = new Fields(document, "the manifest");
  if (root.optional("format", string) !== "explanation")
    throw new StoredDataError("This is no manifest of an explanation");
  const version = root.get("version", whole);
  if (version > 1) {
    throw new StoredDataError(
      `Written in version ${version} of the stored format; this dashboard reads version 1: install a newer explanation-client`,
    );
  }
  const info = parseInfo(root.get("info", object));
  const parts = root.get("parts", object);
  const part = (name: string): PartLayout | undefined => {
    const found = parts.optional(name, object);
    return found && parsePart(found, info.nFeatures);
  };
  return {
    info,
    parts: {
      global: part("global"),
      perClass: part("per_class"),
      local: part("local"),
      interactions: part("interactions"),
    },
    files: root.get("files", list(object)).map(parseFile),
    baseValues: parseBase(root, info),
    data: parseData(root.optional("data", object)),
  };
}

function parseInfo(info: Fields): Info {
  const outputs = info.get("outputs", list(string));
  const task = info.get("task", string);
  if (task !== "classification" && task !== "regression")
    throw new StoredDataError(`The manifest's task is ${task.slice(0, 40)}`);
  if (outputs.length === 0 || (task === "regression" && outputs.length > 1))
    throw new StoredDataError(`The manifest names ${outputs.length} outputs`);
  const nFeatures = info.get("n_features", whole);
  if (nFeatures < 1 || nFeatures > MOST_FEATURES)
    throw new StoredDataError(`The manifest speaks of ${nFeatures} features`);
  const pairs = info.optional("made_with", list(list(string))) ?? [];
  return {
    id: info.get("id", string),
    createdAt: info.get("created_at", string),
    uploadedAt: info.optional("uploaded_at", string),
    method: info.get("method", string),
    task,
    outputs,
    nFeatures,
    nRows: info.get("n_rows", whole),
    featureSpace: info.optional("feature_space", string),
    outputSpace: info.optional("output_space", string),
    modelType: info.optional("model_type", string),
    modelId: info.optional("model_id", string),
    reason: info.optional("reason", string),
    comment: info.optional("comment", string),
    topK: info.optional("top_k", whole),
    notes: info.optional("notes", list(string)) ?? [],
    madeWith: pairs.flatMap(([name, number]) => (number === undefined ? [] : [[name, number] as const])),
  };
}

function parsePart(part: Fields, nFeatures: number): PartLayout {
  const dtype = part.get("dtype", string);
  const kept = part.get("kept", whole);
  if (dtype !== "float32" && dtype !== "float64")
    throw new StoredDataError(`${part.what} has dtype ${dtype.slice(0, 40)}`);
  if (kept < 1 || kept > nFeatures) throw new StoredDataError(`${part.what} keeps ${kept} of ${nFeatures} features`);
  return {
    dtype,
    kept,
    ranked: part.get("ranked", boolean),
    totals: part.optional("totals", list(number)),
    mirror: part.optional("mirror", boolean) ?? false,
  };
}

function parseFile(file: Fields): FileEntry {
  const name = file.get("name", string);
  if (!PLAIN_NAME.test(name))
    throw new StoredDataError(`The manifest names a file ${JSON.stringify(name.slice(0, 80))}`);
  const range = (field: string): Range | undefined => {
    const found = file.optional(field, list(whole));
    if (found === undefined) return undefined;
    if (found.length !== 2 || found[0] >= found[1]) throw new StoredDataError(`${name}: ${field} is no range`);
    return [found[0], found[1]];
  };
  return {
    name,
    role: file.get("role", string),
    size: file.get("size", whole),
    sha256: file.get("sha256", string),
    shape: file.get("shape", list(whole)),
    outputs: range("outputs"),
    rows: range("rows"),
    columns: range("columns"),
    sample: file.optional("sample", string),
  };
}

function parseBase(root: Fields, info: Info): readonly number[] | null {
  const values = root.optional("base_values", object)?.get("values", list(number)) ?? null;
  if (values !== null && values.length !== info.outputs.length) {
    throw new StoredDataError(`The manifest has ${values.length} base values for ${info.outputs.length} outputs`);
  }
  return values;
}

function parseData(data: Fields | undefined): DataLayout | null {
  if (data === undefined) return null;
  const runs = data.optional("columns", list(list(either))) ?? null;
  const proba = data.optional("predicted_proba", list(either));
  const columns = runs?.flatMap(([dtype, count]) => {
    if (typeof dtype !== "string" || typeof count !== "number" || count > MOST_FEATURES)
      throw new StoredDataError("The manifest's data.columns are damaged");
    return Array.from({ length: count }, () => dtype);
  });
  return {
    columns: columns ?? null,
    rowNames: data.optional("row_names", boolean) ?? false,
    predicted: data.optional("predicted", string) ?? null,
    proba: typeof proba?.[1] === "number" ? proba[1] : 0,
    true: data.optional("true", string) ?? null,
  };
}

type Reader<T> = (value: unknown, what: string) => T;

/** An object of a document, whose fields are read with their types checked. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly what: string;

  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new StoredDataError(`${what} is no object`);
    this.#values = value as Record<string, unknown>;
    this.what = what;
  }

  get<T>(name: string, read: Reader<T>): T {
    return read(Object.hasOwn(this.#values, name) ? this.#values[name] : undefined, `${this.what}: ${name}`);
  }

  optional<T>(name: string, read: Reader<T>): T | undefined {
    return Object.hasOwn(this.#values, name) && this.#values[name] !== null ? this.get(name, read) : undefined;
  }
}

const object: Reader<Fields> = (value, what) => new Fields(value, what);
const string = typed<string>("string");
const number = typed<number>("number");
const boolean = typed<boolean>("boolean");
const either: Reader<string | number> = (value, what) => (typeof value === "number" ? value : string(value, what));
const whole: Reader<number> = (value, what) => {
  const found = number(value, what);
  if (!Number.isSafeInteger(found) || found < 0)
    throw new StoredDataError(`${what} is ${found}, expected a whole number`);
  return found;
};

function typed<T>(type: "string" | "number" | "boolean"): Reader<T> {
  return (value, what) => {
    if (typeof value !== type) throw new StoredDataError(`${what} is no ${type}`);
    return value as T;
  };
}

function list<T>(read: Reader<T>): Reader<T[]> {
  return (value, what) => {
    if (!Array.isArray(value)) throw new StoredDataError(`${what} is no list`);
    return value.map((item, i) => read(item, `${what}[${i}]`));
  };
}

/** What an error says, whatever was thrown. */
export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
