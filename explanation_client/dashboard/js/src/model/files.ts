/** The files of one explanation: fetched once, held against their digest, decoded when used. */

import type { Source } from "../host";
import { sha256 } from "../lib/sha256";
import { type FileEntry, type Manifest, message, type Role, StoredDataError } from "./manifest";
import { openParquet, type Table } from "./parquet";

export class Files {
  readonly #source: Source;
  readonly #manifest: Manifest;
  readonly #tables = new Map<string, Promise<Table>>();

  constructor(source: Source, manifest: Manifest) {
    this.#source = source;
    this.#manifest = manifest;
  }

  /** The files of a role, in the order of the manifest. */
  of(role: Role): readonly FileEntry[] {
    return this.#manifest.files.filter((entry) => entry.role === role);
  }

  /** Whether there are files of the role, and the source does not say that it lacks one of them. */
  has(role: Role): boolean {
    const entries = this.of(role);
    return entries.length > 0 && entries.every((entry) => this.#source.has?.(entry.name) ?? true);
  }

  /** Bytes of the files of some roles together. */
  size(...roles: readonly Role[]): number {
    return roles.flatMap((role) => this.of(role)).reduce((sum, entry) => sum + entry.size, 0);
  }

  /** The table of a file of so many rows; where it can't be had, the next call tries again. */
  table(entry: FileEntry, rows: number): Promise<Table> {
    let found = this.#tables.get(entry.name);
    if (found === undefined) {
      found = this.#open(entry, rows);
      found.catch(() => this.#tables.delete(entry.name));
      this.#tables.set(entry.name, found);
    }
    return found;
  }

  /** The table of the only file of a role. */
  async only(role: Role, rows: (entry: FileEntry) => number): Promise<Table> {
    const entries = this.of(role);
    if (entries.length !== 1)
      throw new StoredDataError(`The manifest lists ${entries.length} files of role ${role}, expected one`);
    return this.table(entries[0], rows(entries[0]));
  }

  async #open(entry: FileEntry, rows: number): Promise<Table> {
    let bytes: Uint8Array;
    try {
      bytes = await this.#source.read(entry.name);
    } catch (error) {
      throw new StoredDataError(`${entry.name} can't be read: ${message(error)}`, { cause: error });
    }
    if (bytes.length !== entry.size)
      throw new StoredDataError(`${entry.name} has ${bytes.length} bytes, the manifest says ${entry.size}`);
    if ((await sha256(bytes)) !== entry.sha256)
      throw new StoredDataError(`${entry.name} is damaged: it has another SHA-256 than the manifest says`);
    return guarded(entry.name, () => openParquet(bytes, rows));
  }
}

/** Returns what a reading of a file gives; what goes wrong on the way is named after the file. */
export function guarded<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoredDataError) throw error;
    throw new StoredDataError(`${name} can't be decoded: ${message(error)}`, { cause: error });
  }
}
