/**
 * What content does once at start, before anybody opens a file: makes its folders (it throws when one cannot be used), finishes what a killed process left half done, and
 * says what it found. It removes clean bytes that cannot be trusted and leftovers of finished work, never unpushed bytes.
 *
 *  - Every open blob is synced: the killed process may have come to the writes and not to the sync, and the next sync that somebody asks
 *    for has nothing to go by. What the disk refuses stays here, and its row says so. After kill -9 nobody waits for that but those who
 *    are told that something is safe: every barrier (from before the first commit made here), every sync and every freeze.
 *  - The length of every open blob is recorded anew: writes that returned before kill -9 are in the file, if not in the row. Not after a
 *    power cut: a file that is shorter than recorded has lost bytes then, and whoever reconciles the log has to see that. A frozen blob
 *    was synced with the length that its own row says.
 *  - After a clean stop nothing else is looked at but the list of blobs.
 *  - After kill -9 on the same boot every row is true: the page cache outlived the process.
 *  - After a power cut (another boot) only files under their final name are trusted; growing ones go.
 *  - A blob's file that the store has never heard of (a lost or older index) is moved to `found`, where nothing deletes it. When the
 *    index is new or was damaged, that is every file without a row; and numbers go on above those that the files tell of.
 *  - Complete files of the cache that no row names stay when the index does not know the whole drive, or not as it was: see strays.ts.
 */
import { constants, promises as fs } from "node:fs";
import { join } from "node:path";
import { limit } from "../base/limit.ts";
import type { Log } from "../base/log.ts";
import { itemId, itemKey, ROOT, type BlobId, type ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import type { Store } from "../store/store.ts";
import { BLOBS_FOLDER, blobsOnDisk, recordLength, REFUSED, SYNCS_MAX } from "./blobs.ts";
import { cleanPath } from "./cache.ts";
import { diskFault, isMissing, removeFile, syncFolder, syncPath } from "./files.ts";
import { FOUND_FOLDER } from "./found.ts";
import { identities, isSidecar, type Identity } from "./identity.ts";

/** `lost`: with an index that is new, or was damaged. */
export type After = "clean" | "kill" | "powerCut" | "lost";

export interface RecoverContentOptions {
  readonly store: Store;
  readonly stateDir: string;
  readonly cacheDir: string;
  /** How the process before this one ended. */
  readonly after: After;
  readonly log: Log;
}

/** An open blob and the length it really has. */
export interface OpenBlob {
  readonly blob: BlobId;
  readonly node: ItemKey;
  readonly length: number;
}

export interface FoundBlob {
  readonly path: string;
  readonly identity: Identity | undefined;
}

export interface RecoveredContent {
  readonly open: readonly OpenBlob[];
  /** Rows whose file is not there. */
  readonly missing: readonly BlobId[];
  /** Files nobody knows, now in `found`. */
  readonly found: readonly FoundBlob[];
  readonly cleanDropped: number;
  readonly cleanAdopted: number;
  /** Files of the cache that no row names and that may be needed yet. */
  readonly strays: readonly string[];
  /** The cloud has them; rows and files are still here. */
  readonly pushed: readonly BlobId[];
  /** Resolves when what the killed process wrote is on disk, or its row says that the disk refused it. */
  synced(): Promise<void>;
}

export async function recoverContent(options: RecoverContentOptions): Promise<RecoveredContent> {
  const { store, stateDir, cacheDir, after } = options;
  const refused = new Set<BlobId>();
  const synced = once(async () => (after === "clean" ? undefined : syncOpen(options, refused)));
  if (after === "kill") store.beforeBarrier(synced);
  for (const folder of [stateDir, join(stateDir, BLOBS_FOLDER), cacheDir]) {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 });
    await fs.access(folder, constants.W_OK);
  }
  const onDisk = new Set(await blobsOnDisk(join(stateDir, BLOBS_FOLDER)));
  const found = await setAside(options, onDisk);
  if (after !== "kill") await synced();
  const { open, missing } = await lookAtRows(options, onDisk);
  const pushed = after === "kill" ? pushedBlobs(store) : await finishPushed(options);
  recordLengths(store, after === "clean" || after === "kill" ? open : []);
  const looks = after !== "clean" || store.read.meta.get("strays") === true;
  const clean = looks ? await lookAtCache(options) : { cleanDropped: 0, cleanAdopted: 0, strays: [] };
  if (clean.strays.length > 0) rememberStrays(store);
  if (after === "lost") await numberAbove(options, clean.strays);
  return { open, missing, found, ...clean, pushed, synced };
}

