/**
 * Keeps the cache folder within its limits: not more clean bytes than `cacheSizeBytes`, not less free disk than `cacheFreeBytes`.
 *
 * Bytes of versions that the cloud no longer has go first, then those used longest ago. Never goes: what is open or being fetched,
 * what is pinned (by itself or by the nearest folder that says anything), and unpushed bytes, which are not here at all.
 */
import { promises as fs } from "node:fs";
import type { Log } from "../base/log.ts";
import type { ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import { EVICT_TO_FRACTION } from "../model/limits.ts";
import type { Reader, Store } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { bytesOf, type Cache } from "./cache.ts";
import { diskFault } from "./files.ts";

export interface EvictOptions {
  readonly store: Store;
  readonly cache: Cache;
  readonly folder: string;
  readonly cacheSizeBytes: number;
  readonly cacheFreeBytes: number;
  readonly log: Log;
  onDefect(error: unknown): void;
}

/** Free disk is looked at after this many new bytes. */
const LOOK_EVERY_BYTES = 64 * 1024 * 1024;

export class Evictor {
  readonly #options: EvictOptions;
  #running: Promise<number> | undefined;
  #unlooked = LOOK_EVERY_BYTES;
  #ended = false;

  constructor(options: EvictOptions) {
    this.#options = options;
  }

  /** More clean bytes are here. */
  grown(bytes: number): void {
    this.#unlooked += bytes;
    this.#look();
  }

  /** Brings the cache within its limits. Returns bytes freed. */
  run(): Promise<number> {
    return this.#running ?? this.#start(() => this.#within());
  }

  /** The disk is full: frees what it can of `bytes`. */
  async makeRoom(bytes: number): Promise<boolean> {
    while (this.#running) await this.#running;
    return (await this.#start(() => this.#evict(Math.max(bytes, LOOK_EVERY_BYTES)))) > 0;
  }

  /** Nothing is evicted any more when this resolves. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }

  #look(): void {
    if (this.#running || this.#ended) return;
    if (this.#unlooked < LOOK_EVERY_BYTES && this.#options.cache.total <= this.#options.cacheSizeBytes) return;
    this.run().catch((error: unknown) => this.#options.onDefect(error));
  }

  /** What came meanwhile is looked at afterwards, unless nothing could be freed: then more bytes have to come first. */
  #start(work: () => Promise<number>): Promise<number> {
    const running = work().finally(() => (this.#running = undefined));
    this.#running = running;
    running.then(
      (freed) => freed > 0 && this.#look(),
      () => undefined,
    );
    return running;
  }

  async #within(): Promise<number> {
    const { cache, cacheSizeBytes, cacheFreeBytes, folder } = this.#options;
    this.#unlooked = 0;
    const overSize = cache.total > cacheSizeBytes ? cache.total - cacheSizeBytes * EVICT_TO_FRACTION : 0;
    const overDisk = cacheFreeBytes - (await freeBytes(folder));
    const wanted = Math.max(overSize, overDisk);
    return wanted > 0 ? this.#evict(wanted) : 0;
  }

  async #evict(wanted: number): Promise<number> {
    if (this.#ended) return 0;
    let freed = 0;
    for (const node of this.#candidates()) {
      if (freed >= wanted || this.#ended) break;
      freed += await this.#drop(node);
    }
    this.#options.log.trace("evicted clean bytes", { wanted, freed });
    return freed;
  }

  /** What the disk does not let go stays: that is no reason to stop. */
  async #drop(node: ItemKey): Promise<number> {
    try {
      return await this.#options.cache.drop(node);
    } catch (error) {
      diskFault(error, "evicting clean bytes");
      this.#options.log.trace("clean bytes could not be evicted", { node, error });
      return 0;
    }
  }

  /** What may go, first what should go first. */
  #candidates(): ItemKey[] {
    const { store, cache } = this.#options;
    cache.writeRows();
    const found: { node: ItemKey; usedAt: number }[] = [];
    for (const [node, row] of store.read.cached.range()) {
      if (bytesOf(row) === 0 || cache.isOpen(node)) continue;
      const mirror = store.read.mirror.get(node);
      const current = mirror && contentVersion(mirror) === row.version;
      if (current && isPinned(store.read, node)) continue;
      found.push({ node, usedAt: current ? row.usedAt : Number.NEGATIVE_INFINITY });
    }
    return found.sort((a, b) => a.usedAt - b.usedAt).map(({ node }) => node);
  }
}

/** True when the person wants the file kept here: its own word, or that of the nearest folder above that has one. */
export function isPinned(read: Reader, node: ItemKey): boolean {
  for (let at = node; ;) {
    const pin = read.facts.get(at)?.pin;
    if (pin !== undefined) return pin === 1;
    const parent = viewLocal(read, at)?.parent ?? read.mirror.get(at)?.parent;
    if (parent === undefined || parent === at) return false;
    at = parent;
  }
}

/** Free disk space for this user; unknown counts as plenty. */
export async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await fs.statfs(folder);
    return bavail * bsize;
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}
