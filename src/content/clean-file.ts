/**
 * The clean bytes of one version of one file: a sparse file in the cache folder and the map of what of it is here.
 *
 * On disk it is called `N.TAG.part` while it grows and `N.TAG` from the moment it was complete, verified against the service's
 * hash and synced (TAG stands for the version): the name itself says that the bytes can be trusted, whatever became of the index.
 * Bytes are in the map only after they were written. Somebody may delete the file at any time: bytes that are not where the map
 * says are bytes that are not here, and are fetched again.
 *
 * Verification: a small file is verified before anybody sees a byte of it, a large one when it is complete. Bytes with another hash
 * are dropped and fetched once more. Of a file whose bytes the service is known to change (some documents and photos) the same wrong
 * hash again means that the hash is wrong: the bytes are taken, with a log line. Of every other file wrong bytes are a fault, and it is
 * left alone for a while (wrong-bytes.ts).
 */
import { promises as fs } from "node:fs";
import type { Log } from "../base/log.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemId, ItemKey } from "../model/ids.ts";
import { HYDRATE_RANGE_BYTES } from "../model/limits.ts";
import type { Answer } from "./content.ts";
import { DiskFile, diskFault, isMissing, removeFile, syncFile, writeParts, type Files } from "./files.ts";
import type { Hasher } from "./hash.ts";
import { Hydration, type HydrateContext, type Target } from "./hydrate.ts";
import type { Identities } from "./identity.ts";
import { partsFault } from "./parts-fault.ts";
import { Ranges, type Span } from "./ranges.ts";
import { ReadAhead, WHOLE_BYTES_MAX, type Wish } from "./read-ahead.ts";
import type { Wanted } from "./strays.ts";
import { READ, WHOLE } from "./turns.ts";
import { uncachedReader, type UncachedReader } from "./uncached.ts";
import type { WrongBytes } from "./wrong-bytes.ts";

export interface CleanContext extends HydrateContext {
  readonly files: Files;
  readonly hasher: Hasher;
  readonly identities: Identities;
  readonly log: Log;
  readonly wrong: WrongBytes;
  /** The map or the state of the file changed; `bytes` more (or fewer) are here. */
  changed(file: CleanFile, bytes: number): void;
  /** Puts complete bytes of the version, left over from a lost index, in their place; false when there are none. */
  claim(wanted: Wanted): Promise<boolean>;
  /** Tries to free disk space; false when nothing could be freed. */
  makeRoom(bytes: number): Promise<boolean>;
}

export interface CleanFacts {
  readonly node: ItemKey;
  readonly version: string;
  readonly item: ItemId | undefined;
  readonly size: number;
  /** quickXorHash the service gives for this version; undefined: none. */
  readonly hash: string | undefined;
  /** The final name. */
  readonly path: string;
  readonly ranges: readonly number[];
  /** The service may send other bytes than its length and hash say. */
  readonly resizes: boolean;
  /** It does, as an earlier download showed. */
  readonly resized: boolean;
}

/** Of the bytes of one epoch; `judged` comes as soon as they are known to be right, `done` when the disk has them too. */
interface Verification {
  readonly epoch: number;
  readonly judged: Answer<undefined>;
  readonly done: Answer<undefined>;
}

export class CleanFile implements Target {
  readonly node: ItemKey;
  readonly version: string;
  readonly item: ItemId | undefined;
  readonly here: Ranges;
  size: number;
  /** Complete, verified, synced, under its final name. */
  durable = false;
  /** Sources that show this file. */
  sources = 0;
  usedAt = 0;
  readonly hydration: Hydration;
  readonly #context: CleanContext;
  readonly #path: string;
  readonly #hash: string | undefined;
  readonly #ahead = new ReadAhead();
  readonly #uncached: UncachedReader;
  #disk: DiskFile | undefined;
  #found: Promise<void> | undefined;
  #creating: Promise<DiskFile> | undefined;
  #verifying: Verification | undefined;
  /** Counts how often the bytes were dropped: what was written before a drop is not here. */
  #epoch = 0;
  /** The epoch whose bytes are known to be right, if any. */
  #right: number | undefined;
  readonly #resizes: boolean;
  /** The service sends another length than it says. */
  #resized: boolean;