/** What failed is tried again by who asks next. */
function once(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () =>
    (running ??= task().catch((error: unknown) => {
      running = undefined;
      throw error;
    }));
}

/** The next starts look for them too, until every item is known. */
function rememberStrays(store: Store): void {
  if (store.read.meta.get("strays") !== true) store.transact((tx) => tx.meta.put("strays", true));
}

/** Numbers that files tell of, also those that a start before this one set aside, are not given out again. */
async function numberAbove({ store, stateDir }: RecoverContentOptions, strays: readonly string[]): Promise<void> {
  const nodes: number[] = strays.map((path) => nodeIn(path) ?? 0);
  const blobs: number[] = [];
  const folder = join(stateDir, FOUND_FOLDER);
  for (const name of await fs.readdir(folder).catch(() => [])) {
    if (isSidecar(name)) continue;
    blobs.push(Number.parseInt(name, 10) || 0);
    nodes.push((await identities(() => undefined).read(join(folder, name)))?.node ?? 0);
  }
  const above = (key: "nextNode" | "nextBlob", first: number, given: readonly number[]): void => {
    const last = given.reduce((most, number) => Math.max(most, number), 0);
    const next = (store.read.meta.get(key) as number | undefined) ?? first;
    if (last >= next) store.transact((tx) => tx.meta.put(key, last + 1));
  };
  above("nextNode", ROOT + 1, nodes);
  above("nextBlob", 1, blobs);
}

/** Moves files that the store does not know, to where nothing removes them. */
async function setAside(options: RecoverContentOptions, onDisk: Set<BlobId>): Promise<FoundBlob[]> {
  const { store, stateDir, after } = options;
  const next = (store.read.meta.get("nextBlob") as number | undefined) ?? 1;
  const unknown = (blob: BlobId): boolean => !store.read.blobs.get(blob) && (blob >= next || after === "lost");
  const strangers = [...onDisk].filter(unknown);
  if (strangers.length === 0) return [];
  const folder = join(stateDir, FOUND_FOLDER);
  await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  const there = await inodesIn(folder);
  const found: FoundBlob[] = [];
  for (const blob of strangers) {
    onDisk.delete(blob);
    const set = await setOneAside(options, { blob, folder, there });
    if (set) found.push(set);
  }
  await syncFolder(folder);
  await syncFolder(join(stateDir, BLOBS_FOLDER));
  return found;
}

/** Undefined when the file is not needed: it is in `found` by another name, it became clean bytes, or nobody ever wrote to it. */
async function setOneAside(
  { stateDir, log }: RecoverContentOptions,
  { blob, folder, there }: { blob: BlobId; folder: string; there: ReadonlySet<number> },
): Promise<FoundBlob | undefined> {
  const described = identities(() => undefined);
  const from = join(stateDir, BLOBS_FOLDER, String(blob));
  const identity = await described.read(from);
  const { ino, nlink, size } = await fs.stat(from);
  const isClean = identity !== undefined && identity.blob === undefined && nlink > 1;
  if (there.has(ino) || isClean || (!identity && size === 0)) {
    await removeFile(from);
    await described.forget(from);
    return undefined;
  }
  const path = await freeName(folder, blob);
  await fs.rename(from, path);
  await described.moved(from, path);
  log.fault("unpushed bytes that the index does not know were set aside", { path });
  return { path, identity };
}

