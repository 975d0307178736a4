/**
 * Unpushed bytes: the files `blobs/N` of the state folder. N comes from the store and is never used twice.
 *
 * A blob is open (written to) or sealed (never changes again). Bytes before records: `syncAll` runs inside every barrier of the
 * store, before records are made durable, and syncs every file written since the last time, and the folder when it has new names.
 * Each file says in its attributes where its bytes belong, as of the last sync. Nothing is removed here that has a row.
 */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { limit } from "../base/limit.ts";
import { breathe } from "../base/loop.ts";
import type { Log } from "../base/log.ts";
import { ok, type Result } from "../base/result.ts";
import type { Body } from "../drive/drive.ts";
import { fault, type Fault } from "../model/fault.ts";
import { blobId, type BlobId } from "../model/ids.ts";
import { FILE_BYTES_MAX, UNNAMED_BLOB_MS } from "../model/limits.ts";
import { changeTrees, viewLocal } from "../store/tree.ts";
import { StoreFull, type Reader, type Store, type Writer } from "../store/store.ts";
import type { Answer } from "./content.ts";
import { cutFile, DiskFile, diskFault, isFull, removeFile, syncFile, syncFolder, type Files } from "./files.ts";
import { blobIdentity, blobsActedOn } from "./blob-identity.ts";
import { isSidecar, type Identities } from "./identity.ts";
import { ReadyBlobs } from "./ready-blobs.ts";

export interface BlobOptions {
  readonly store: Store;
  readonly files: Files;
  readonly identities: Identities;
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  makeRoom(bytes: number): Promise<boolean>;
  /** Resolves when what a process before this one wrote is on disk, or its row says that the disk refused it. */
  inherited(): Promise<void>;
}

export class BlobFile {
  readonly blob: BlobId;
  readonly disk: DiskFile;
  size: number;
  sealed: boolean;
  /** What the file says of itself. */
  described = "";
  removed = false;
  /** Frozen, and its bytes were compared with the record in this process. */
  compared = false;
  /** The version that its bytes became, once the cloud has them. */
  became: string | undefined;
  /** Counts changes of the bytes; `synced` is the count that is known to be on disk. */
  changes = 0;
  synced = 0;
  /** Why a sync of it failed. The system may have dropped the bytes then, and says so once: a later sync that succeeds proves nothing. */
  refused: unknown;

  constructor(blob: BlobId, path: string, size: number, sealed: boolean) {
    this.blob = blob;
    this.disk = new DiskFile(path);
    this.size = size;
    this.sealed = sealed;
  }
}

export const BLOBS_FOLDER = "blobs";

/** Files synced at once; the thread pool has other work too. */
export const SYNCS_MAX = 3;
/** Numbers of blobs taken from the store in one transaction. */
const NUMBERS_TAKEN = 64;
export const REFUSED = "the disk of the state folder did not take its unpushed bytes: they may not be what was written";
/** Between two turns of everything else. */
const DESCRIBED_PER_TURN = 64;
const BODY_STEP_BYTES = 256 * 1024;

export class Blobs {
  readonly #options: BlobOptions;
  readonly #known = new Map<BlobId, BlobFile>();
  /** When blobs that nobody has named yet were made, or last written to. */
  readonly #unnamed = new Map<BlobId, number>();
  readonly #unsynced = new Set<BlobFile>();
  /** Counts files made; `#syncedNames` is the count whose names are known to be on disk. */
  #names = 0;
  #syncedNames = 0;
  #syncing: Promise<void> = Promise.resolve();
  #nextSync: Promise<void> | undefined;
  readonly #syncs = limit(SYNCS_MAX);
  #next = 0;
  #reserved = 0;
  /** Blobs that have to say something new of themselves, and the first operation not looked at for more of them. */
  readonly #undescribed = new Set<BlobId>();
  readonly #ready: ReadyBlobs<BlobFile>;
  #nextOp = 1;