  constructor(context: CleanContext, facts: CleanFacts) {
    this.#context = context;
    this.node = facts.node;
    this.version = facts.version;
    this.item = facts.item;
    this.size = facts.size;
    this.here = new Ranges(facts.ranges);
    this.#path = facts.path;
    this.#hash = facts.hash;
    this.#resized = facts.resized;
    this.#resizes = facts.resizes;
    this.hydration = new Hydration(context, this);
    this.#uncached = uncachedReader(context, this);
  }

  get isComplete(): boolean {
    return this.here.covers(0, this.size);
  }

  /** Bytes are on their way or being verified. */
  get isBusy(): boolean {
    return this.hydration.busy || this.#verifying !== undefined;
  }

  get have(): "none" | "some" | "all" {
    if (this.isComplete) return "all";
    return this.here.isEmpty ? "none" : "some";
  }

  async read(position: number, length: number, signal?: AbortSignal): Answer<Uint8Array> {
    for (let losses = 0; losses < 4;) {
      const end = Math.min(position + length, this.size);
      if (position >= end) return ok(new Uint8Array(0));
      await (this.#found ??= this.#find());
      const missed = !this.here.covers(position, end);
      const wish = this.#ahead.note(position, end, this.size, missed && !this.hydration.isComing(position, end));
      if (missed) {
        const got = await this.#fetch([position, end], wish, signal);
        if (!got.ok) return got.fault.kind === "noSpace" ? this.#uncached.read(position, end, signal) : got;
        continue;
      }
      if (wish.ahead > end) this.hydration.prefetch(end, wish.ahead);
      if (this.size <= HYDRATE_RANGE_BYTES && this.isComplete && !this.#isJudged) {
        const judged = await this.#judged();
        if (!judged.ok) return judged;
        if (this.isComplete && !this.#isJudged) losses++;
        if (!this.#isJudged) continue;
      }
      const bytes = await this.#fromDisk(position, end);
      if (bytes) return ok(bytes);
      losses++;
    }
    return fault("io", "the bytes vanish from the cache folder as soon as they are here");
  }

  /** Reads complete bytes again. Wrong ones go; `wrong` says why. Bytes that are not there are no problem: they are not here. */
  async reread(): Promise<{ readonly read: number; readonly wrong?: string }> {
    await this.look();
    const { size } = this;
    if (size === 0 || this.isBusy) return { read: 0 };
    if (!this.durable) return this.#rereadParts();
    const { hasher, identities } = this.#context;
    const digest = await this.withBytes([[0, size]], (fd) => hasher.digest(fd, size, false));
    if (!digest || !this.durable) return { read: 0 };
    const kept = (await identities.read(this.#path))?.hash;
    const expected = kept ?? this.#hash;
    if (digest.length === size && (expected === undefined || digest.hash === expected)) return { read: size };
    if (this.#disk) this.#drop(this.#disk);
    await removeClean(this.#path, identities);
    return {
      read: size,
      wrong: "its bytes in the cache were damaged on the disk; they are fetched again when they are read",
    };
  }

  /** Of bytes that are here in part no hash is known until all are: they are long enough, can be read, and are no holes. */
  async #rereadParts(): Promise<{ readonly read: number; readonly wrong?: string }> {
    const disk = this.#disk;
    if (!disk || this.here.isEmpty) return { read: 0 };
    const before = this.here.total;
    const epoch = this.#epoch;
    const wrong = await partsFault(disk.path, this.here, (task) => this.#context.files.use(disk, task));
    if (wrong === undefined || epoch !== this.#epoch) return { read: before };
    this.#drop(disk);
    await removeClean(this.#path, this.#context.identities);
    return { read: before, wrong: `its bytes in the cache ${wrong}; they are fetched again when they are read` };
  }

  /** Finds out what of it is here. */
  look(): Promise<void> {
    return (this.#found ??= this.#find());
  }

  /** Makes [from, to) be here, without a promise that they are right. */
  async need(from: number, to: number): Answer<undefined> {
    await (this.#found ??= this.#find());
    for (let end = Math.min(to, this.size); !this.here.covers(from, end); end = Math.min(to, this.size)) {
      if (this.#isBlocked) return wrongBytes();
      const got = await this.hydration.want(from, end, { urgency: READ, patient: true });
      if (!got.ok) return got;
    }
    return ok();
  }

  /** Makes all of it be here, verified. */
  async whole(signal?: AbortSignal): Answer<undefined> {
    if (this.size === 0) return ok();
    for (let losses = 0; losses < 4; losses++) {
      await (this.#found ??= this.#find());
      if (this.durable) return ok();
      if (this.#isBlocked) return wrongBytes();
      const got = await this.hydration.all(WHOLE, signal);
      if (!got.ok) return got;
      const verified = await this.verified();
      if (!verified.ok) return verified;
      if (this.durable) return ok();
    }
    return fault("io", "the bytes vanish from the cache folder as soon as they are here");
  }

  /**
   * Runs `task` with the descriptor of the file that has the bytes of all `spans`; undefined when some are not here, or vanished
   * meanwhile: then what the task took for bytes may be holes.
   */
  async withBytes<T>(spans: readonly Span[], task: (fd: number) => Promise<T>): Promise<T | undefined> {
    await (this.#found ??= this.#find());
    const disk = this.#disk;
    const epoch = this.#epoch;
    if (!disk || !spans.every(([from, to]) => this.here.covers(from, Math.min(to, this.size)))) return undefined;
    try {
      const done = await this.#context.files.use(disk, task);
      return epoch === this.#epoch ? done : undefined;
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#drop(disk);
      return undefined;
    }
  }

  async store(position: number, parts: readonly Uint8Array[]): Answer<undefined> {
    const end = parts.reduce((sum, part) => sum + part.length, position);
    if (this.here.covers(position, Math.min(end, this.size))) return ok();
    const write = async (): Promise<void> => {
      const epoch = this.#epoch;
      const disk = await this.#writable();
      await this.#context.files.use(disk, (fd) => writeParts(fd, position, parts));
      if (epoch === this.#epoch) this.#context.changed(this, this.here.add(position, end));
    };
    try {
      await write().catch(async (error: unknown) => {
        const full = diskFault(error, "writing to the cache folder").fault.kind === "noSpace";
        if (full ? !(await this.#context.makeRoom(end - position)) : !isMissing(error)) throw error;
        if (!full && this.#disk) this.#drop(this.#disk);
        await write();
      });
    } catch (error) {
      return diskFault(error, "writing to the cache folder");
    }
    if (this.isComplete) this.verified().catch((error: unknown) => this.#context.onDefect(error));
    return ok();
  }

  resize(size: number): boolean {
    if (size === this.size) return true;
    if (!this.#resizes) return false;
    const { log } = this.#context;
    log.fault("the service sends another length than it says; taking what it sends", {
      node: this.node,
      said: this.size,
      sent: size,
    });
    this.#resized = true;
    this.size = size;
    this.#context.changed(this, 0);
    return true;
  }

  /** Waits for the verification of a complete file; drops the bytes when they are wrong. */
  verified(): Answer<undefined> {
    if (this.durable || !this.isComplete || this.size === 0) return Promise.resolve(ok());
    return this.#verification().done;
  }

  /** A small file that was shown before the disk had it gets its final name before the end; a large one is verified again in time. */
  async settled(): Promise<void> {
    if (this.size <= HYDRATE_RANGE_BYTES) await this.#verifying?.done;
  }

  /** The file at the final name is complete and right (it was pushed from here). */
  arrived(size: number): void {
    if (this.durable) return;
    const disk = this.#disk;
    if (disk) this.#context.files.forget(disk);
    this.#disk = new DiskFile(this.#path);
    this.#found = Promise.resolve();
    this.#epoch++;
    this.size = size;
    this.durable = true;
    this.#context.changed(this, this.here.add(0, size));
    this.hydration.tend();
  }

  /** Gives up the bytes, on disk too. Not while a Source is open. */
  async discard(): Promise<void> {
    this.hydration.calm();
    if (this.#disk) this.#drop(this.#disk);
    else this.#lose();
    await removeClean(this.#path, this.#context.identities);
  }

  release(): void {
    this.sources--;
    if (this.sources > 0) return;
    this.hydration.calm();
    this.#uncached.forget();
  }

  closeFile(): void {
    if (this.#disk) this.#context.files.forget(this.#disk);
  }

  get #isBlocked(): boolean {
    const { wrong, clock } = this.#context;
    return wrong.isBlocked(this.node, this.version, clock.now());
  }

  #fetch([from, to]: Span, wish: Wish, signal: AbortSignal | undefined): Answer<undefined> {
    if (this.#isBlocked) return Promise.resolve(wrongBytes());
    if (this.size <= WHOLE_BYTES_MAX) return this.hydration.want(0, this.size, { urgency: READ, signal });
    const got = this.hydration.want(from, to, { urgency: READ, reach: wish.reach, signal });
    if (wish.ahead > wish.reach) this.hydration.prefetch(wish.reach, wish.ahead);
    return got;
  }

  async #fromDisk(position: number, end: number): Promise<Uint8Array | undefined> {
    const disk = this.#disk;
    const bytes = await this.withBytes([[position, end]], (fd) =>
      this.#context.files.readFrom(fd, position, end - position),
    );
    if (!bytes) return undefined;
    if (bytes.length === end - position) return bytes;
    if (disk && disk === this.#disk) this.#drop(disk);
    return undefined;
  }

  /** Finds out what of the map is true: the final name is, the growing file when it is long enough. */
  async #find(): Promise<void> {
    const length = async (path: string): Promise<number> => (await fs.stat(path).catch(() => undefined))?.size ?? -1;
    const { item, version, size } = this;
    if (this.here.isEmpty) await this.#context.claim({ item, version, size, path: this.#path });
    if (this.size > 0 && (await length(this.#path)) === this.size) {
      this.#disk = new DiskFile(this.#path);
      this.durable = true;
      this.#context.changed(this, this.here.add(0, this.size));
    } else if (!this.here.isEmpty) {
      if ((await length(partOf(this.#path))) >= this.here.end) this.#disk = new DiskFile(partOf(this.#path));
      else this.#lose();
    }
  }

  /** The growing file, made when it is not there. */
  #writable(): Promise<DiskFile> {
    if (this.#disk) return Promise.resolve(this.#disk);
    const create = async (): Promise<DiskFile> => {
      const disk = new DiskFile(partOf(this.#path));
      await this.#context.files.create(disk, "again");
      this.#disk = disk;
      const { node, item, version } = this;
      await this.#describe(disk.path, { node, version, ...(item ? { item } : {}) });
      return disk;
    };
    return (this.#creating ??= create().finally(() => (this.#creating = undefined)));
  }

  /** The bytes are not where they should be. */
  #drop(disk: DiskFile): void {
    if (this.#disk !== disk) return;
    this.#context.files.forget(disk);
    this.#disk = undefined;
    this.#lose();
  }

  #lose(): void {
    const lost = this.here.total;
    this.#epoch++;
    this.here.clear();
    this.durable = false;
    this.#context.changed(this, -lost);
  }

  get #isJudged(): boolean {
    return this.durable || (this.isComplete && this.#right === this.#epoch);
  }

  /** Waits until complete bytes are known to be right, not for the disk to have them. */
  async #judged(): Answer<undefined> {
    if (!this.isComplete) return ok();
    const { judged, done } = this.#verification();
    return Promise.race([done, judged]);
  }

  /** Of the bytes that are here now. Those that were dropped and came again have one of their own, after that of those before. */
  #verification(): Verification {
    const before = this.#verifying;
    const epoch = this.#epoch;
    if (before?.epoch === epoch) return before;
    let isRight: () => void = () => undefined;
    const judged = new Promise<Result<undefined, Fault>>((resolve) => (isRight = () => resolve(ok())));
    const verify = (): Answer<undefined> => this.#verify(epoch, isRight);
    const done = (before ? before.done.then(verify) : verify()).finally(() => {
      if (this.#verifying?.epoch === epoch) this.#verifying = undefined;
    });
    return (this.#verifying = { epoch, judged, done });
  }

  async #verify(epoch: number, isRight: () => void): Answer<undefined> {
    const disk = this.#disk;
    if (!disk || epoch !== this.#epoch) return ok();
    const { files, hasher, log } = this.#context;
    try {
      return await files.use(disk, async (fd) => {
        const digest = await hasher.digest(fd, this.size, false);
        if (epoch !== this.#epoch) return ok();
        const right = this.#hash === undefined || digest.hash === this.#hash;
        const again = digest.hash === this.#context.wrong.last(this.node, this.version);
        const tolerated = !right && this.#resizes && (this.#resized || again);
        if (digest.length !== this.size || (!right && !tolerated)) return this.#refuse(disk, digest.hash);
        if (tolerated)
          log.fault("the service's hash is not that of the bytes it sends; taking the bytes", { node: this.node });
        this.#right = epoch;
        isRight();
        await this.#keep(disk, fd, { epoch, hash: digest.hash });
        return ok();
      });
    } catch (error) {
      if (!isMissing(error)) return diskFault(error, "verifying a download");
      this.#drop(disk);
      return ok();
    }
  }

  #refuse(disk: DiskFile, hash: string): Awaited<Answer<undefined>> {
    const { wrong, clock, log } = this.#context;
    const { node, version } = this;
    this.#drop(disk);
    const times = wrong.came(node, { version, hash }, clock.now());
    if (times === 1) return ok();
    log.fault("a download does not match the hash that the service gives; not trying again for a while", {
      node,
      times,
    });
    return wrongBytes();
  }

  /** Synced, described, and under the final name. */
  async #keep(
    disk: DiskFile,
    fd: number,
    { epoch, hash }: { readonly epoch: number; readonly hash: string },
  ): Promise<void> {
    const { node, item, version, size } = this;
    await syncFile(fd);
    if (epoch !== this.#epoch) return;
    await fs.rename(disk.path, this.#path);
    await this.#context.identities.moved(disk.path, this.#path);
    disk.path = this.#path;
    await this.#describe(disk.path, { node, version, size, hash, ...(item ? { item } : {}) });
    if (epoch !== this.#epoch) return removeClean(this.#path, this.#context.identities);
    this.durable = true;
    this.#context.changed(this, 0);
  }

  /** Says in the file whose bytes these are. Bytes without it are good all the same, so a failure is only traced. */
  async #describe(path: string, identity: Parameters<Identities["write"]>[1]): Promise<void> {
    try {
      await this.#context.identities.write(path, identity);
    } catch (error) {
      this.#context.log.trace("a cache file could not be described", { error });
    }
  }
}

/** Removes the files of a version, whichever there are. */
export async function removeClean(path: string, identities: Identities): Promise<void> {
  for (const name of [path, partOf(path)]) {
    await removeFile(name);
    await identities.forget(name);
  }
}

export function partOf(path: string): string {
  return `${path}.part`;
}

function wrongBytes(): ReturnType<typeof fault> {
  return fault("io", "the bytes that come do not match the file's hash");
}
