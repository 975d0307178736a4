/**
 * The cache folder: which clean files there are, and their rows in the store. One CleanFile object per (node, version) that is open, busy
 * or changed; everything else is only a row. Rows are written behind the bytes, many at once, and only for the version that the
 * Mirror has; files of superseded versions go when their last Source closes.
 *
 * Losing any of it costs a download, never bytes.
 */
import { createHash } from "node:crypto";
import { promises as fs } from "node:fs";
import { dirname, join } from "node:path";
import type { ItemKey } from "../model/ids.ts";
import { contentVersion, type MirrorItem } from "../model/item.ts";
import { mayComeOtherwise } from "../model/rewritten.ts";
import { CACHE_ROWS_DELAY_MS, HYDRATE_RANGE_BYTES, USED_AT_GRAIN_MS } from "../model/limits.ts";
import type { CachedRow } from "../store/schema.ts";
import { StoreFull, type Store } from "../store/store.ts";
import { CleanFile, partOf, removeClean, type CleanContext } from "./clean-file.ts";
import { syncPath } from "./files.ts";
import { Ranges } from "./ranges.ts";
import type { Strays } from "./strays.ts";
import { wrongBytes } from "./wrong-bytes.ts";

export interface CacheOptions extends Omit<CleanContext, "changed" | "claim" | "wrong"> {
  readonly store: Store;
  readonly folder: string;
  readonly strays: Strays;
  /** Called when more bytes are here. */
  grown(bytes: number): void;
}

