/**
 * A blob on its way to the cloud: open -> frozen (sealed, synced, hashed, recorded) -> pushed (the cloud has it) -> gone, its bytes
 * being clean bytes now.
 *
 * Frozen bytes are handed out only when they are those that were recorded: their length is compared each time, their hashes once in
 * every run of the process. A pushed blob's row and file go after a barrier, so that no power cut brings back the time before the
 * acknowledgement without the bytes; until then the cache has the same bytes under another name of the same file.
 */
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { keyedLock } from "../base/lock.ts";
import type { Log } from "../base/log.ts";
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import { BARRIER_INTERVAL_MS, QUICK_READ_BYTES_MAX } from "../model/limits.ts";
import type { BlobRow } from "../store/schema.ts";
import { StoreFull, type Reader, type Store } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { recordLength, refusal, type BlobFile, type Blobs } from "./blobs.ts";
import type { Cache } from "./cache.ts";
import type { CleanFile } from "./clean-file.ts";
import type { Answer, Frozen } from "./content.ts";
import { diskFault, isMissing } from "./files.ts";
import { digestOf, type Digest, type Hasher } from "./hash.ts";
import { HashAhead } from "./hash-ahead.ts";
import type { DiskSource } from "./source.ts";

export interface FrozenOptions {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly cache: Cache;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Log;
  /** The Source that writes to the blob. */
  sourceOf(blob: BlobId): DiskSource | undefined;
  /** True while some Source shows the blob's bytes. */
  isShown(blob: BlobId): boolean;
  onDefect(error: unknown): void;
}

export class FrozenBlobs {
  readonly #options: FrozenOptions;
  readonly #ahead: HashAhead;
  readonly #freezing = keyedLock<BlobId>();
  readonly #adopting = new Set<BlobId>();
  /** Blobs that are the bytes of a version (of a node) which the cache does not have yet. */
  readonly #arriving = new Map<string, BlobFile>();
  /** Adopted; row and file wait for a barrier. */
  readonly #pushed = new Set<BlobId>();
  #cancelRetire: (() => void) | undefined;
  #retiring: Promise<void> = Promise.resolve();

  constructor(options: FrozenOptions) {
    this.#options = options;
    this.#ahead = new HashAhead(options);
  }

  /** Nobody has the blob's file open any more: its push comes soon. */
  closed(file: BlobFile): void {
    this.#ahead.closed(file);
  }

  /** Nothing new is begun. */
  end(): void {
    this.#ahead.end();
  }

