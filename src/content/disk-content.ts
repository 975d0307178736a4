/**
 * Content on disk: clean bytes in the cache folder (cache.ts), unpushed bytes in the state folder (blobs.ts), missing bytes from the
 * cloud (hydrate.ts). Keeps the promises of content.ts; SPEC.md numbers what follows from them and names the tests.
 *
 * Disk work that may wait runs on the thread pool (files.ts says what does not), all hashing of large files on a worker.
 * The folders are made by `recoverContent`, which runs before this.
 */
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { ok } from "../base/result.ts";
import type { Drive } from "../drive/drive.ts";
import { fault } from "../model/fault.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import { BARRIER_INTERVAL_MS, BLOB_SWEEP_MS, DOWNLOADS_MAX, OPEN_FILES_MAX } from "../model/limits.ts";
import { StoreFull, type Store } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { attributeThread, type AttributeThread } from "./attributes.ts";
import { Blobs, BLOBS_FOLDER, recordedSize } from "./blobs.ts";
import { Cache } from "./cache.ts";
import type { Answer, CacheUse, Content, Dirtied, Frozen, Source, Verified } from "./content.ts";
import { Evictor, freeBytes } from "./evict.ts";
import { diskFault, Files, isFull, type ReadCached } from "./files.ts";
import { FrozenBlobs } from "./frozen.ts";
import { hasher, type Hasher } from "./hash.ts";
import { offline } from "./hydrate.ts";
import { identities, type Identities } from "./identity.ts";
import type { RecoveredContent } from "./recover-content.ts";
import { copied, DiskSource, type Shown, type SourceOwner } from "./source.ts";
import { Strays } from "./strays.ts";
import { verifyContent } from "./verify.ts";
import { turns } from "./turns.ts";

export interface DiskContentOptions {
  readonly store: Store;
  readonly drive: Pick<Drive, "download">;
  readonly clock: Clock;
  /** Unpushed bytes go into `blobs` in it. */
  readonly stateDir: string;
  readonly cacheDir: string;
  readonly dirtied: Dirtied;
  readonly limits: {
    readonly cacheSizeBytes: number;
    readonly cacheFreeBytes: number;
    readonly readTimeoutMs: number;
  };
  readonly log: Log;
  /** What recovery left to do. */
  readonly recovered?: Pick<RecoveredContent, "strays" | "pushed" | "synced">;
  /** Where the machine has it: see files.ts. */
  readonly readCached?: ReadCached | undefined;
  onDefect(error: unknown): void;
  /** A read found that the cloud has another version than the Mirror says. */
  onStale?(node: ItemKey): void;
}

export function diskContent(options: DiskContentOptions): Content {
  return new DiskContent(options);
}

class DiskContent implements Content, SourceOwner {
  readonly blobs: Blobs;
  readonly dirtied: Dirtied;
  readonly #options: DiskContentOptions;
  readonly #store: Store;
  readonly #files: Files;
  readonly #hasher: Hasher = hasher();
  readonly #attributes: AttributeThread = attributeThread();
  readonly #described: Identities;
  readonly #cache: Cache;
  readonly #frozen: FrozenBlobs;
  readonly #evictor: Evictor;
  /** Open Sources that new opens share, by what they show. */
  readonly #shared = new Map<string, DiskSource>();
  readonly #sources = new Set<DiskSource>();
  readonly #notes: string[] = [];
  #online = true;
  #closed = false;
  #cancelSweep: () => void = () => undefined;
  /** Blobs without a row that no Source shows any more: their files go soon. */
  readonly #unneeded = new Set<BlobId>();
  #cancelRemoval: (() => void) | undefined;
  #removing: Promise<void> = Promise.resolve();