async function inodesIn(folder: string): Promise<ReadonlySet<number>> {
  const inodes = new Set<number>();
  for (const name of await fs.readdir(folder)) inodes.add((await fs.stat(join(folder, name))).ino);
  return inodes;
}

async function freeName(folder: string, blob: BlobId): Promise<string> {
  for (let serial = 0; ; serial++) {
    const path = join(folder, serial === 0 ? String(blob) : `${blob}.${serial}`);
    if (!(await fs.stat(path).catch(() => undefined))) return path;
  }
}

/**
 * Syncs what the killed process wrote. The disk says once that it refused bytes, whoever asks: `refused` keeps that over tries that fail
 * for another reason, and the row has it at once, for the next process.
 */
async function syncOpen({ store, stateDir, log }: RecoverContentOptions, refused: Set<BlobId>): Promise<void> {
  const folder = join(stateDir, BLOBS_FOLDER);
  const gate = limit(SYNCS_MAX);
  const syncOne = async (blob: BlobId): Promise<void> => {
    const path = join(folder, String(blob));
    if (!refused.has(blob))
      await syncPath(path).catch((error: unknown) => {
        if (isMissing(error)) return; // `missing` says so, or it was deleted meanwhile
        diskFault(error, "syncing unpushed bytes");
        log.fault("the disk did not take unpushed bytes: they are not pushed", { path, error });
        refused.add(blob);
      });
    const row = refused.has(blob) ? store.read.blobs.get(blob) : undefined;
    if (row && row.state !== "pushed" && row.damaged === undefined)
      store.transact((tx) => tx.blobs.put(blob, { ...row, damaged: REFUSED }));
  };
  const open = [...store.read.blobs.range()].filter(([, { state }]) => state === "open");
  const done = await Promise.allSettled(open.map(([blob]) => gate.run(() => syncOne(blob))));
  const failure = done.find((one) => one.status === "rejected");
  if (failure) throw failure.reason;
  await syncFolder(folder);
}

/** Measures open blobs, notes what is missing. */
async function lookAtRows(
  { store, stateDir }: RecoverContentOptions,
  onDisk: ReadonlySet<BlobId>,
): Promise<{ open: OpenBlob[]; missing: BlobId[] }> {
  const rows = [...store.read.blobs.range()].filter(([, { state }]) => state !== "pushed");
  const missing = rows.filter(([blob]) => !onDisk.has(blob)).map(([blob]) => blob);
  const gate = limit(LOOKS_AT_ONCE);
  const lengthOf = async (blob: BlobId): Promise<number> =>
    (await fs.stat(join(stateDir, BLOBS_FOLDER, String(blob)))).size;
  const open = await Promise.all(
    rows
      .filter(([blob, { state }]) => state === "open" && onDisk.has(blob))
      .map(([blob, { node }]) => gate.run(async () => ({ blob, node, length: await lengthOf(blob) }))),
  );
  return { open, missing };
}

const LOOKS_AT_ONCE = 16;

function pushedBlobs({ read }: Store): readonly BlobId[] {
  return [...read.blobs.range()].filter(([, { state }]) => state === "pushed").map(([blob]) => blob);
}

/** None are left: rows and files go, after the acknowledgements are there to stay. */
async function finishPushed({ store, stateDir }: RecoverContentOptions): Promise<readonly BlobId[]> {
  const pushed = pushedBlobs(store);
  if (pushed.length === 0) return [];
  await store.barrier();
  store.transact((tx) => {
    for (const blob of pushed) tx.blobs.remove(blob);
  });
  for (const blob of pushed) await removeFile(join(stateDir, BLOBS_FOLDER, String(blob)));
  return [];
}

/** What was written after the vfs last recorded the length is in the file: the Local row gets the length that the file has. */
function recordLengths(store: Store, open: readonly OpenBlob[]): void {
  const frozen = [...store.read.blobs.range()].filter(([, row]) => row.state === "frozen");
  store.transact((tx) => {
    for (const { blob, length } of open) recordLength(tx, blob, length);
    for (const [blob, { size }] of frozen) recordLength(tx, blob, size);
  });
}