  constructor(options: BlobOptions) {
    this.#options = options;
    this.#ready = new ReadyBlobs({
      clock: options.clock,
      make: () => this.#make("ahead"),
      drop: (file) => this.#discard(file),
      trace: (words, error) => options.log.trace(words, { error }),
    });
  }

  /** A new empty file under a number of its own. */
  async create(): Answer<BlobFile> {
    try {
      const file = this.#ready.take() ?? (await this.#make("fresh"));
      this.#known.set(file.blob, file);
      this.#unnamed.set(file.blob, this.#options.clock.now());
      this.#names++;
      this.#mark(file);
      return ok(file);
    } catch (error) {
      if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
      return diskFault(error, "making a file in the state folder");
    }
  }

  async #make(how: "fresh" | "ahead"): Promise<BlobFile> {
    for (;;) {
      const blob = this.#nextNumber();
      const file = new BlobFile(blob, this.path(blob), 0, false);
      // One made ahead waits for its turn, however long that takes.
      this.#unnamed.set(blob, how === "ahead" ? Infinity : this.#options.clock.now());
      try {
        await this.#options.files.create(file.disk, how);
        return file;
      } catch (error) {
        this.#unnamed.delete(blob);
        // A number that a power cut took back may have a file already; it is left alone.
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    }
  }

  /** No file is made any more, and none is left that was made ahead. */
  end(): Promise<void> {
    return this.#ready.end();
  }

  /** The blob's file, as its row and the Local row describe it when it is not in use yet. */
  get(blob: BlobId): BlobFile {
    const known = this.#known.get(blob);
    if (known) return known;
    const { read } = this.#options.store;
    const row = read.blobs.get(blob);
    const sealed = row !== undefined && row.state !== "open";
    const file = new BlobFile(blob, this.path(blob), sealed ? row.size : recordedSize(read, blob), sealed);
    this.#known.set(blob, file);
    return file;
  }

  /** Why the bytes may not be those that were written. */
  damageOf(file: BlobFile): string | undefined {
    return file.refused === undefined ? this.#options.store.read.blobs.get(file.blob)?.damaged : REFUSED;
  }

  known(blob: BlobId): BlobFile | undefined {
    return this.#known.get(blob);
  }

  /** Undefined when the blob has gone meanwhile: nothing is remembered of it then. */
  #fileOf(blob: BlobId): BlobFile | undefined {
    return this.#known.get(blob) ?? (this.#options.store.read.blobs.get(blob) ? this.get(blob) : undefined);
  }

  /** A row or a Source names it now. */
  named(blob: BlobId): void {
    this.#unnamed.delete(blob);
  }

  read(file: BlobFile, position: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, file.size - position));
    if (wanted === 0) return Promise.resolve(new Uint8Array(0));
    const { files } = this.#options;
    return files.use(file.disk, (fd) => files.readFrom(fd, position, wanted));
  }

  /** Bytes of a file that was written or synced a moment ago. */
  recent(file: BlobFile, position: number, length: number): Promise<Uint8Array> {
    return this.#options.files.readRecent(file.disk, position, length);
  }

  /** How long the file is on disk. */
  lengthOf(file: BlobFile): Promise<number> {
    return this.#options.files.lengthOf(file.disk);
  }

  withBytes<T>(file: BlobFile, task: (fd: number) => Promise<T>): Promise<T> {
    return this.#options.files.use(file.disk, task);
  }

  async write(file: BlobFile, position: number, bytes: Uint8Array): Answer<number> {
    if (position + bytes.length > FILE_BYTES_MAX) return fault("tooLarge", "the service takes no file this large");
    const write = (): Promise<number> => this.#options.files.write(file.disk, position, bytes);
    try {
      const written = await write().catch(async (error: unknown) => {
        if (!isFull(error) || !(await this.#options.makeRoom(bytes.length))) throw error;
        return write();
      });
      file.size = Math.max(file.size, written > 0 ? position + written : 0);
      return ok(written);
    } catch (error) {
      return diskFault(error, "writing to the state folder");
    } finally {
      this.#mark(file);
    }
  }

  async truncate(file: BlobFile, size: number): Answer<undefined> {
    if (size > FILE_BYTES_MAX) return fault("tooLarge", "the service takes no file this large");
    try {
      await this.#options.files.use(file.disk, (fd) => cutFile(fd, size));
      file.size = size;
      return ok();
    } catch (error) {
      return diskFault(error, "writing to the state folder");
    } finally {
      this.#mark(file);
    }
  }

  /** Fills a new blob by `copy`, which gets the descriptor and the path. The blob goes away when that fails. */
  async fill(file: BlobFile, size: number, copy: (fd: number, path: string) => Promise<void>): Answer<undefined> {
    try {
      const run = (): Promise<void> => this.#options.files.use(file.disk, (fd) => copy(fd, file.disk.path));
      await run().catch(async (error: unknown) => {
        this.#mark(file);
        if (!isFull(error) || !(await this.#options.makeRoom(size))) throw error;
        await run();
      });
      file.size = size;
      this.#mark(file);
      return ok();
    } catch (error) {
      await this.remove(file.blob);
      return diskFault(error, "copying into the state folder");
    }
  }

  /** A process before this one may have written what it did not sync: nothing is said to be safe before it is. */
  async inheritedSafe(): Answer<undefined> {
    try {
      await this.#options.inherited();
      return ok();
    } catch (error) {
      if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
      return diskFault(error, "syncing the state folder");
    }
  }

  /** Bytes written so far survive a power cut. */
  async sync(file: BlobFile): Answer<undefined> {
    const safe = await this.inheritedSafe();
    if (!safe.ok) return safe;
    // A sync that succeeds now proves nothing of bytes that the disk refused before.
    if (this.damageOf(file) === REFUSED) return fault("io", REFUSED);
    try {
      await this.#sync(file);
      await this.#syncNames();
      return ok();
    } catch (error) {
      return diskFault(error, "syncing the state folder");
    }
  }

  /** Everything written before the call survives a power cut afterwards. Calls that come while one waits share it. */
  syncAll(): Promise<void> {
    this.#nextSync ??= this.#syncing
      .catch(() => undefined)
      .then(() => {
        this.#nextSync = undefined;
        return (this.#syncing = this.#syncEvery());
      });
    return this.#nextSync;
  }

  body(file: BlobFile): Body {
    const { files } = this.#options;
    return {
      size: file.size,
      async *stream(start, end) {
        for (let at = start; at < end;) {
          const length = Math.min(BODY_STEP_BYTES, end - at);
          const from = at;
          const bytes = await files.readRecent(file.disk, from, length);
          if (bytes.length < length) throw new Error(`blob ${file.blob} ends before its recorded length`);
          yield bytes;
          at += length;
        }
      },
    };
  }

  async remove(blob: BlobId): Promise<void> {
    const file = this.#known.get(blob);
    this.#known.delete(blob);
    if (file) this.#unsynced.delete(file);
    await this.#discard(file ?? new BlobFile(blob, this.path(blob), 0, false));
    await this.#options.identities.forget(this.path(blob));
  }

  async #discard(file: BlobFile): Promise<void> {
    this.#unnamed.delete(file.blob);
    file.removed = true;
    this.#options.files.forget(file.disk);
    await removeFile(this.path(file.blob));
  }

  /** Numbers from the store that have a file which nothing names. */
  async unnamedOnDisk(): Promise<BlobId[]> {
    const next = (this.#options.store.read.meta.get("nextBlob") as number | undefined) ?? 1;
    const blobs = await blobsOnDisk(this.#options.folder);
    return blobs.filter((blob) => blob < next && this.isUnnamed(blob));
  }

  /** True when nothing names the blob and nobody is about to: one that is being filled is in use, however long that takes. */
  isUnnamed(blob: BlobId): boolean {
    if (this.#options.store.read.blobs.get(blob)) return false;
    const touchedAt = this.#unnamed.get(blob);
    if (touchedAt === undefined) return true;
    const busy = (this.#known.get(blob)?.disk.users ?? 0) > 0;
    return !busy && touchedAt <= this.#options.clock.now() - UNNAMED_BLOB_MS;
  }

  path(blob: BlobId): string {
    return join(this.#options.folder, String(blob));
  }

  /** Taken from the store some at a time; those that a process leaves unused are never used. */
  #nextNumber(): BlobId {
    if (this.#next >= this.#reserved) {
      this.#next = this.#options.store.transact((tx) => {
        const next = (tx.meta.get("nextBlob") as number | undefined) ?? 1;
        tx.meta.put("nextBlob", next + NUMBERS_TAKEN);
        return next;
      });
      this.#reserved = this.#next + NUMBERS_TAKEN;
    }
    return blobId(this.#next++);
  }

  /** The blob's file is to say what is known of it now, with the next sync. */
  describeSoon(blob: BlobId): void {
    const known = this.#known.get(blob);
    if (known) known.described = "";
    this.#undescribed.add(blob);
  }

  async #describeMoved(): Promise<void> {
    const acted = blobsActedOn(this.#options.store.read, this.#nextOp);
    this.#nextOp = acted.next;
    const due = new Set([...acted.blobs, ...this.#undescribed]);
    this.#undescribed.clear();
    const files = [...due].map((blob) => this.#fileOf(blob)).filter((file) => file !== undefined);
    // After a start these are all that is unpushed.
    for (let at = 0; at < files.length; at += DESCRIBED_PER_TURN) {
      if (at > 0) await breathe();
      const some = files.slice(at, at + DESCRIBED_PER_TURN);
      await Promise.all(some.map((file) => this.#syncs.run(() => this.#describe(file))));
    }
  }

  async #syncEvery(): Promise<void> {
    const { read } = this.#options.store;
    // Bytes that the disk refused and no row names any more hold up nobody.
    const due = [...this.#unsynced].filter(({ blob, refused }) => refused === undefined || read.blobs.get(blob));
    await this.#describeMoved();
    const settled = await Promise.allSettled(due.map((file) => this.#syncs.run(() => this.#sync(file))));
    await this.#syncNames();
    const failure = settled.find((one) => one.status === "rejected");
    if (failure) throw failure.reason;
  }

  #mark(file: BlobFile): void {
    file.changes++;
    this.#unsynced.add(file);
    if (this.#unnamed.has(file.blob)) this.#unnamed.set(file.blob, this.#options.clock.now());
  }

  async #sync(file: BlobFile): Promise<void> {
    const changes = file.changes;
    if (file.synced >= changes) return;
    if (file.refused !== undefined) {
      this.#remember(file);
      throw file.refused;
    }
    try {
      await this.#describe(file);
      await this.#options.files.use(file.disk, (fd) => syncFile(fd).catch((error) => this.#refused(file, error)));
    } catch (error) {
      if (!file.removed) throw error;
    }
    // Of syncs under way at the same time one is told what the disk refused; the others say nothing of it.
    if (file.refused !== undefined && !file.removed) throw file.refused;
    file.synced = Math.max(file.synced, changes);
    if (file.synced === file.changes) this.#unsynced.delete(file);
  }

  #refused(file: BlobFile, error: unknown): never {
    if (!file.removed) {
      file.refused = error;
      this.#remember(file);
      const said = { path: file.disk.path, error };
      this.#options.log.fault(
        "the disk did not take unpushed bytes: nothing is pushed until their file is deleted",
        said,
      );
    }
    throw error;
  }

  /** The row says it to the next process too; a blob that has none yet is tried again by every sync. */
  #remember({ blob }: BlobFile): void {
    const { store, log } = this.#options;
    const row = store.read.blobs.get(blob);
    if (!row || row.damaged !== undefined || row.state === "pushed") return;
    try {
      store.transact((tx) => tx.blobs.put(blob, { ...row, damaged: REFUSED }));
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error;
      log.trace("there is no room to record that bytes are damaged", { blob });
    }
  }

  async #syncNames(): Promise<void> {
    const names = this.#names;
    if (this.#syncedNames >= names) return;
    await syncFolder(this.#options.folder);
    this.#syncedNames = Math.max(this.#syncedNames, names);
  }

  /** Bytes without a description are safe as long as the index is, so a failure is only traced. */
  async #describe(file: BlobFile): Promise<void> {
    const identity = blobIdentity(this.#options.store.read, file.blob);
    const words = JSON.stringify(identity);
    if (!identity || words === file.described) return;
    try {
      await this.#options.identities.write(file.disk.path, identity);
      file.described = words;
    } catch (error) {
      this.#options.log.trace("a blob could not be described", { error });
    }
  }
}

/** The length that the store has for the blob: of an open one the Local row says it, of a sealed one its own row. */
export function recordedSize(read: Reader, blob: BlobId): number {
  const row = read.blobs.get(blob);
  const content = row && viewLocal(read, row.node)?.content;
  return content?.from === "blob" && content.blob === blob ? content.size : (row?.size ?? 0);
}

/** The Local row says the length of the blob, if the file still consists of it: a program may have written since it was last recorded. */
export function recordLength(tx: Writer, blob: BlobId, size: number): void {
  const node = tx.blobs.get(blob)?.node;
  const view = node === undefined ? undefined : viewLocal(tx, node);
  if (view?.content.from !== "blob" || view.content.blob !== blob || view.content.size === size) return;
  const { kind, parent, name, mtime, content } = view;
  const local = { kind, parent, name, mtime, content: { ...content, size } };
  changeTrees(tx, new Map([[view.node, { local }]]));
}

/** The numbers of the files in the blobs folder. */
export async function blobsOnDisk(folder: string): Promise<BlobId[]> {
  const names = await fs.readdir(folder).catch(() => []);
  return names.filter((name) => !isSidecar(name) && /^[1-9]\d{0,15}$/.test(name)).map((name) => blobId(Number(name)));
}

/** A refusal of the store as a fault; everything else is a defect. */
export function refusal(error: unknown): Result<never, Fault> {
  if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
  throw error;
}