  constructor(options: DiskContentOptions) {
    const { store, log, clock, drive, limits, onDefect } = options;
    this.#options = options;
    this.#store = store;
    this.#files = new Files(OPEN_FILES_MAX, clock, options.readCached);
    this.dirtied = options.dirtied;
    const described = (this.#described = identities(
      (path) => {
        const folder = path.startsWith(options.cacheDir) ? options.cacheDir : options.stateDir;
        this.#notes.push(`${folder} has no extended attributes: what each file belongs to is kept in a file beside it`);
        log.fault(this.#notes.at(-1)!);
      },
      { aside: this.#attributes, isQuick: () => this.#files.isQuick },
    ));
    const inherited = options.recovered?.synced ?? (async () => undefined);
    const common = { store, log, clock, files: this.#files, identities: described, inherited, onDefect };
    const makeRoom = (bytes: number): Promise<boolean> => this.#evictor.makeRoom(bytes);
    this.blobs = new Blobs({ ...common, makeRoom, folder: join(options.stateDir, BLOBS_FOLDER) });
    this.#cache = new Cache({
      ...common,
      drive,
      makeRoom,
      folder: options.cacheDir,
      hasher: this.#hasher,
      turns: turns(DOWNLOADS_MAX),
      strays: new Strays({ paths: options.recovered?.strays ?? [], read: store.read, identities: described, log }),
      readTimeoutMs: limits.readTimeoutMs,
      isOnline: () => this.#online,
      onStale: (node) => options.onStale?.(node),
      grown: (bytes) => this.#evictor.grown(bytes),
    });
    this.#evictor = new Evictor({ ...common, ...limits, cache: this.#cache, folder: options.cacheDir });
    this.#frozen = new FrozenBlobs({
      ...common,
      blobs: this.blobs,
      cache: this.#cache,
      hasher: this.#hasher,
      sourceOf: (blob) => this.#shared.get(`blob ${blob}`),
      isShown: (blob) => this.#isShown(blob),
    });
    this.#frozen.retireSoon(options.recovered?.pushed ?? []);
    store.beforeBarrier(() => this.blobs.syncAll());
    this.#sweepLater();
  }

  open(node: ItemKey): Source {
    const shown = this.#show(node);
    const shared = this.#shared.get(keyOf(node, shown) ?? "");
    const source = shared ?? new DiskSource(this, node, shown);
    if (!shared) this.#enter(source);
    source.holds++;
    return source;
  }

  openBlob(blob: BlobId): Source | undefined {
    return this.#shared.get(`blob ${blob}`);
  }

  isOpen(node: ItemKey): boolean {
    for (const source of this.#sources) if (source.node === node) return true;
    return false;
  }

  async createBlob(): Answer<BlobId> {
    const made = await this.blobs.create();
    return made.ok ? ok(made.value.blob) : made;
  }

  async toBlob(node: ItemKey): Answer<BlobId> {
    const safe = await this.blobs.inheritedSafe();
    if (!safe.ok) return safe;
    const shown = this.#show(node);
    const copy = async (): Answer<BlobId> => {
      if (shown.at === "nothing") return fault("stale", "the file is gone");
      const damaged = shown.at === "blob" ? this.blobs.damageOf(shown.file) : undefined;
      if (damaged !== undefined) return fault("io", damaged);
      const size = shown.file.size;
      const made = await copied(this.blobs, shown, { keep: size, spans: [[0, size]] });
      return made.ok ? ok(made.value.blob) : made;
    };
    if (shown.at !== "clean") return this.#shared.get(keyOf(node, shown) ?? "")?.inOrder(copy) ?? copy();
    this.#cache.hold(shown.file);
    try {
      const here = shown.file.isComplete ? await shown.file.verified() : fault("stale", "not all bytes are here");
      return here.ok && shown.file.isComplete ? await copy() : fault("stale", "not all bytes are here");
    } finally {
      this.#cache.letGo(shown.file);
    }
  }

  freeze(blob: BlobId): Answer<Frozen> {
    return this.#frozen.freeze(blob);
  }

  adopt(blob: BlobId, node: ItemKey, version: string, same: boolean): Promise<void> {
    const newer = viewLocal(this.#store.read, node)?.content;
    if (newer?.from === "blob") this.blobs.describeSoon(newer.blob);
    return this.#frozen.adopt(blob, node, version, same);
  }

  async sweep(): Promise<void> {
    await this.#removeUnnamed(await this.blobs.unnamedOnDisk());
    const orphans: ItemKey[] = [];
    for (const [node] of this.#store.read.cached.range()) if (!this.#store.read.mirror.get(node)) orphans.push(node);
    for (const node of orphans) await this.#cache.drop(node);
  }

  verify(signal: AbortSignal): Promise<Verified> {
    const { store, clock, stateDir } = this.#options;
    const isInUse = (blob: BlobId): boolean => this.#isShown(blob) || this.#frozen.isLeaving(blob);
    const parts = { blobs: this.blobs, cache: this.#cache, hasher: this.#hasher, identities: this.#described };
    return verifyContent({ store, clock, isInUse, ...parts, blobFolder: join(stateDir, BLOBS_FOLDER) }, signal);
  }

  async takeOver(everyItemIsKnown: boolean): Promise<void> {
    if (this.#store.read.meta.get("strays") !== true) return;
    await this.#cache.takeOver(everyItemIsKnown);
    if (everyItemIsKnown) this.#store.transact((tx) => tx.meta.remove("strays"));
  }

  have(node: ItemKey): "none" | "some" | "all" {
    return viewLocal(this.#store.read, node)?.content.from === "blob" ? "all" : this.#cache.have(node);
  }

  async hydrate(node: ItemKey, signal?: AbortSignal): Answer<undefined> {
    if (viewLocal(this.#store.read, node)?.content.from === "blob") return ok();
    const file = this.#cache.current(node);
    if (!file) return ok();
    try {
      return await file.whole(signal);
    } catch (error) {
      return diskFault(error, "fetching a file");
    } finally {
      this.#cache.rest(file);
    }
  }

  async free(node: ItemKey): Promise<number> {
    return this.isOpen(node) ? 0 : this.#cache.drop(node);
  }

  async use(): Promise<CacheUse> {
    let unpushedBytes = 0;
    const { read } = this.#store;
    for (const [blob, row] of read.blobs.range())
      unpushedBytes += row.state === "pushed" ? 0 : (this.blobs.known(blob)?.size ?? recordedSize(read, blob));
    const diskFreeBytes = await freeBytes(this.#options.cacheDir);
    return { cleanBytes: this.#cache.total, unpushedBytes, diskFreeBytes, notes: this.#notes };
  }

  setOnline(online: boolean): void {
    this.#online = online;
    if (!online) this.#cache.stopDownloads(offline().fault);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelSweep();
    this.#cancelRemoval?.();
    await this.#removing;
    this.setOnline(false);
    this.#frozen.end();
    await this.#evictor.end();
    await Promise.all([...this.#sources].map((source) => source.inOrder(async () => undefined)));
    await this.#frozen.retire();
    await this.blobs.end();
    await this.blobs.syncAll();
    await this.#cache.close();
    this.#files.closeAll();
    await this.#hasher.close();
    await this.#attributes.close();
  }

  // ---- for Sources ---------------------------------------------------------------------------------------------------------

  nodeOf(blob: BlobId): ItemKey | undefined {
    return this.#store.read.blobs.get(blob)?.node;
  }

  moved(source: DiskSource, before: Shown): void {
    const after = source.shown;
    if (after.at === "clean") this.#cache.hold(after.file);
    if (after.at === "blob") this.blobs.named(after.file.blob);
    this.#unshare(source);
    const key = keyOf(source.ownNode, after);
    if (key !== undefined && !this.#shared.has(key)) this.#shared.set(key, source);
    this.#left(before);
  }

  closed(source: DiskSource): void {
    // Opened and closed once more while the first close waited its turn: it is closed already.
    if (!this.#sources.delete(source)) return;
    this.#unshare(source);
    if (source.shown.at === "blob" && !this.#isShown(source.shown.file.blob)) this.#frozen.closed(source.shown.file);
    this.#left(source.shown);
  }

  #enter(source: DiskSource): void {
    this.#sources.add(source);
    this.moved(source, { at: "nothing" });
  }

  #unshare(source: DiskSource): void {
    for (const [key, other] of this.#shared) if (other === source) this.#shared.delete(key);
  }

  /** A Source does not show this any more. */
  #left(shown: Shown): void {
    if (shown.at === "clean") this.#cache.letGo(shown.file);
    if (shown.at !== "blob" && shown.at !== "kept") return;
    const { blob } = shown.file;
    if (this.#isShown(blob) || this.#store.read.blobs.get(blob) || this.#frozen.isLeaving(blob)) return;
    this.#unneeded.add(blob);
    this.#cancelRemoval ??= this.#options.clock.after(BARRIER_INTERVAL_MS, () => {
      this.#cancelRemoval = undefined;
      const due = [...this.#unneeded];
      this.#unneeded.clear();
      this.#quietly(() => this.#removeUnnamed(due));
    });
  }

  #isShown(blob: BlobId): boolean {
    for (const { shown } of this.#sources)
      if ((shown.at === "blob" || shown.at === "kept") && shown.file.blob === blob) return true;
    return false;
  }

  #show(node: ItemKey): Shown {
    const view = viewLocal(this.#store.read, node);
    if (view?.content.from === "blob") return { at: "blob", file: this.blobs.get(view.content.blob) };
    const arriving = view?.mirror && this.#frozen.arriving(node, contentVersion(view.mirror));
    if (arriving) return { at: "blob", file: arriving };
    const file = view && this.#cache.current(node);
    return file ? { at: "clean", file } : { at: "nothing" };
  }

  /** After a barrier: a power cut must not bring back a row whose bytes are gone, before what replaced it is safe. */
  #removeUnnamed(blobs: readonly BlobId[]): Promise<void> {
    const mayGo = (blob: BlobId): boolean =>
      this.blobs.isUnnamed(blob) && !this.#isShown(blob) && !this.#frozen.isLeaving(blob);
    const removal = this.#removing.then(async () => {
      const due = blobs.filter(mayGo);
      if (due.length > 0 && !this.#closed) await this.#barrierIfRoom();
      for (const blob of due) if (!this.#closed && mayGo(blob)) await this.blobs.remove(blob);
    });
    this.#removing = removal.catch(() => undefined);
    return removal;
  }

  /** On a full disk nothing can be made safe, and what is to be removed may be what fills it. */
  async #barrierIfRoom(): Promise<void> {
    try {
      await this.#store.barrier();
    } catch (error) {
      if (!(error instanceof StoreFull) && !isFull(error)) throw error;
      this.#options.log.trace("unneeded bytes go before that is safe against a power cut: the disk is full");
    }
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#options.clock.after(BLOB_SWEEP_MS, () => {
      this.#sweepLater();
      this.#quietly(async () => this.#removeUnnamed(await this.blobs.unnamedOnDisk()));
    });
  }

  /** The next sweep tries again what fails here. */
  #quietly(task: () => Promise<void>): void {
    task().catch((error: unknown) => this.#options.log.trace("unneeded bytes could not be removed yet", { error }));
  }
}

/** What Sources are shared by. A kept one is shared with nobody: the version it is of has other bytes. */
function keyOf(node: ItemKey, shown: Shown): string | undefined {
  switch (shown.at) {
    case "blob":
      return `blob ${shown.file.blob}`;
    case "clean":
      return `clean ${node} ${shown.file.version}`;
    case "kept":
    case "nothing":
      return undefined;
  }
}
