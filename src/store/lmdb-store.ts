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
import { writeFileSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { JOURNAL_BYTES_BEFORE_CHECKPOINT } from "../model/limits.ts";
import { realDisk, type Disk } from "./disk.ts";
import { durability, type Durability } from "./durability.ts";
import { isReadable } from "./file-check.ts";
import { createJournal, journalGenerations, journalPath, reopenJournal, type Journal } from "./journal.ts";
import { assertStorable } from "./keys.ts";
import { liveRanges } from "./live-range.ts";
import { hasRoom, type LmdbFile, type LmdbReads, type TableName } from "./lmdb-file.ts";
import { digestOf, readMark, writeMark, type Mark } from "./mark.ts";
import { migrate } from "./migrate.ts";
import { CHECKPOINT, DISTRUST, LACKING, LIVE } from "./paths.ts";
import { lockFolder, type ProcessLock } from "./process-lock.ts";
import { recentRows, type RecentRows } from "./recent-rows.ts";
import { decodeRow, encodeRow } from "./rows.ts";
import { TABLES } from "./schema.ts";
import {
  StoreDamaged,
  StoreFull,
  type Key,
  type OpenedStore,
  type Range,
  type Reader,
  type Snapshot,
  type Store,
  type StoreFault,
  type WritableTable,
  type Writer,
} from "./store.ts";
import { asStoreFault, openOrRestore, settle, type Found } from "./trust.ts";

export interface LmdbStoreOptions {
  readonly dir: string;
  /** Differs after every boot of the machine (/proc/sys/kernel/random/boot_id). */
  readonly bootId: string;
  readonly clock: Clock;
  readonly disk?: Disk;
  /** Whether an LMDB file can be read to its end; asked in a child process unless given. */
  readonly isReadable?: (path: string) => Promise<boolean>;
  /** What the disk gives back is not what was written: the process must end. */
  readonly onDamaged?: (error: StoreDamaged) => void;
  /** A journal longer than this is replaced by a checkpoint, when it is also long against the LMDB file. */
  readonly checkpointBytes?: number;
}

type Settings = Required<Omit<LmdbStoreOptions, "onDamaged">> & Pick<LmdbStoreOptions, "onDamaged">;

/** The count of commits, in `meta`; written beside the tables' own way. */
const COMMIT = "commit";

export async function openLmdbStore(options: LmdbStoreOptions): Promise<Result<OpenedStore, StoreFault>> {
  const settings: Settings = {
    disk: realDisk,
    isReadable,
    checkpointBytes: JOURNAL_BYTES_BEFORE_CHECKPOINT,
    ...options,
  };
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
  if (!hasRoom(dir)) return failed({ kind: "full", why: `there is no room on the disk of ${dir}` });
  const mark = await readMark(disk, dir);
  const settled = await settle(settings, mark);
  if (!settled.ok) return settled;
  await writeMark(disk, dir, { state: "opening", bootId, ...(settled.value.how === "fresh" ? { first: true } : {}) });
  const opened = await openOrRestore(settings, settled.value, mark);
  if (!opened.ok) return opened;
  const { file, found } = opened.value;
  const commit = Number(file.get("meta", COMMIT) ?? 0);
  const started = await startJournal(settings, found.how === "clean" ? mark : undefined, found.how, commit);
  const safe = durability({
    ...settings,
    folder: dir,
    copyTo: (path) =>
      file.copyTo(path).catch((error: unknown) => {
        const damage = asDamage(error);
        if (damage) distrust(dir);
        if (damage) settings.onDamaged?.(damage);
        throw damage ?? error;
      }),
    commit,
    journal: started,
    generations: await journalGenerations(disk, dir),
    hasCheckpoint: (await disk.size(`${dir}/${CHECKPOINT}`)) !== undefined,
  });
  const store = new LmdbStore({ settings, lock, file, safe, commit });
  const migrated = versionOf(store, commit);
  if (!migrated.ok) {
    await safe.abandon();
    await file.close();
    if (mark) await writeMark(disk, dir, mark);
    return migrated;
  }
  const { unread, ...asFound } = found;
  if (unread) store.verifySoon();
  else await writeMark(disk, dir, { state: "running", bootId });
  // Also when the process that restored it died before anybody looked at what the power cut did to the bytes.
  const how = store.read.meta.get("restored") === true ? "restored" : found.how;
  const lacking = how !== "fresh" && (await disk.size(`${dir}/${LACKING}`)) !== undefined;
  const recovered = { ...asFound, how, commit, ...(lacking ? { damaged: true as const } : {}) };
  return ok({ store, recovered, reconciled: () => forgetLack(settings, store) });
}

/** What was found out of the files is safe before nobody asks for it any more. */
async function forgetLack({ disk, dir }: Settings, store: Store): Promise<void> {
  if ((await disk.size(`${dir}/${LACKING}`)) === undefined) return;
  await store.barrier();
  await disk.remove(`${dir}/${LACKING}`);
  await disk.syncFolder(dir);
}

/** The journal to go on with, when the chain on disk is whole: after a clean end, or at the very start. */
async function startJournal(
  { disk, dir }: Settings,
  clean: Mark | undefined,
  how: Found["how"],
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
  /** No more changes. */
  private closing = false;
  /** No more reads either: those who make the last bytes durable still read. */
  private closed = false;
  private marking: Promise<void> | undefined;
  private readonly recent: RecentRows[] = [];

  constructor(parts: Parts) {
    this.parts = parts;
    this.commit = parts.commit;
    const tables = Object.fromEntries(TABLES.map((name, number) => [name, this.table(name, number)]));
    this.read = tables as unknown as Reader;
    this.writer = tables as unknown as Writer;
  }

  transact<T>(change: (tx: Writer) => T): T {
    assert(!this.closing, "the store is open");
    assert(!this.changes, "transactions do not nest");
    if (this.parts.safe.stuck) throw new StoreFull("earlier changes wait for room in the state folder");
    const changes: string[] = [];
    this.changes = changes;
    try {
      const result = this.run(change, changes);
      if (changes.length > 0) this.parts.safe.committed({ commit: ++this.commit, changes });
      return result;
    } catch (error) {
      for (const rows of this.recent) rows.clear();
      throw error;
    } finally {
      this.changes = undefined;
    }
  }

  /**
   * After kill -9 the file is believed, and read to its end in a child beside the work. The mark says `opening` until then, so that
   * should a damaged page end this process, the next start has it read first.
   */
  verifySoon(): void {
    const { settings } = this.parts;
    const { disk, dir, bootId } = settings;
    void settings.isReadable(`${dir}/${LIVE}`).then((readable) => {
      if (this.closing) return;
      if (readable) this.marking = writeMark(disk, dir, { state: "running", bootId }).catch(() => undefined);
      else this.damaged(new StoreDamaged("the database of the state folder is damaged"));
    });
  }

  private damaged(error: StoreDamaged): void {
    distrust(this.parts.settings.dir);
    this.parts.settings.onDamaged?.(error);
  }

  private run<T>(change: (tx: Writer) => T, changes: readonly string[]): T {
    const { file } = this.parts;
    let result: { value: T } | undefined;
    const commit = (): void =>
      file.transact(() => {
        const value = change(this.writer);
        assert(!isPromise(value), "a transaction returns no promise");
        if (changes.length > 0) file.put("meta", COMMIT, String(this.commit + 1));
        result = { value };
      });
    this.believed(commit);
    assert(result, "a committed transaction has a result");
    return result.value;
  }

  snapshot(): Snapshot {
    assert(!this.closing && !this.changes, "the store is open and idle");
    const source = this.parts.file.snapshot();
    let ended = false;
    const alive = (): void => assert(!ended && !this.changes, "a snapshot is read until its end, outside transactions");
    const tables = TABLES.map((name) => {
      const reads = this.reads(name, source, alive);
      const count = (): number => [...reads.range()].length;
      return [name, Object.defineProperty({ get: reads.get, range: reads.range }, "count", { get: count })];
    });
    return {
      read: Object.fromEntries(tables) as unknown as Reader,
      end() {
        if (!ended) source.end();
        ended = true;
      },
    };
  }

  async barrier(): Promise<void> {
    assert(!this.closing, "the store is open");
    try {
      await this.parts.safe.barrier();
    } catch (error) {
      throw asStoreFault(error)?.kind === "full" ? new StoreFull("there is no room for the journal") : error;
    }
  }

  beforeBarrier(hook: () => Promise<void>): void {
    this.parts.safe.beforeBarrier(hook);
  }

  async close(): Promise<void> {
    assert(!this.closing && !this.changes, "the store is open and idle");
    this.closing = true;
    const { settings, lock, file, safe } = this.parts;
    try {
      const chain = await safe.finish();
      this.closed = true;
      await file.sync();
      await file.close();
      await this.marking;
      await writeMark(settings.disk, settings.dir, {
        state: "clean",
        bootId: settings.bootId,
        commit: this.commit,
        digest: await digestOf(settings.disk, `${settings.dir}/${LIVE}`),
        chain,
      });
    } catch (error) {
      this.closed = true;
      await safe.abandon();
      await file.close();
      throw error;
    } finally {
      await lock.release();
    }
  }

  /** Reads; what cannot be read is damage, and the file is not believed any more. */
  private believed<T>(reading: () => T): T {
    try {
      return reading();
    } catch (error) {
      const damage = asDamage(error);
      if (damage) distrust(this.parts.settings.dir);
      throw damage ?? error;
    }
  }

  private reads(name: TableName, source: LmdbReads, open: () => void) {
    const ranges = liveRanges<unknown>((range, most, after) =>
      this.believed(() =>
        source.entries(name, range, most, after).map(([key, text]) => [key, decodeRow(name, text)] as const),
      ),
    );
    const recent = recentRows();
    const readRow = (key: Key): unknown =>
      this.believed(() => {
        const text = source.get(name, key);
        return text === undefined ? undefined : decodeRow(name, text);
      });
    return {
      ranges,
      recent,
      get(key: Key) {
        open();
        return key === COMMIT ? readRow(key) : recent.get(key, () => readRow(key));
      },
      range(range: Range<Key> = {}) {
        open();
        return ranges.iterate(range);
      },
    };
  }

  private table(name: TableName, number: number): WritableTable<Key, unknown> {
    const { file } = this.parts;
    const open = (): void => assert(!this.closed, "the store is open");
    const { ranges, recent, get, range } = this.reads(name, file, open);
    // Nothing is looked for in a table that was empty at the start and never written: most are, while a drive is taken in.
    let empty = name !== "meta" && file.count(name) === 0;
    this.recent.push(recent);
    const note = (key: Key, text: string): void => {
      assert(this.changes, "a store is changed inside a transaction");
      assertStorable(key);
      ranges.beforeChange();
      this.changes.push(`[${number},${JSON.stringify(key)},${text}]`);
    };
    return {
      get: (key) => (empty && !this.closed ? undefined : get(key)),
      range: (bounds) => (empty && !this.closed ? [] : range(bounds)),
      get count() {
        open();
        return empty ? 0 : file.count(name);
      },
      put(key, value) {
        empty = false;
        const text = encodeRow(name, value);
        note(key, text);
        file.put(name, key, text);
        recent.wrote(key, value);
      },
      remove(key) {
        note(key, "null");
        recent.drop(key);
        file.remove(name, key);
      },
    };
  }
}

/** Wrong checksums, texts that are no rows, and LMDB's own word for pages that cannot be. */
function asDamage(error: unknown): StoreDamaged | undefined {
  if (error instanceof StoreDamaged) return error;
  const words = error instanceof Error ? error.message : "";
  return error instanceof SyntaxError || LMDB_DAMAGE.test(words)
    ? new StoreDamaged(`the database of the state folder is damaged: ${words}`)
    : undefined;
}

const LMDB_DAMAGE = /MDB_(PAGE_NOTFOUND|CORRUPTED|PANIC|CURSOR_FULL|BAD_TXN)/;

/** Written at once: the process may end in this turn. */
function distrust(dir: string): void {
  try {
    writeFileSync(`${dir}/${DISTRUST}`, "", { mode: 0o600 });
  } catch (error) {
    log("store").fault("a damaged database could not be marked", { error });
  }
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