  freeze(blob: BlobId): Answer<Frozen> {
    return this.#freezing.run(blob, async () => {
      // Before it is sealed: what is written meanwhile would be a copy of bytes that the disk may yet refuse.
      const safe = await this.#options.blobs.inheritedSafe();
      if (!safe.ok) return safe;
      const row = this.#options.store.read.blobs.get(blob);
      if (!row) return released(blob);
      if (row.damaged !== undefined) return fault("io", row.damaged);
      const file = await this.#seal(blob);
      try {
        return await this.#compare(file, row);
      } catch (error) {
        // Released and swept while it was read: its file was deleted or written anew.
        if (isMissing(error) && !this.#options.store.read.blobs.get(blob)) return released(blob);
        return diskFault(error, `reading blob ${blob}`);
      }
    });
  }

  /** Marked in the turn of the call; the rest follows. */
  async adopt(blob: BlobId, node: ItemKey, version: string, same: boolean): Promise<void> {
    this.#adopting.add(blob);
    this.#mark(blob);
    const file = this.#options.blobs.get(blob);
    file.became = version;
    file.sealed = true;
    if (same) this.#arriving.set(arrivalOf(node, version), file);
    const clean = same && file.size > 0 ? await this.#toCache(file, node, version) : undefined;
    await this.#handOver(file, { node, version, same });
    if (clean) this.#options.cache.letGo(clean);
    this.#adopting.delete(blob);
    this.retireSoon([blob]);
  }

  /** The cloud has them, and clean bytes took their place: they go after the next barrier. */
  retireSoon(blobs: readonly BlobId[]): void {
    if (blobs.length === 0) return;
    for (const blob of blobs) this.#pushed.add(blob);
    this.#cancelRetire ??= this.#options.clock.after(BARRIER_INTERVAL_MS, () => {
      this.retire().catch((error: unknown) => this.#options.onDefect(error));
    });
  }

  /** The blob that has the bytes of this version, from its acknowledgement until the cache has them: nobody fetches those. */
  arriving(node: ItemKey, version: string): BlobFile | undefined {
    return this.#arriving.get(arrivalOf(node, version));
  }

  /** Removes what was pushed, after a barrier. */
  retire(): Promise<void> {
    this.#cancelRetire?.();
    this.#cancelRetire = undefined;
    return (this.#retiring = this.#retiring.catch(() => undefined).then(() => this.#retire()));
  }

  /** True while the file of a pushed blob is needed here, whether or not it has a row. */
  isLeaving(blob: BlobId): boolean {
    return this.#adopting.has(blob) || this.#pushed.has(blob);
  }

  /** Seals the blob behind every write that was asked for before. */
  async #seal(blob: BlobId): Promise<BlobFile> {
    const { blobs, sourceOf } = this.#options;
    const source = sourceOf(blob);
    const seal = (): BlobFile => {
      const file = blobs.get(blob);
      file.sealed = true;
      return file;
    };
    return source ? source.inOrder(async () => seal()) : seal();
  }

  async #compare(file: BlobFile, row: BlobRow): Answer<Frozen> {
    const { blobs } = this.#options;
    const length = await blobs.lengthOf(file);
    if (row.state !== "open" && length !== row.size) return mismatch(file.blob);
    file.size = length;
    if (row.hash !== undefined && row.sha256 !== undefined && file.compared)
      return ok(frozen(blobs, file, { hash: row.hash, sha256: row.sha256 }));
    // Sealed bytes do not change: a large file is read by the worker while the disk takes it.
    const ahead = row.state === "open" ? this.#ahead.take(file) : undefined;
    const hashing = length <= QUICK_READ_BYTES_MAX ? undefined : this.#digest(file, length, ahead);
    hashing?.catch(() => undefined); // a failed sync is told first
    const synced = await blobs.sync(file);
    if (!synced.ok) return synced;
    // The disk may have refused what a process before this one wrote.
    const refused = blobs.damageOf(file);
    if (refused !== undefined) return fault("io", refused);
    const digest = (await hashing) ?? digestOf(await blobs.recent(file, 0, length), true);
    if (digest.length !== length) return mismatch(file.blob);
    if (row.state === "open") {
      const recorded = this.#record(file, digest);
      if (!recorded.ok) return recorded;
    } else if (digest.hash !== row.hash || digest.sha256 !== row.sha256) return mismatch(file.blob);
    file.compared = true;
    return ok(frozen(blobs, file, digest));
  }

  async #digest(file: BlobFile, length: number, ahead: Promise<Digest> | undefined): Promise<Digest> {
    const known = await ahead?.catch(() => undefined);
    if (known?.length === length) return known;
    return this.#options.blobs.withBytes(file, (fd) => this.#options.hasher.digest(fd, length, true));
  }

  #record(file: BlobFile, { hash, sha256 }: { hash: string; sha256: string }): Awaited<Answer<undefined>> {
    try {
      return this.#options.store.transact((tx) => {
        // The node may have changed meanwhile, or the row may be gone.
        const now = tx.blobs.get(file.blob);
        if (!now) return released(file.blob);
        tx.blobs.put(file.blob, { node: now.node, size: file.size, state: "frozen", hash, sha256 });
        recordLength(tx, file.blob, file.size);
        return ok();
      });
    } catch (error) {
      return refusal(error);
    }
  }

  #mark(blob: BlobId): void {
    const known = this.#options.store.read.blobs.get(blob);
    if (!known || known.state === "pushed") return;
    try {
      this.#options.store.transact((tx) => {
        const row = tx.blobs.get(blob);
        if (row) tx.blobs.put(blob, { ...row, state: "pushed" });
      });
    } catch (error) {
      // The row says "frozen" a little longer; it goes with the next retirement all the same.
      if (!(error instanceof StoreFull)) throw error;
    }
  }

  /** Clean bytes are only worth a download, so a failure is traced and forgotten. */
  async #toCache(file: BlobFile, node: ItemKey, version: string): Promise<CleanFile | undefined> {
    try {
      return await this.#options.cache.take(file.disk.path, { node, version, size: file.size });
    } catch (error) {
      diskFault(error, "keeping pushed bytes");
      this.#options.log.trace("pushed bytes could not be kept in the cache", { node, error });
      return undefined;
    }
  }

  /** In one turn: the Source that shows the blob shows clean bytes, and who opens the file from now on too. */
  async #handOver(file: BlobFile, to: { node: ItemKey; version: string; same: boolean }): Promise<void> {
    const { sourceOf } = this.#options;
    const finish = (): void => {
      const source = sourceOf(file.blob);
      if (source) this.#convert(source, file, to);
      const key = arrivalOf(to.node, to.version);
      if (this.#arriving.get(key) === file) this.#arriving.delete(key);
    };
    const source = sourceOf(file.blob);
    await (source ? source.inOrder(async () => finish()) : finish());
  }

  #convert(source: DiskSource, file: BlobFile, to: { node: ItemKey; version: string; same: boolean }): void {
    const { node, version, same } = to;
    const clean = this.#options.cache.current(node);
    const usable = same && clean?.version === version && (clean.durable || file.size === 0);
    if (usable) source.show({ at: "clean", file: clean }, node);
    else {
      source.show({ at: "kept", file, version }, node);
      if (clean) this.#options.cache.rest(clean);
    }
  }

  async #retire(): Promise<void> {
    const { store, blobs, isShown, log } = this.#options;
    const due = [...this.#pushed];
    if (due.length === 0) return;
    for (const blob of due) assert(!isLocal(store.read, blob), `blob ${blob} was acknowledged, so no file shows it`);
    try {
      await store.barrier();
      store.transact((tx) => {
        for (const blob of due) if (tx.blobs.get(blob)) tx.blobs.remove(blob);
      });
    } catch (error) {
      log.fault("pushed bytes stay in the state folder for now", { error });
      return;
    }
    for (const blob of due) {
      this.#pushed.delete(blob);
      if (!isShown(blob)) await blobs.remove(blob);
    }
  }
}

/** True when the mount still shows the blob as a file's content. */
function isLocal(read: Reader, blob: BlobId): boolean {
  const node = read.blobs.get(blob)?.node;
  const content = node === undefined ? undefined : viewLocal(read, node)?.content;
  return content?.from === "blob" && content.blob === blob;
}

function frozen(blobs: Blobs, file: BlobFile, digest: { hash: string; sha256: string }): Frozen {
  return { blob: file.blob, hash: digest.hash, sha256: digest.sha256, body: blobs.body(file) };
}

function arrivalOf(node: ItemKey, version: string): string {
  return `${node}\n${version}`;
}

function released(blob: BlobId): ReturnType<typeof fault> {
  return fault("stale", `nothing names blob ${blob} any more`);
}

function mismatch(blob: BlobId): ReturnType<typeof fault> {
  return fault("io", `blob ${blob} does not match its recorded hash`);
}
