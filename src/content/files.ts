/**
 * The content files as the operating system sees them: a bounded number of open descriptors, and the reads, writes and syncs on them.
 * A descriptor in use is never closed.
 *
 * What waits for the disk (syncs, most reads, long writes) runs on the thread pool. What usually only reaches the kernel's memory
 * (opening and closing, short writes, reading few bytes just written) is done at once, since going to the pool and back costs many times the work; a disk
 * that made such a call slow is left to the pool for the next DISK_SLOW_MS. Nothing here syncs on the loop's thread.
 *
 * Failures are Node's errors with a `code`; `diskFault` says what they are for a person. A file that is not there any more
 * is `isMissing`.
 */
import fs from "node:fs";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { lend } from "../base/lent.ts";
import type { Failed } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import {
  CACHED_READ_BYTES_MAX,
  DISK_SLOW_MS,
  QUICK_CALL_MS,
  QUICK_READ_BYTES_MAX,
  QUICK_WRITE_BYTES_MAX,
} from "../model/limits.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** One file. `path` changes when the file is renamed; its descriptor stays. */
export class DiskFile {
  path: string;
  /** Set while open. */
  fd: number | undefined;
  opening: Promise<number> | undefined;
  users = 0;

  constructor(path: string) {
    this.path = path;
  }
}

/**
 * Reads what the system has of a file in its memory, without ever waiting for the disk: how many bytes from `position` on there were, which
 * are in `into` then; below 0: none.
 */
export type ReadCached = (fd: number, into: Uint8Array, position: number) => number;

export class Files {
  readonly #most: number;
  readonly #readCached: ReadCached | undefined;
  /** Open files in the order of their last use. */
  readonly #open = new Set<DiskFile>();
  readonly #leaving = new Set<DiskFile>();
  readonly #clock: Clock;
  #slowUntil = 0;

  constructor(most: number, clock: Clock, readCached?: ReadCached) {
    this.#most = most;
    this.#clock = clock;
    this.#readCached = readCached;
  }

  /** Runs `task` with the descriptor of an existing file. */
  async use<T>(file: DiskFile, task: (fd: number) => Promise<T>): Promise<T> {
    file.users++;
    try {
      return await task(file.fd === undefined ? await this.#opened(file) : this.#touch(file, file.fd));
    } finally {
      file.users--;
      if (file.users === 0 && this.#leaving.has(file)) this.#close(file);
      this.#shrink();
    }
  }

  /**
   * Makes the file, with the folder it is in. `again`: what is there is cut to nothing; otherwise nothing may be there. `ahead`: nobody
   * waits for it.
   */
  async create(file: DiskFile, how: "fresh" | "ahead" | "again"): Promise<void> {
    assert(file.fd === undefined && !file.opening, `${file.path} is not open`);
    const flags = how === "again" ? "w+" : "wx+";
    const opening = how === "ahead" ? openFile(file.path, flags) : this.#openPath(file.path, flags);
    const fd = await opening.catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      await fs.promises.mkdir(file.path.slice(0, file.path.lastIndexOf("/")), { recursive: true, mode: FOLDER_MODE });
      return openFile(file.path, flags);
    });
    file.fd = fd;
    this.#open.add(file);
    this.#shrink();
  }

  /** Writes all; returns fewer bytes than given only when the disk filled up in the middle. */
  write(file: DiskFile, position: number, bytes: Uint8Array): Promise<number> {
    return this.use(file, async (fd) =>
      bytes.length <= QUICK_WRITE_BYTES_MAX && this.isQuick
        ? this.#timed(() => writeNow(fd, position, bytes))
        : writeAt(fd, position, bytes),
    );
  }

  /** The bytes at `position`, fewer only at the end of the file: at once when the system has them in memory. */
  async readFrom(fd: number, position: number, length: number): Promise<Uint8Array> {
    const buffer = lend(length);
    const isSmall = length <= CACHED_READ_BYTES_MAX;
    const got = isSmall && this.#readCached ? Math.max(0, this.#readCached(fd, buffer, position)) : 0;
    return got === length ? buffer : readAt(fd, position, length, { buffer, got });
  }

