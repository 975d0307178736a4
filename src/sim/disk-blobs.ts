/**
 * Blobs as files `FOLDER/NN/NUMBER`, small ones in memory when nothing has to survive.
 *
 * Guarantees: after `flush` and `finish` the bytes survive kill -9 of this process (they are in the kernel; a power cut is
 * not covered). Numbers are never used twice in one folder. A half-filled file belongs to nobody and is removed by `sweep`.
 * With `discard`, bytes are hashed and thrown away.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { promisify } from "node:util";
import { emptyContent, type Blobs, type Content, type Inflow } from "./content.ts";
import { QuickXor } from "./quick-xor.ts";

const SMALL_BYTES = 64 * 1024;
const SMALL_TOTAL_BYTES = 512 * 1024 * 1024;
const GATHER_BYTES = 1024 * 1024;
const BEHIND_BYTES = 8 * 1024 * 1024;
const READ_BYTES = 512 * 1024;
const writev = promisify(fs.writev);

export interface DiskBlobs extends Blobs {
  /** Removes every file whose number is not kept, and continues numbering behind all of them. */
  sweep(kept: ReadonlySet<number>): void;
}

export interface DiskBlobsOptions {
  readonly folder: string;
  /** Every blob is a file, however small. */
  readonly durable: boolean;
  readonly discard: boolean;
}

export function diskBlobs(options: DiskBlobsOptions): DiskBlobs {
  const { folder } = options;
  const small = new Map<number, Uint8Array>();
  let smallBytes = 0;
  let last = 0;
  const fileOf = (blob: number): string => path.join(folder, String(blob % 100), String(blob));
  const open = (blob: number): number => {
    fs.mkdirSync(path.dirname(fileOf(blob)), { recursive: true, mode: 0o700 });
    return fs.openSync(fileOf(blob), "w+", 0o600);
  };
  const inMemory = (size: number): boolean =>
    !options.durable && size <= SMALL_BYTES && smallBytes + size <= SMALL_TOTAL_BYTES;
  const store = (bytes: Uint8Array, hash: string): Content => {
    if (bytes.length === 0) return emptyContent;
    if (options.discard) return { kind: "unkept", size: bytes.length, hash };
    const blob = ++last;
    if (inMemory(bytes.length)) {
      small.set(blob, bytes);
      smallBytes += bytes.length;
    } else {
      const fd = open(blob);
      fs.writeSync(fd, bytes);
      fs.closeSync(fd);
    }
    return { kind: "stored", blob, size: bytes.length, hash };
  };
  const doors: InflowDoors = { discard: options.discard, next: () => ++last, open, fileOf, store };
  return {
    create: () => new DiskInflow(doors),
    store: (bytes) => store(Buffer.from(bytes), new QuickXor().update(bytes).digest()),
    read: (blob, from, to) => small.get(blob)?.subarray(from, to) ?? filePieces(fileOf(blob), from, to),
    bytes: (blob) => small.get(blob) ?? fs.readFileSync(fileOf(blob)),
    drop(blob) {
      smallBytes -= small.get(blob)?.length ?? 0;
      if (!small.delete(blob)) fs.unlink(fileOf(blob), () => undefined);
    },
    sweep(kept) {
      for (const part of fs.readdirSync(folder)) {
        for (const name of fs.readdirSync(path.join(folder, part))) {
          last = Math.max(last, Number(name));
          if (!kept.has(Number(name))) fs.unlinkSync(path.join(folder, part, name));
        }
      }
    },
  };
}

interface InflowDoors {
  readonly discard: boolean;
  next(): number;
  open(blob: number): number;
  fileOf(blob: number): string;
  store(bytes: Uint8Array, hash: string): Content;
}

/** Keeps the first bytes in memory; once they are many, writes to its own file, a megabyte at a time. */
class DiskInflow implements Inflow {
  readonly #doors: InflowDoors;
  #hash = new QuickXor();
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #file: { blob: number; fd: number } | undefined;
  #written = 0;
  #behind = 0;
  #queue: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(doors: InflowDoors) {
    this.#doors = doors;
  }

  get length(): number {
    return this.#hash.length;
  }

  write(chunk: Uint8Array): void | Promise<void> {
    this.#hash.update(chunk);
    if (this.#doors.discard) return undefined;
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#gatheredBytes < (this.#file ? GATHER_BYTES : SMALL_BYTES + 1)) return undefined;
    this.#send();
    return this.#behind > BEHIND_BYTES ? this.#queue : undefined;
  }

  async flush(): Promise<void> {
    if (this.#file) this.#send();
    await this.#queue;
    if (this.#failure !== undefined) throw this.#failure;
  }

  mark(): { length: number; hash: QuickXor } {
    return { length: this.#hash.length, hash: this.#hash.clone() };
  }

  rewind(mark: { length: number; hash: unknown }): void {
    this.#hash = (mark.hash as QuickXor).clone();
    if (this.#doors.discard) return;
    if (!this.#file) {
      const kept = Buffer.concat(this.#gathered).subarray(0, mark.length);
      this.#gathered = [kept];
      this.#gatheredBytes = kept.length;
      return;
    }
    this.#send();
    this.#written = mark.length;
  }

  finish(): Content {
    const file = this.#file;
    if (this.#doors.discard && this.length > 0) return { kind: "unkept", size: this.length, hash: this.#hash.digest() };
    if (!file) return this.#doors.store(Buffer.concat(this.#gathered), this.#hash.digest());
    this.#file = undefined;
    fs.ftruncateSync(file.fd, this.#hash.length);
    fs.closeSync(file.fd);
    return { kind: "stored", blob: file.blob, size: this.#hash.length, hash: this.#hash.digest() };
  }

  abort(): void {
    this.#gathered = [];
    const file = this.#file;
    this.#file = undefined;
    if (!file) return;
    void this.#queue.then(() => {
      fs.closeSync(file.fd);
      fs.unlink(this.#doors.fileOf(file.blob), () => undefined);
    });
  }

  /** Queues what was gathered at its place in the file. */
  #send(): void {
    const chunks = this.#gathered;
    const bytes = this.#gatheredBytes;
    if (bytes === 0) return;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#file ??= this.#openFile();
    const { fd } = this.#file;
    const at = this.#written;
    this.#written += bytes;
    this.#behind += bytes;
    this.#queue = this.#queue
      .then(() => writeAll(fd, chunks, at))
      .catch((error: unknown) => void (this.#failure ??= error))
      .finally(() => void (this.#behind -= bytes));
  }

  #openFile(): { blob: number; fd: number } {
    const blob = this.#doors.next();
    return { blob, fd: this.#doors.open(blob) };
  }
}

async function writeAll(fd: number, chunks: readonly Uint8Array[], at: number): Promise<void> {
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const { bytesWritten } = await writev(fd, chunks, at);
  if (bytesWritten === total) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  if (bytesWritten === 0) throw new Error("the disk takes no more bytes");
  await writeAll(fd, [rest], at + bytesWritten);
}

async function* filePieces(file: string, from: number, to: number): AsyncIterable<Uint8Array> {
  const handle = await fs.promises.open(file, "r");
  try {
    for (let at = from; at < to;) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, to - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
