/**
 * A step under way, and how it is broken off. Its signal is its own, and whoever ends them all goes through them: a signal that follows one
 * that lives as long as the daemon (AbortSignal.any) is remembered by that one for ever.
 */
import type { BlobId } from "../model/ids.ts";
import type { End } from "./pushing.ts";
import type { Entry } from "./schedule.ts";

export class Running {
  readonly entry: Entry;
  /** What it sends. */
  readonly blob: BlobId | undefined;
  /** Nobody wants its bytes any more. */
  isCut = false;
  done: Promise<void> = Promise.resolve();
  readonly #ending = new AbortController();

  constructor(entry: Entry, blob: BlobId | undefined) {
    this.entry = entry;
    this.blob = blob;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  cut(): void {
    this.isCut = true;
    this.#ending.abort();
  }

  end(): void {
    this.#ending.abort();
  }
}

/** What becomes of an entry when the step of its node has ended; `same`: it was its own. */
export function stateAfter(end: End, same: boolean): Entry["state"] {
  if (!same) return "todo";
  return end.end === "done" ? "done" : end.end === "stale" ? "void" : "todo";
}
