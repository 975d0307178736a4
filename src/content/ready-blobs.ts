/**
 * Blob files made ahead. Making a file takes a disk many times as long as writing a little into it; so while new files come one after
 * another, a few empty ones are kept ready, made on the thread pool. They are blobs like all others, which nothing names yet: what is not
 * used goes when it is quiet and at the end, and what a killed process leaves goes with the sweep.
 */
import type { Clock } from "../base/clock.ts";
import { READY_AFTER, READY_APART_MS, READY_BLOBS, READY_KEPT_MS } from "../model/limits.ts";

export interface ReadyBlobsOptions<File> {
  readonly clock: Clock;
  /** On the thread pool. */
  make(): Promise<File>;
  drop(file: File): Promise<void>;
  /** What cannot be made ahead, or dropped, is told there; it is made, or swept, when its time comes. */
  trace(words: string, error: unknown): void;
}

/** More at once would keep the thread pool from other work. */
const MAKERS = 2;

export class ReadyBlobs<File> {
  readonly #options: ReadyBlobsOptions<File>;
  readonly #files: File[] = [];
  readonly #work = new Set<Promise<void>>();
  #makers = 0;
  #takenAt = 0;
  #inARow = 0;
  #cancelRest: (() => void) | undefined;
  #ended = false;

  constructor(options: ReadyBlobsOptions<File>) {
    this.#options = options;
  }

  /** Undefined: there is none, and one has to be made. */
  take(): File | undefined {
    const now = this.#options.clock.now();
    const soon = Math.abs(now - this.#takenAt) <= READY_APART_MS;
    this.#inARow = soon ? this.#inARow + 1 : 1;
    this.#takenAt = now;
    const file = this.#files.shift();
    if (this.#inARow >= READY_AFTER) this.#fill();
    return file;
  }

  /** Nothing is made any more, and nothing is left. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#cancelRest?.();
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#dropAll();
  }

  #fill(): void {
    this.#restLater();
    while (!this.#ended && this.#makers < MAKERS && this.#files.length < READY_BLOBS / 2) {
      this.#makers++;
      this.#track(this.#makeSome().finally(() => void this.#makers--));
    }
  }

  async #makeSome(): Promise<void> {
    try {
      while (!this.#ended && this.#files.length < READY_BLOBS) this.#files.push(await this.#options.make());
    } catch (error) {
      this.#options.trace("no file could be made ahead", error);
    }
  }

  #restLater(): void {
    this.#cancelRest ??= this.#options.clock.after(READY_KEPT_MS, () => {
      this.#cancelRest = undefined;
      if (this.#ended) return;
      if (Math.abs(this.#options.clock.now() - this.#takenAt) < READY_KEPT_MS) this.#restLater();
      else this.#track(this.#dropAll());
    });
  }

  async #dropAll(): Promise<void> {
    for (const file of this.#files.splice(0))
      await this.#options.drop(file).catch((error: unknown) => this.#options.trace("a file made ahead stays", error));
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }
}
