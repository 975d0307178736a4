/**
 * The process that writes our notices to the kernel (native/notice-writer.c says why it is one). Batches are written one after
 * another; each is told to be done once. A process that ended without our word is started again and told the batch anew: notices may be
 * repeated. One that ends again and again without writing anything is a defect, and then batches count as done, so that nobody waits
 * for ever for them.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { NOTICE_WRITER_STARTS_MAX } from "../../model/limits.ts";

export interface NoticeWriter {
  /** Writes frames; one batch at a time. */
  write(frames: Uint8Array, done: () => void): void;
  /** The process ends, and with it its hold on the mount. */
  end(): void;
}

export interface NoticeWriterOptions {
  readonly program: string;
  /** The mount's descriptor. */
  readonly fd: number;
  onDefect(error: unknown): void;
}

interface Batch {
  readonly bytes: Buffer;
  done(): void;
}

/** Undefined when it could not be started. */
export async function noticeWriter(options: NoticeWriterOptions): Promise<NoticeWriter | undefined> {
  const writer = new Writer(options);
  return (await writer.start()) ? writer : undefined;
}

class Writer implements NoticeWriter {
  readonly #options: NoticeWriterOptions;
  #child: ChildProcess | undefined;
  #batch: Batch | undefined;
  /** Since something was written last. */
  #starts = 0;
  #ended = false;

  constructor(options: NoticeWriterOptions) {
    this.#options = options;
  }

  /** True when it said that it is ready. */
  async start(): Promise<boolean> {
    this.#starts++;
    const child = begin(this.#options);
    this.#child = child;
    child.stdin!.on("error", () => undefined); // it ended, which is told by its exit
    const ready = await Promise.race([
      once(child.stdout!, "data").then(() => true),
      once(child, "close").then(() => false),
    ]).catch(() => false);
    if (!ready) return false;
    letLoopEnd(child);
    child.stdout!.on("data", () => this.#written());
    child.once("exit", () => void this.#again());
    if (this.#ended) child.stdin!.destroy();
    return true;
  }

  write(frames: Uint8Array, done: () => void): void {
    const length = Buffer.alloc(4);
    new Uint32Array(length.buffer, length.byteOffset, 1)[0] = frames.length;
    this.#batch = { bytes: Buffer.concat([length, frames]), done };
    this.#send();
  }

  end(): void {
    this.#ended = true;
    this.#child?.stdin?.destroy();
    this.#written();
  }

  #send(): void {
    if (this.#ended) return this.#written();
    if (this.#batch) this.#child?.stdin?.write(this.#batch.bytes);
  }

  #written(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#starts = 0;
    batch?.done();
  }

  async #again(): Promise<void> {
    while (!this.#ended && this.#starts < NOTICE_WRITER_STARTS_MAX) if (await this.start()) return this.#send();
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onDefect(new Error("notices cannot be written to the kernel: their process does not stay"));
    this.#written();
  }
}

/** In a session of its own: what ends everything on a terminal is for the daemon to hear. */
function begin({ program, fd }: NoticeWriterOptions): ChildProcess {
  return spawn(program, [], { stdio: ["pipe", "pipe", "ignore", fd], detached: true, cwd: "/" });
}

/** It keeps no process alive. */
function letLoopEnd(child: ChildProcess): void {
  child.unref();
  (child.stdin as Socket).unref();
  (child.stdout as unknown as Socket).unref();
}
