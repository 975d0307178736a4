/**
 * The door to lmdb: one file with our tables in it, as text by key. It knows nothing of journals and never syncs by itself:
 * commits are `noSync`, which survive kill -9 but leave the file untrustworthy after a power cut (see native-notes/lmdb.md).
 *
 * Traps this file keeps its callers out of: a callback of transactionSync must not return a promise (the transaction would stay
 * open); `put` outside a transaction is asynchronous; a failed `put` inside one must fail the whole transaction, even when the
 * caller swallows the exception; only `sync` syncs.
 */
import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname } from "node:path";
import type { RootDatabaseOptionsWithPath, open as Open } from "lmdb";
import { assert } from "../base/assert.ts";
import { KEY_SHAPES, readKey, writeKey } from "./keys.ts";
import { TABLES, type Rows } from "./schema.ts";
import { seal, unseal } from "./sealed-text.ts";
import { StoreFull, type Key, type Range } from "./store.ts";

// One file instead of the twenty that `import` would load.
const { open } = createRequire(import.meta.url)("lmdb") as { open: typeof Open };

export type TableName = keyof Rows;
export type TextEntry = readonly [Key, string];

export interface LmdbReads {
  get(table: TableName, key: Key): string | undefined;
  /** The first entries of a range, at most `most`; with `after`, those behind that key in the direction of the range. */
  entries(table: TableName, range: Range<Key>, most: number, after?: Key): TextEntry[];
}

export interface LmdbFile extends LmdbReads {
  count(table: TableName): number;
  /** Reads the file as it is now, whatever is committed until `end`; not inside `transact`. */
  snapshot(): LmdbReads & { end(): void };
  /** Inside `transact` only. */
  put(table: TableName, key: Key, text: string): void;
  remove(table: TableName, key: Key): void;
  /** Commits when `change` returns; changes nothing when it throws. StoreFull when there is no room. */
  transact(change: () => void): void;
  /** Copies a consistent snapshot to a path where nothing is; does not sync the copy. */
  copyTo(path: string): Promise<void>;
  /** Everything committed so far survives a power cut, as long as nothing more is committed. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface LmdbFileOptions {
  /** Address space reserved for the file: its largest size. */
  readonly mapBytes?: number;
  readonly readOnly?: boolean;
}

const MAP_BYTES = 64 * 1024 ** 3;
const MAP_FULL = -30792;
const TRANSACTION_FULL = -30788;
const EIO = constants.errno.EIO;
const ROOM_BYTES = 1024 * 1024;

/** Opens or makes the file. Throws when it is not an LMDB file. */
export function openLmdbFile(path: string, options: LmdbFileOptions = {}): LmdbFile {
  const root = open({
    path,
    noSubdir: true,
    noSync: true,
    maxDbs: 32,
    mapSize: options.mapBytes ?? MAP_BYTES,
    permissionsMode: 0o600,
    readOnly: options.readOnly ?? false,
  } as RootDatabaseOptionsWithPath) as unknown as Root;
  const tables = Object.fromEntries(TABLES.map((name) => [name, openTable(root, name)])) as Record<
    TableName,
    TextTable
  >;
  const folder = dirname(path);
  let failed: unknown;

  const write = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      failed = asStoreFull(error, folder);
      throw failed;
    }
  };
  return {
    get(table, key) {
      const sealed = tables[table].get(key);
      return sealed === undefined ? undefined : unseal(table, key, sealed);
    },
    entries: (table, range, most, after) =>
      readRange(tables[table], { range, most, after }).map(([key, sealed]) => [key, unseal(table, key, sealed)]),
    count: (table) => tables[table].getStats().entryCount,
    snapshot() {
      const transaction = root.useReadTransaction();
      return {
        get(table, key) {
          const sealed = tables[table].get(key, { transaction });
          return sealed === undefined ? undefined : unseal(table, key, sealed);
        },
        entries: (table, range, most, after) =>
          readRange(tables[table], { range, most, after }, { transaction }).map(([key, sealed]) => [
            key,
            unseal(table, key, sealed),
          ]),
        end: () => transaction.done(),
      };
    },
    put: (table, key, text) => write(() => void tables[table].put(key, seal(table, key, text))),
    remove: (table, key) => write(() => void tables[table].remove(key)),
    transact(change) {
      failed = undefined;
      try {
        root.transactionSync(() => {
          change();
          if (failed !== undefined) throw failed;
        });
      } catch (error) {
        throw asStoreFull(error, folder);
      }
    },
    copyTo: (target) => root.backup(target, true),
    sync: () => new Promise((resolve, reject) => root.sync((error) => (error ? reject(error) : resolve()))),
    close: () => root.close(),
  };
}