export class Cache {
  readonly #options: CacheOptions;
  readonly #context: CleanContext;
  readonly #files = new Map<string, CleanFile>();
  readonly #unwritten = new Set<CleanFile>();
  #cancelWrite: (() => void) | undefined;
  #writesInMs = 0;
  readonly #removals = new Set<Promise<void>>();
  #total: number | undefined;
  /** Bytes that came since rows were written: what a kill would fetch again. */
  #unwrittenBytes = 0;
  /** What changes from now on (a verification that comes to its end) is not recorded: it costs a look at the file next time. */
  #closed = false;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#context = {
      ...options,
      wrong: wrongBytes(),
      changed: (file, bytes) => this.#changed(file, bytes),
      claim: (wanted) => options.strays.claim(wanted),
    };
  }

  /** The clean file of the version that the Mirror has. */
  current(node: ItemKey): CleanFile | undefined {
    const mirror = this.#options.store.read.mirror.get(node);
    if (!mirror || mirror.kind !== "file") return undefined;
    return this.#of(node, contentVersion(mirror), mirror);
  }

  /** How much of the Mirror's version is here; cheaper than `current`. */
  have(node: ItemKey): "none" | "some" | "all" {
    const { read } = this.#options.store;
    const mirror = read.mirror.get(node);
    if (!mirror) return "none";
    const version = contentVersion(mirror);
    const file = this.#files.get(keyOf(node, version));
    if (file) return file.have;
    if (mirror.size === 0) return "all";
    const row = read.cached.get(node);
    if (row?.version !== version || row.ranges.length === 0)
      return this.#options.strays.has(mirror.id, version) ? "all" : "none";
    return row.ranges[0] === 0 && row.ranges[1]! >= row.size ? "all" : "some";
  }

  /** A Source begins to show the file. */
  hold(file: CleanFile): void {
    file.sources++;
    this.#files.set(keyOf(file.node, file.version), file);
    this.#use(file);
  }

  letGo(file: CleanFile): void {
    file.release();
    this.#use(file);
    this.#settle(file);
  }

  /** Somebody is done with a file that no Source shows. */
  rest(file: CleanFile): void {
    this.#use(file);
    this.#settle(file);
  }

  /** The cloud cannot be reached: nobody waits in vain. */
  stopDownloads(reason: Parameters<CleanFile["hydration"]["stopAll"]>[0]): void {
    for (const file of this.#files.values()) file.hydration.stopAll(reason);
  }

  /**
   * Takes a synced file that will never change as the complete bytes of `version`. The file keeps its own name too. The clean file is
   * held until `letGo`; undefined when the cloud has another version by now.
   */
  async take(path: string, of: { node: ItemKey; version: string; size: number }): Promise<CleanFile | undefined> {
    const { node, version, size } = of;
    const target = this.#path(node, version);
    const link = (): Promise<void> => this.#options.files.link(path, target);
    const first = link().catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await fs.mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await link();
    });
    await first.catch(async (error: unknown) => {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EEXIST") return;
      if (code !== "EXDEV" && code !== "EPERM" && code !== "EMLINK" && code !== "ENOTSUP") throw error;
      await fs.copyFile(path, partOf(target));
      await syncPath(partOf(target));
      await fs.rename(partOf(target), target);
    });
    const item = this.#options.store.read.mirror.get(node)?.id;
    await this.#options.identities
      .write(target, { node, version, size, ...(item ? { item } : {}) })
      .catch((error: unknown) => this.#options.log.trace("a cache file could not be described", { error }));
    const file = this.current(node);
    if (file?.version !== version) {
      await removeClean(target, this.#options.identities);
      return undefined;
    }
    this.hold(file);
    file.arrived(size);
    return file;
  }

  /** Drops the clean bytes of a node that nobody has open. Returns how many there were. */
  async drop(node: ItemKey): Promise<number> {
    const { store, identities } = this.#options;
    const row = store.read.cached.get(node);
    if ([...this.#files.values()].some((file) => file.node === node && file.sources > 0)) return 0;
    let freed = 0;
    for (const file of this.#files.values()) {
      if (file.node !== node) continue;
      freed += file.here.total;
      this.#removeRow(node, file.version);
      await file.discard();
      this.#settle(file);
    }
    const inRow = row && !this.#files.has(keyOf(node, row.version)) && freed === 0;
    if (!inRow || !this.#removeRow(node, row.version)) return freed;
    this.#count(-bytesOf(row));
    await removeClean(this.#path(node, row.version), identities);
    return bytesOf(row);
  }

  /** Reads the node's clean bytes again; wrong ones go. */
  async verify(node: ItemKey): Promise<{ readonly read: number; readonly problem?: string }> {
    const file = this.current(node);
    if (!file) return { read: 0 };
    const { usedAt } = file;
    this.hold(file);
    try {
      const { read, wrong } = await file.reread();
      return wrong === undefined ? { read } : { read, problem: wrong };
    } finally {
      this.letGo(file);
      file.usedAt = usedAt; // nobody used it
    }
  }

  /** Files that neither a row nor anybody at work knows. None while a lost index is being built anew. */
  async orphans(): Promise<string[]> {
    const { store, folder, strays } = this.#options;
    if (!strays.isEmpty) return [];
    this.writeRows();
    await Promise.all(this.#removals);
    const known = new Set<string>();
    const know = (): void => {
      for (const [node, row] of store.read.cached.range()) known.add(this.#path(node, row.version));
      for (const { node, version } of this.#files.values()) known.add(this.#path(node, version));
    };
    know(); // what goes while the folder is listed
    const paths: string[] = [];
    for (const part of await fs.readdir(folder).catch(() => [])) {
      if (!/^[0-9a-f]{2}$/.test(part)) continue;
      for (const name of await fs.readdir(join(folder, part)).catch(() => [])) paths.push(join(folder, part, name));
    }
    know(); // what comes
    return paths.filter((path) => !known.has(path.replace(/(\.part)?(\.identity)?$/, "")));
  }

  /** Takes over what a lost index left; with every item known, what is still left goes. */
  async takeOver(everyItemIsKnown: boolean): Promise<void> {
    const { strays } = this.#options;
    for (const node of await strays.known()) {
      const file = this.current(node);
      await file?.look();
      if (file) this.rest(file);
    }
    if (everyItemIsKnown) await strays.drop();
  }

  isOpen(node: ItemKey): boolean {
    for (const file of this.#files.values()) if (file.node === node && (file.sources > 0 || file.isBusy)) return true;
    return false;
  }

  /** Bytes here, exactly. Counted once, then kept up. */
  get total(): number {
    if (this.#total === undefined) {
      this.writeRows();
      this.#total = 0;
      for (const [node, row] of this.#options.store.read.cached.range())
        if (!this.#files.has(keyOf(node, row.version))) this.#total += bytesOf(row);
      for (const file of this.#files.values()) this.#total += file.here.total;
    }
    return this.#total;
  }

  /** Writes what is behind. A full disk leaves it for later: the rows are only worth a download. */
  writeRows(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    this.#unwrittenBytes = 0;
    if (this.#unwritten.size === 0) return;
    const files = [...this.#unwritten];
    const superseded: [ItemKey, CachedRow][] = [];
    try {
      this.#options.store.transact((tx) => {
        for (const file of files) {
          const before = tx.cached.get(file.node);
          const mirror = tx.mirror.get(file.node);
          const current = mirror !== undefined && contentVersion(mirror) === file.version;
          if (!current && before?.version !== file.version) continue;
          if (before && before.version !== file.version) superseded.push([file.node, before]);
          if (current && !file.here.isEmpty) tx.cached.put(file.node, rowOf(file));
          else if (before) tx.cached.remove(file.node);
        }
      });
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error;
      this.#schedule();
      return;
    }
    this.#unwritten.clear();
    for (const [node, row] of superseded)
      if (!this.#files.has(keyOf(node, row.version))) this.#forget(node, row.version, bytesOf(row));
    for (const file of files) this.#settle(file);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.settled()));
    this.writeRows();
    this.#closed = true;
    this.#cancelWrite?.();
    for (const file of this.#files.values()) file.closeFile();
    await Promise.all(this.#removals);
  }

  #of(node: ItemKey, version: string, mirror: MirrorItem): CleanFile {
    const known = this.#files.get(keyOf(node, version));
    if (known) return known;
    const row = this.#options.store.read.cached.get(node);
    const drive = this.#options.store.read.meta.get("drive") as { driveType?: string } | undefined;
    const resizes = mayComeOtherwise(mirror.name, drive?.driveType);
    const mine = row?.version === version && (resizes || row.size === mirror.size) ? row : undefined;
    const file = new CleanFile(this.#context, {
      node,
      version,
      item: mirror.id,
      size: mine?.size ?? mirror.size,
      resizes,
      resized: mine !== undefined && mine.size !== mirror.size,
      hash: mirror.hash,
      path: this.#path(node, version),
      ranges: mine?.ranges ?? [],
    });
    file.usedAt = mine?.usedAt ?? 0;
    this.#files.set(keyOf(node, version), file);
    return file;
  }

  #changed(file: CleanFile, bytes: number): void {
    this.#count(bytes);
    this.#unwritten.add(file);
    this.#unwrittenBytes += Math.max(bytes, 0);
    this.#schedule(this.#unwrittenBytes >= HYDRATE_RANGE_BYTES ? 0 : CACHE_ROWS_DELAY_MS);
    if (bytes > 0) this.#options.grown(bytes);
  }

  #count(bytes: number): void {
    if (this.#total !== undefined) this.#total += bytes;
  }

  #use(file: CleanFile): void {
    const now = this.#options.clock.now();
    if (now - file.usedAt < USED_AT_GRAIN_MS) return;
    file.usedAt = now;
    if (file.here.isEmpty) return;
    this.#unwritten.add(file);
    this.#schedule();
  }

  #schedule(delayMs = CACHE_ROWS_DELAY_MS): void {
    if (this.#closed) return;
    if (this.#cancelWrite && delayMs >= this.#writesInMs) return;
    this.#cancelWrite?.();
    this.#writesInMs = delayMs;
    this.#cancelWrite = this.#options.clock.after(delayMs, () => {
      this.#cancelWrite = undefined;
      try {
        this.writeRows();
      } catch (error) {
        this.#options.onDefect(error);
      }
    });
  }

  /** Lets the object go when nobody needs it; a superseded version loses its bytes then. */
  #settle(file: CleanFile): void {
    if (file.sources > 0 || file.isBusy || this.#unwritten.has(file)) return;
    const key = keyOf(file.node, file.version);
    if (this.#files.get(key) !== file) return;
    this.#files.delete(key);
    file.closeFile();
    const mirror = this.#options.store.read.mirror.get(file.node);
    if (mirror && contentVersion(mirror) === file.version) return;
    if (this.#removeRow(file.node, file.version)) this.#forget(file.node, file.version, file.here.total);
  }

  /** False when the disk is too full even for that. */
  #removeRow(node: ItemKey, version: string): boolean {
    try {
      this.#options.store.transact((tx) => {
        if (tx.cached.get(node)?.version === version) tx.cached.remove(node);
      });
      return true;
    } catch (error) {
      if (error instanceof StoreFull) return false;
      throw error;
    }
  }

  /** Removes the files of a version that has no row any more and that nobody reads. */
  #forget(node: ItemKey, version: string, bytes: number): void {
    this.#count(-bytes);
    const removal = removeClean(this.#path(node, version), this.#options.identities)
      .catch((error: unknown) =>
        this.#options.log.trace("an old version could not be removed from the cache", { error }),
      )
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  #path(node: ItemKey, version: string): string {
    return cleanPath(this.#options.folder, node, version);
  }
}

/** Where the complete bytes of a version are, when they are here. */
export function cleanPath(folder: string, node: ItemKey, version: string): string {
  const tag = createHash("sha1").update(version).digest("hex").slice(0, 12);
  return join(folder, (node % 256).toString(16).padStart(2, "0"), `${node}.${tag}`);
}

/** Bytes of a row that are here. */
export function bytesOf(row: CachedRow): number {
  return new Ranges(row.ranges).total;
}

function rowOf(file: CleanFile): CachedRow {
  const { version, size, durable, usedAt } = file;
  return { version, size, ranges: file.here.toArray(), durable, usedAt };
}

function keyOf(node: ItemKey, version: string): string {
  return `${node}\n${version}`;
}