/** Compares the rows of clean bytes with the cache folder, in both directions. */
async function lookAtCache(
  options: RecoverContentOptions,
): Promise<Pick<RecoveredContent, "cleanDropped" | "cleanAdopted" | "strays">> {
  const { store, cacheDir, after } = options;
  const unsure = after === "powerCut" || after === "lost";
  const dropped = unsure ? [...store.read.cached.range()].filter(([, row]) => !row.durable).map(([node]) => node) : [];
  if (dropped.length > 0)
    store.transact((tx) => {
      for (const node of dropped) tx.cached.remove(node);
    });
  let cleanAdopted = 0;
  const strays: string[] = [];
  for (const folder of await fs.readdir(cacheDir).catch(() => [])) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    for (const name of await fs.readdir(join(cacheDir, folder)).catch(() => [])) {
      const path = join(cacheDir, folder, name);
      const what = await lookAtFile(options, path);
      if (what === "adopted") cleanAdopted++;
      if (what === "stray") strays.push(path);
    }
  }
  return { cleanDropped: dropped.length, cleanAdopted, strays };
}

/** Keeps a file that a row names; makes a row for a complete one of the current version; every other is a stray, or goes. */
async function lookAtFile(
  options: RecoverContentOptions,
  path: string,
): Promise<"named" | "adopted" | "stray" | undefined> {
  const { store, cacheDir, log, after } = options;
  if (isSidecar(path)) return undefined;
  const node = nodeIn(path);
  const row = node && store.read.cached.get(node);
  const named = node && row && cleanPath(cacheDir, node, row.version);
  if (path === named || (path === `${named}.part` && !row?.durable)) return "named";
  if (after !== "lost") {
    const home = node && rightPlace(store, cacheDir, path, node) ? node : await nodeByItem(store, path);
    if (home !== undefined && !store.read.cached.get(home) && (await takeOver(store, cacheDir, path, home)))
      return "adopted";
  }
  const isUnsure =
    after === "lost" || store.read.meta.get("strays") === true || store.read.meta.get("enumerated") !== true;
  if (isUnsure && !path.endsWith(".part")) return "stray";
  log.trace("a cache file that nothing names was removed", { path });
  await removeFile(path);
  await identities(() => undefined).forget(path);
  return undefined;
}

/** The node in the name of a cache file. */
function nodeIn(path: string): ItemKey | undefined {
  const number = Number(path.slice(path.lastIndexOf("/") + 1).split(".")[0]);
  return Number.isSafeInteger(number) && number > 0 ? itemKey(number) : undefined;
}

function rightPlace(store: Store, cacheDir: string, path: string, node: ItemKey): boolean {
  const mirror = store.read.mirror.get(node);
  return mirror !== undefined && path === cleanPath(cacheDir, node, contentVersion(mirror));
}

/** The node that a complete file belongs to by what it says of itself: the index may have given the item another number. */
async function nodeByItem(store: Store, path: string): Promise<ItemKey | undefined> {
  if (path.endsWith(".part")) return undefined;
  const identity = await identities(() => undefined).read(path);
  const node = identity?.item ? store.read.ids.get(itemId(identity.item)) : undefined;
  const mirror = node === undefined ? undefined : store.read.mirror.get(node);
  return mirror && contentVersion(mirror) === identity?.version ? node : undefined;
}

async function takeOver(store: Store, cacheDir: string, path: string, node: ItemKey): Promise<boolean> {
  const mirror = store.read.mirror.get(node);
  const size = (await fs.stat(path)).size;
  if (!mirror || mirror.size !== size || path.endsWith(".part")) return false;
  const version = contentVersion(mirror);
  const target = cleanPath(cacheDir, node, version);
  if (path !== target) {
    await fs.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    await fs.rename(path, target);
    await identities(() => undefined).moved(path, target);
  }
  store.transact((tx) => tx.cached.put(node, { version, size, ranges: [0, size], durable: true, usedAt: 0 }));
  return true;
}
