/**
 * The Store on disk: an LMDB file for speed, a journal and checkpoints for power cuts.
 *
 * A commit goes to the LMDB file without a sync (some 20 microseconds): the kernel has it, so kill -9 loses nothing (P2). What
 * it changed is kept until the next barrier, which appends it to the journal and syncs that (P3); see durability.ts. After a power cut
 * the LMDB file is never believed: it is rebuilt from checkpoint and journal (P4); see restore.ts.
 *
 * The folder belongs to one process at a time and to its user only (0700, files 0600). Opening, in steps:
 *  1. Take the lock of the folder.
 *  2. Read the mark (mark.ts) and decide whether the LMDB file can be believed; if not, restore it.
 *  3. Write the mark `opening`, open the file, look at its version; prepare the journal; write the mark `running`.
 * It never deletes or overwrites a file that it does not know, and never opens a newer version's.
 */
import { chmod, mkdir } from "node:fs/promises";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { realDisk, type Disk } from "./disk.ts";
import { durability, type Durability } from "./durability.ts";
import { isReadable } from "./file-check.ts";
import { createJournal, journalGenerations, journalPath, reopenJournal, type Journal } from "./journal.ts";
import { assertStorable } from "./keys.ts";
import { liveRanges } from "./live-range.ts";
import { openLmdbFile, type LmdbFile, type TableName } from "./lmdb-file.ts";
import { readMark, writeMark, type Mark } from "./mark.ts";
import { migrate } from "./migrate.ts";
import { CHECKPOINT, LIVE } from "./paths.ts";
import { lockFolder, type ProcessLock } from "./process-lock.ts";
import { restore } from "./restore.ts";
import { decodeRow, encodeRow } from "./rows.ts";
import { TABLES } from "./schema.ts";
import {
  StoreFull,
  type Key,
  type Reader,
  type Store,
  type StoreFault,
  type WritableTable,
  type Writer,
} from "./store.ts";

export interface LmdbStoreOptions {
  readonly dir: string;
  /** Differs after every boot of the machine (/proc/sys/kernel/random/boot_id). */
  readonly bootId: string;
  readonly clock: Clock;
  readonly disk?: Disk;
  /** Whether an LMDB file can be read to its end; asked in a child process unless given. */
  readonly isReadable?: (path: string) => Promise<boolean>;
}

/** How the store was found. */
export interface Recovered {
  readonly how: "fresh" | "clean" | "afterKill" | "restored";
  readonly commit: number;
  /** What a restore could not bring back, for a person. */
  readonly lost?: string;
}

export interface OpenedStore {
  readonly store: Store;
  readonly recovered: Recovered;
}

type Settings = Required<LmdbStoreOptions>;

export async function openLmdbStore(options: LmdbStoreOptions): Promise<Result<OpenedStore, StoreFault>> {
  const settings: Settings = { disk: realDisk, isReadable, ...options };
  let lock: ProcessLock | undefined;
  try {
    await mkdir(settings.dir, { recursive: true, mode: 0o700 });
    await chmod(settings.dir, 0o700);
    lock = await lockFolder(settings.dir);
    if (!lock) return failed({ kind: "inUse", why: `another process uses ${settings.dir}` });
    const opened = await openLocked(settings, lock);
    if (!opened.ok) await lock.release();
    return opened;
  } catch (error) {
    await lock?.release();
    const known = asStoreFault(error);
    if (known) return failed(known);
    throw error;
  }
}