/** What we use of lmdb's classes; its own declarations know neither our keys nor `sync`. */
interface TextTable {
  get(key: Key, options?: { transaction: ReadTransaction }): string | undefined;
  put(key: Key, text: string): unknown;
  remove(key: Key): unknown;
  getRange(options: object): Iterable<{ key: Key; value: string }>;
  getStats(): { entryCount: number };
}

interface ReadTransaction {
  done(): void;
}

interface Root {
  useReadTransaction(): ReadTransaction;
  openDB(options: object): TextTable | undefined;
  transactionSync(change: () => void): void;
  backup(path: string, compact: boolean): Promise<void>;
  sync(done: (error?: Error) => void): void;
  close(): Promise<void>;
}

function openTable(root: Root, name: TableName): TextTable {
  const shape = KEY_SHAPES[name];
  const table = root.openDB({
    name,
    encoding: "string",
    keyEncoder: {
      writeKey,
      readKey: (source: Buffer, start: number, end: number) => readKey(shape, source, start, end),
    },
  });
  return table ?? EMPTY;
}

/** A table that a file opened for reading only does not have. */
const EMPTY: TextTable = {
  get: () => undefined,
  put: () => assert(false, "a file opened for reading is not written"),
  remove: () => assert(false, "a file opened for reading is not written"),
  getRange: () => [],
  getStats: () => ({ entryCount: 0 }),
};

interface Wanted {
  readonly range: Range<Key>;
  readonly most: number;
  readonly after: Key | undefined;
}

/**
 * `start` is the lower bound, included, `end` the upper, excluded; lmdb starts a reverse range at the upper one. Both are always
 * given: lmdb's defaults for absent ones do not fit our keys.
 */
function readRange(table: TextTable, { range, most, after }: Wanted, within: object = {}): TextEntry[] {
  const { start, end, reverse = false } = range;
  const options = reverse
    ? { reverse, limit: most, start: after ?? end, exclusiveStart: true, end: start, inclusiveEnd: true }
    : { limit: most, start: after ?? start, exclusiveStart: after !== undefined, end };
  return Array.from(table.getRange({ ...options, ...within }), (entry): TextEntry => [entry.key, entry.value]);
}

/** LMDB reports a write cut short by a full disk as EIO; whether it was that, a write of our own tells. */
function asStoreFull(error: unknown, folder: string): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  const full = code === MAP_FULL || code === TRANSACTION_FULL || isNoRoom(code) || (code === EIO && !hasRoom(folder));
  return full ? new StoreFull("there is no room for the state folder's database") : error;
}

/**
 * Whether a file could grow in the folder. To be asked before a file is opened: LMDB writes to its lock file through a mapping, which on a
 * full disk ends the process.
 */
export function hasRoom(folder: string): boolean {
  const path = `${folder}/room`;
  try {
    writeFileSync(path, Buffer.alloc(ROOM_BYTES), { mode: 0o600 });
    return true;
  } catch (error) {
    return !isNoRoom(-((error as NodeJS.ErrnoException).errno ?? 0));
  } finally {
    rmSync(path, { force: true });
  }
}

function isNoRoom(code: unknown): boolean {
  return code === constants.errno.ENOSPC || code === constants.errno.EDQUOT;
}