  /** Bytes that were just written are in the kernel's memory: few of them are read at once. */
  readRecent(file: DiskFile, position: number, length: number): Promise<Uint8Array> {
    return this.use(file, async (fd) =>
      length <= QUICK_READ_BYTES_MAX && this.isQuick
        ? this.#timed(() => readNow(fd, position, length))
        : readAt(fd, position, length),
    );
  }

  /** Another name for a file. */
  async link(path: string, name: string): Promise<void> {
    if (this.isQuick) this.#timed(() => fs.linkSync(path, name));
    else await fs.promises.link(path, name);
  }

  lengthOf(file: DiskFile): Promise<number> {
    return this.use(file, async (fd) => (this.isQuick ? this.#timed(() => fs.fstatSync(fd).size) : lengthOf(fd)));
  }

  /** The disk has not made anybody wait lately. */
  get isQuick(): boolean {
    return this.#clock.now() >= this.#slowUntil;
  }

  /** Gives the descriptor back, as soon as nobody uses it. */
  forget(file: DiskFile): void {
    if (file.users > 0) this.#leaving.add(file);
    else this.#close(file);
  }

  closeAll(): void {
    for (const file of this.#open) this.forget(file);
  }

  get openCount(): number {
    return this.#open.size;
  }

  #opened(file: DiskFile): Promise<number> {
    file.opening ??= this.#openPath(file.path, "r+").then(
      (fd) => {
        file.opening = undefined;
        file.fd = fd;
        this.#open.add(file);
        return fd;
      },
      (error: unknown) => {
        file.opening = undefined;
        throw error;
      },
    );
    return file.opening;
  }

  #touch(file: DiskFile, fd: number): number {
    this.#open.delete(file);
    this.#open.add(file);
    return fd;
  }

  #shrink(): void {
    if (this.#open.size <= this.#most) return;
    for (const file of this.#open) {
      if (this.#open.size <= this.#most) return;
      if (file.users === 0) this.#close(file);
    }
  }

  #close(file: DiskFile): void {
    this.#open.delete(file);
    this.#leaving.delete(file);
    if (file.fd === undefined) return;
    const fd = file.fd;
    file.fd = undefined;
    if (!this.isQuick) return fs.close(fd, () => undefined);
    try {
      this.#timed(() => fs.closeSync(fd));
    } catch {
      // The descriptor is gone all the same; what was to be durable was synced before.
    }
  }

  async #openPath(path: string, flags: string): Promise<number> {
    return this.isQuick ? this.#timed(() => fs.openSync(path, flags, FILE_MODE)) : openFile(path, flags);
  }

  #timed<T>(call: () => T): T {
    const beganAt = this.#clock.now();
    try {
      return call();
    } finally {
      const now = this.#clock.now();
      if (now - beganAt > QUICK_CALL_MS) this.#slowUntil = now + DISK_SLOW_MS;
    }
  }
}

/** The bytes at `position`, fewer only at the end of the file. `begun`: where they go, and how many are there already. */
export async function readAt(
  fd: number,
  position: number,
  length: number,
  begun?: { readonly buffer: Buffer; readonly got: number },
): Promise<Uint8Array> {
  const buffer = begun?.buffer ?? Buffer.allocUnsafeSlow(length);
  let got = begun?.got ?? 0;
  while (got < length) {
    const now = await readOnce(fd, buffer, { offset: got, length: length - got, position: position + got });
    if (now === 0) break;
    got += now;
  }
  return got === length ? buffer : buffer.subarray(0, got);
}

/** Writes all; returns fewer bytes than given only when the disk filled up in the middle. */
export async function writeAt(fd: number, position: number, bytes: Uint8Array): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += await writeOnce(fd, bytes, { offset: done, length: bytes.length - done, position: position + done });
    } catch (error) {
      if (done > 0 && isFull(error)) return done;
      throw error;
    }
  }
  return done;
}