async function openLocked(settings: Settings, lock: ProcessLock): Promise<Result<OpenedStore, StoreFault>> {
  const { disk, dir, bootId } = settings;
  const mark = await readMark(disk, dir);
  const found = await settle(settings, mark);
  if (!found.ok) return found;
  await writeMark(disk, dir, { state: "opening", bootId, ...(found.value.how === "fresh" ? { first: true } : {}) });
  const file = openFile(`${dir}/${LIVE}`);
  if (!file.ok) return file;
  const commit = Number(file.value.get("meta", "commit") ?? 0);
  const started = await startJournal(settings, found.value.how === "clean" ? mark : undefined, found.value.how, commit);
  const safe = durability({
    ...settings,
    folder: dir,
    copyTo: file.value.copyTo,
    commit,
    journal: started,
    generations: await journalGenerations(disk, dir),
    hasCheckpoint: (await disk.size(`${dir}/${CHECKPOINT}`)) !== undefined,
  });
  const store = new LmdbStore({ settings, lock, file: file.value, safe, commit });
  const migrated = versionOf(store, commit);
  if (!migrated.ok) {
    await safe.abandon();
    await file.value.close();
    if (mark) await writeMark(disk, dir, mark);
    return migrated;
  }
  await writeMark(disk, dir, { state: "running", bootId });
  return ok({ store, recovered: { ...found.value, commit } });
}

/** Decides about the LMDB file; afterwards it may be opened. */
async function settle(
  settings: Settings,
  mark: Mark | undefined,
): Promise<Result<Omit<Recovered, "commit">, StoreFault>> {
  const { disk, dir, bootId } = settings;
  const live = `${dir}/${LIVE}`;
  const hasLive = (await disk.size(live)) !== undefined;
  const hasChain =
    (await disk.size(`${dir}/${CHECKPOINT}`)) !== undefined || (await journalGenerations(disk, dir)).length > 0;
  if (mark?.first || (!mark && !hasLive && !hasChain)) return startOver(settings);
  if (mark && hasLive && mark.state === "clean" && (await looksWhole(disk, live))) return ok({ how: "clean" });
  if (mark && hasLive && mark.bootId === bootId) {
    const sure = mark.state === "running" && (await looksWhole(disk, live));
    if (sure || (await settings.isReadable(live))) return ok({ how: "afterKill" });
  }
  const restored = await restore(disk, dir, settings.isReadable);
  if (restored) return ok({ how: "restored", ...(restored.lost === undefined ? {} : { lost: restored.lost }) });
  const why = `${dir} holds files that are not a state folder of this program, or that are damaged`;
  return failed({ kind: "corrupt", why });
}

/** Nothing was ever committed here: what an interrupted first start left is removed. */
async function startOver({ disk, dir }: Settings): Promise<Result<Omit<Recovered, "commit">, StoreFault>> {
  await disk.remove(`${dir}/${LIVE}`);
  await disk.remove(`${dir}/${LIVE}-lock`);
  for (const generation of await journalGenerations(disk, dir)) await disk.remove(journalPath(dir, generation));
  return ok({ how: "fresh" });
}

/** Has the first page of an LMDB file. */
async function looksWhole(disk: Disk, path: string): Promise<boolean> {
  for await (const chunk of disk.chunks(path))
    return chunk.length >= 8_192 && chunk.readUInt32LE(LMDB_MAGIC_AT) === LMDB_MAGIC;
  return false;
}

const LMDB_MAGIC = 0xbeefc0de;
const LMDB_MAGIC_AT = 24;

function openFile(path: string): Result<LmdbFile, StoreFault> {
  try {
    return ok(openLmdbFile(path));
  } catch (error) {
    const known = asStoreFault(error);
    return failed(known ?? { kind: "corrupt", why: `${path} cannot be opened: ${String(error)}` });
  }
}

/** The journal to go on with, when the chain on disk is whole: after a clean end, or at the very start. */
async function startJournal(
  { disk, dir }: Settings,
  clean: Mark | undefined,
  how: Recovered["how"],
  commit: number,
): Promise<Journal | undefined> {
  if (how === "fresh") return createJournal(disk, dir, 1, 0);
  const chain = clean?.chain;
  const last = chain?.generations.at(-1);
  if (!chain || last === undefined || clean.commit !== commit) return undefined;
  const generations = await journalGenerations(disk, dir);
  const complete =
    chain.generations.every((generation) => generations.includes(generation)) &&
    (!chain.checkpoint || (await disk.size(`${dir}/${CHECKPOINT}`)) !== undefined) &&
    (await disk.size(journalPath(dir, last))) === chain.bytes;
  return complete ? reopenJournal(disk, dir, last, chain.bytes) : undefined;
}

