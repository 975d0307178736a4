/**
 * Hashes a large unpushed file after its last close, in the time it has to be quiet anyway, so that its push begins at once.
 *
 * A digest counts only while the file has had no change since before it was begun; what takes it asks after the file was sealed. Each
 * file is hashed ahead once: one that is opened and written to again and again costs one hash more, not one for every close.
 */
import type { Clock } from "../base/clock.ts";
import { HASH_AHEAD_BYTES_MIN, HASH_AHEAD_DELAY_MS } from "../model/limits.ts";
import type { BlobFile, Blobs } from "./blobs.ts";
import type { Digest, Hasher } from "./hash.ts";

export interface HashAheadOptions {
  readonly blobs: Blobs;
  readonly hasher: Hasher;
  readonly clock: Clock;
}

interface Ahead {
  /** The file's count of changes before the first byte was read. */
  readonly changes: number;
  readonly digest: Promise<Digest>;
}

export class HashAhead {
  readonly #options: HashAheadOptions;
  /** Undefined: it is to be hashed soon, or its time has come and gone. */
  readonly #of = new WeakMap<BlobFile, Ahead | undefined>();
  readonly #timers = new Set<() => void>();

  constructor(options: HashAheadOptions) {
    this.#options = options;
  }

  /** Nobody has the file open any more. */
  closed(file: BlobFile): void {
    if (file.sealed || file.size < HASH_AHEAD_BYTES_MIN || this.#of.has(file)) return;
    this.#of.set(file, undefined);
    const { changes } = file;
    const cancel = this.#options.clock.after(HASH_AHEAD_DELAY_MS, () => {
      this.#timers.delete(cancel);
      if (file.changes !== changes) this.#of.delete(file);
      else if (!file.sealed && !file.removed) this.#begin(file);
    });
    this.#timers.add(cancel);
  }

  /** The digests of a sealed file, when they are those of its bytes as they are, or will be in a moment. */
  take(file: BlobFile): Promise<Digest> | undefined {
    const ahead = this.#of.get(file);
    return ahead?.changes === file.changes ? ahead.digest : undefined;
  }

  end(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  #begin(file: BlobFile): void {
    const { blobs, hasher } = this.#options;
    const { changes, size } = file;
    const digest = blobs.withBytes(file, (fd) => hasher.digest(fd, size, true));
    // A file that is gone or cannot be read: who freezes it finds out for itself.
    digest.catch(() => this.#of.set(file, undefined));
    this.#of.set(file, { changes, digest });
  }
}