/** As `readAt`, without the thread pool. */
function readNow(fd: number, position: number, length: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(length);
  let got = 0;
  while (got < length) {
    const now = fs.readSync(fd, buffer, got, length - got, position + got);
    if (now === 0) break;
    got += now;
  }
  return got === length ? buffer : buffer.subarray(0, got);
}

/** As `writeAt`, without the thread pool. */
function writeNow(fd: number, position: number, bytes: Uint8Array): number {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      if (done > 0 && isFull(error)) return done;
      throw error;
    }
  }
  return done;
}

/** Writes all parts one behind the other. */
export async function writeParts(fd: number, position: number, parts: readonly Uint8Array[]): Promise<void> {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const done = parts.length === 1 ? await writeAt(fd, position, parts[0]!) : await writeVector(fd, position, parts);
  if (done === total) return;
  const rest = Buffer.concat(parts).subarray(done);
  if ((await writeAt(fd, position + done, rest)) < rest.length)
    throw Object.assign(new Error("disk full"), { code: "ENOSPC" });
}

export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fs.fsync(fd, (error) => (error ? reject(error) : resolve())));
}

export function cutFile(fd: number, size: number): Promise<void> {
  return new Promise((resolve, reject) => fs.ftruncate(fd, size, (error) => (error ? reject(error) : resolve())));
}

export function lengthOf(fd: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(stats.size))),
  );
}

/** Makes the names in a folder survive a power cut. */
export function syncFolder(path: string): Promise<void> {
  return syncPath(path);
}

/** Makes a file that nobody here has open survive a power cut. */
export async function syncPath(path: string): Promise<void> {
  const fd = await openFile(path, "r");
  try {
    await syncFile(fd);
  } finally {
    fs.close(fd, () => undefined);
  }
}

/** Copies `[from, to)` of one file to the same place of another, in steps. */
export async function copySpan(source: number, target: number, from: number, to: number): Promise<void> {
  const step = 1024 * 1024;
  for (let at = from; at < to; at += step) {
    const bytes = await readAt(source, at, Math.min(step, to - at));
    if (bytes.length < Math.min(step, to - at))
      throw Object.assign(new Error("the file ends early"), { code: "ENOENT" });
    await writeParts(target, at, [bytes]);
  }
}

/** Copies a whole file; shares the blocks where the file system can. */
export async function copyWhole(source: number, target: number): Promise<void> {
  await fs.promises.copyFile(`/proc/self/fd/${source}`, `/proc/self/fd/${target}`, fs.constants.COPYFILE_FICLONE);
}

/** Removes a file if it is there. */
export async function removeFile(path: string): Promise<void> {
  await fs.promises.unlink(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
}

export function isFull(error: unknown): boolean {
  return codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
}

/** The fault of a failed disk call. Anything that is not one is a defect and thrown on. */
export function diskFault(error: unknown, doing: string): Failed<Fault> {
  const code = codeOf(error);
  if (code === undefined) throw error;
  if (isFull(error)) return fault("noSpace", `${doing}: the disk is full`);
  if (code === "EFBIG") return fault("tooLarge", `${doing}: larger than the disk's file system allows`);
  if (code === "EROFS") return fault("readOnly", `${doing}: the disk is read-only`);
  return fault("io", `${doing}: ${code}`);
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code?.startsWith("E") && !code.startsWith("ERR_") ? code : undefined;
}

function openFile(path: string, flags: string): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.open(path, flags, FILE_MODE, (error, fd) => (error ? reject(error) : resolve(fd))),
  );
}

interface Place {
  readonly offset: number;
  readonly length: number;
  readonly position: number;
}

function readOnce(fd: number, buffer: Uint8Array, { offset, length, position }: Place): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.read(fd, buffer, offset, length, position, (error, count) => (error ? reject(error) : resolve(count))),
  );
}

function writeOnce(fd: number, bytes: Uint8Array, { offset, length, position }: Place): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.write(fd, bytes, offset, length, position, (error, count) => (error ? reject(error) : resolve(count))),
  );
}

function writeVector(fd: number, position: number, parts: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.writev(fd, parts, position, (error, count) => (error ? reject(error) : resolve(count))),
  );
}