function versionOf(store: Store, commit: number): Result<number, StoreFault> {
  if (commit > 0 && store.read.meta.get("schema") === undefined)
    return failed({ kind: "corrupt", why: "the database in the state folder is not ours" });
  return migrate(store);
}

interface Parts {
  readonly settings: Settings;
  readonly lock: ProcessLock;
  readonly file: LmdbFile;
  readonly safe: Durability;
  readonly commit: number;
}

class LmdbStore implements Store {
  readonly read: Reader;
  private readonly writer: Writer;
  private readonly parts: Parts;
  private commit: number;
  private changes: string[] | undefined;
  private closed = false;

  constructor(parts: Parts) {
    this.parts = parts;
    this.commit = parts.commit;
    const tables = Object.fromEntries(TABLES.map((name, number) => [name, this.table(name, number)]));
    this.read = tables as unknown as Reader;
    this.writer = tables as unknown as Writer;
  }

  transact<T>(change: (tx: Writer) => T): T {
    assert(!this.closed, "the store is open");
    assert(!this.changes, "transactions do not nest");
    if (this.parts.safe.stuck) throw new StoreFull("earlier changes wait for room in the state folder");
    const changes: string[] = [];
    this.changes = changes;
    try {
      const result = this.run(change, changes);
      if (changes.length > 0) this.parts.safe.committed({ commit: ++this.commit, changes });
      return result;
    } finally {
      this.changes = undefined;
    }
  }

  private run<T>(change: (tx: Writer) => T, changes: readonly string[]): T {
    const { file } = this.parts;
    let result: { value: T } | undefined;
    file.transact(() => {
      const value = change(this.writer);
      assert(!isPromise(value), "a transaction returns no promise");
      if (changes.length > 0) file.put("meta", "commit", String(this.commit + 1));
      result = { value };
    });
    assert(result, "a committed transaction has a result");
    return result.value;
  }

  barrier(): Promise<void> {
    assert(!this.closed, "the store is open");
    return this.parts.safe.barrier();
  }

  beforeBarrier(hook: () => Promise<void>): void {
    this.parts.safe.beforeBarrier(hook);
  }

  async close(): Promise<void> {
    assert(!this.closed && !this.changes, "the store is open and idle");
    this.closed = true;
    const { settings, lock, file, safe } = this.parts;
    try {
      const chain = await safe.finish();
      await file.sync();
      await file.close();
      await writeMark(settings.disk, settings.dir, {
        state: "clean",
        bootId: settings.bootId,
        commit: this.commit,
        chain,
      });
    } catch (error) {
      await safe.abandon();
      await file.close();
      throw error;
    } finally {
      await lock.release();
    }
  }

  private table(name: TableName, number: number): WritableTable<Key, unknown> {
    const { file } = this.parts;
    const ranges = liveRanges<unknown>((range, most, after) =>
      file.entries(name, range, most, after).map(([key, text]) => [key, decodeRow(name, text)] as const),
    );
    const note = (key: Key, text: string): void => {
      assert(this.changes, "a store is changed inside a transaction");
      assertStorable(key);
      ranges.beforeChange();
      this.changes.push(`[${number},${JSON.stringify(key)},${text}]`);
    };
    const open = (): void => assert(!this.closed, "the store is open");
    return {
      get(key) {
        open();
        const text = file.get(name, key);
        return text === undefined ? undefined : decodeRow(name, text);
      },
      range(range = {}) {
        open();
        return ranges.iterate(range);
      },
      get count() {
        open();
        return file.count(name);
      },
      put(key, value) {
        const text = encodeRow(name, value);
        note(key, text);
        file.put(name, key, text);
      },
      remove(key) {
        note(key, "null");
        file.remove(name, key);
      },
    };
  }
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function asStoreFault(error: unknown): StoreFault | undefined {
  if (error instanceof StoreFull) return { kind: "full", why: error.message };
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return { kind: "denied", why: `no permission to use ${path ?? "the state folder"}` };
  if (code === "ENOSPC" || code === "EDQUOT") return { kind: "full", why: "there is no room for the state folder" };
  return undefined;
}
