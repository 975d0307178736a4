/**
 * How much to fetch for a read: little for a first look (at the beginning of a very large file, or of a small one, not as little), four
 * times more each time a reader comes to the end of what was fetched, and from the third time on also several ranges ahead of it, so
 * that it never waits again. Readers of one file (there may be several, and
 * the kernel may swap their reads) are told apart by where they are.
 */
import {
  BEGINNING_FETCH_BYTES,
  FIRST_FETCH_BYTES,
  HYDRATE_RANGE_BYTES,
  READ_AHEAD_BYTES,
  VERY_LARGE_BYTES,
} from "../model/limits.ts";

export interface Wish {
  /** Fetch up to here now. */
  readonly reach: number;
  /** Fetch up to here in advance. */
  readonly ahead: number;
}

interface Reader {
  /** Where it goes on. */
  next: number;
  window: number;
}

const READERS_MAX = 8;
/** A read this near to where a reader goes on is its own. */
const NEAR_BYTES = 512 * 1024;
/** A file up to this size is fetched in one go, and verified before anybody sees a byte of it. */
export const WHOLE_BYTES_MAX = 2 * FIRST_FETCH_BYTES;

export class ReadAhead {
  #readers: Reader[] = [];

  /** Takes note of a read of [position, end) in a file of `size` bytes. `missed`: some of it is not here. */
  note(position: number, end: number, size: number, missed: boolean): Wish {
    const reader = this.#whose(position, end);
    if (!missed)
      return { reach: end, ahead: reader.window >= HYDRATE_RANGE_BYTES ? reader.next + READ_AHEAD_BYTES : end };
    reader.window = reader.window === 0 ? firstFetch(position, size) : Math.min(4 * reader.window, HYDRATE_RANGE_BYTES);
    const reach = Math.max(end, position + reader.window);
    return { reach, ahead: reader.window >= HYDRATE_RANGE_BYTES ? position + READ_AHEAD_BYTES : reach };
  }

  #whose(position: number, end: number): Reader {
    const at = this.#readers.findIndex((reader) => Math.abs(position - reader.next) <= NEAR_BYTES);
    const reader = at >= 0 ? this.#readers.splice(at, 1)[0]! : { next: end, window: 0 };
    reader.next = at >= 0 ? Math.max(reader.next, end) : end;
    this.#readers = [...this.#readers.slice(1 - READERS_MAX), reader];
    return reader;
  }
}

/**
 * The beginning of a very large file is mostly read on from: more of it costs nothing against the file, and saves a round trip. So does
 * all of a file that is not larger than that.
 */
function firstFetch(position: number, size: number): number {
  const more = position === 0 && (size >= VERY_LARGE_BYTES || size <= BEGINNING_FETCH_BYTES);
  return more ? BEGINNING_FETCH_BYTES : FIRST_FETCH_BYTES;
}
