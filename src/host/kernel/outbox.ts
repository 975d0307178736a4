/**
 * Answers as the kernel reads them. Each is written in one call, from one piece of memory that is used again, with a payload beside
 * it that is not copied. `send` says whether the kernel took the answer: it does not when the caller was killed meanwhile, and then what
 * the answer would have handed over (a looked-up node, an open file) was not handed over.
 */
import type { Attributes, FileSystemStatus } from "../../vfs/vfs.ts";
import { otherSpellingOf } from "./spelling-nodes.ts";
import { ENTRY_BYTES, FILE_TYPE, FOLDER_TYPE, OUT_HEADER_BYTES, TWO_TO_32 } from "./wire.ts";

/** True: the kernel took it. */
export type Send = (head: Uint8Array, length: number, payload: Uint8Array | undefined) => boolean;

/** How long the kernel may believe something. */
export interface Validity {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export const NOT_AT_ALL: Validity = { seconds: 0, nanoseconds: 0 };

export function validity(ms: number): Validity {
  return { seconds: Math.floor(ms / 1000), nanoseconds: Math.round((ms % 1000) * 1e6) };
}

const BODY = OUT_HEADER_BYTES / 4;
const ATTR_OUT_BYTES = 104;
const OPEN_BYTES = 16;
const STATFS_BYTES = 80;
const MEMORY_BYTES = 512;
/** What programs should read and write at once; a stdio buffer has this size. */
const BLOCK_BYTES = 128 * 1024;

export class Outbox {
  /** The request answered last, or whose caller was gone. */
  last = -1;
  readonly #send: Send;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(send: Send) {
    const memory = new ArrayBuffer(MEMORY_BYTES);
    this.#send = send;
    this.#bytes = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
  }

  error(unique: number, errno: number): boolean {
    return this.#finish(unique, 0, -errno);
  }

  empty(unique: number): boolean {
    return this.#finish(unique, 0);
  }

  payload(unique: number, bytes: Uint8Array): boolean {
    return this.#finish(unique, 0, 0, bytes);
  }

  /** Small fixed answers, given as words. */
  words(unique: number, ...words: readonly number[]): boolean {
    this.#words.set(words, BODY);
    return this.#finish(unique, words.length * 4);
  }

  attr(unique: number, attributes: Attributes, valid: Validity): boolean {
    const words = this.#words;
    put64(words, BODY, valid.seconds);
    words[BODY + 2] = valid.nanoseconds;
    words[BODY + 3] = 0;
    putAttributes(words, BODY + 4, attributes);
    return this.#finish(unique, ATTR_OUT_BYTES);
  }

  entry(unique: number, attributes: Attributes, entry: Validity, attr: Validity): boolean {
    putEntry(this.#words, BODY, attributes, entry, attr);
    return this.#finish(unique, ENTRY_BYTES);
  }

  // oxlint-disable-next-line max-params -- one answer of two parts
  created(
    unique: number,
    attributes: Attributes,
    entry: Validity,
    attr: Validity,
    handle: number,
    flags: number,
  ): boolean {
    putEntry(this.#words, BODY, attributes, entry, attr);
    putOpened(this.#words, BODY + ENTRY_BYTES / 4, handle, flags);
    return this.#finish(unique, ENTRY_BYTES + OPEN_BYTES);
  }

  opened(unique: number, handle: number, flags: number): boolean {
    putOpened(this.#words, BODY, handle, flags);
    return this.#finish(unique, OPEN_BYTES);
  }

  status(unique: number, status: FileSystemStatus): boolean {
    const words = this.#words;
    words.fill(0, BODY, BODY + STATFS_BYTES / 4);
    put64(words, BODY, status.blocks);
    put64(words, BODY + 2, status.blocksFree);
    put64(words, BODY + 4, status.blocksAvailable);
    put64(words, BODY + 6, status.files);
    put64(words, BODY + 8, status.filesFree);
    words[BODY + 10] = status.blockSize;
    words[BODY + 11] = status.nameMax;
    words[BODY + 12] = status.blockSize;
    return this.#finish(unique, STATFS_BYTES);
  }

  #finish(unique: number, bodyBytes: number, error = 0, payload?: Uint8Array): boolean {
    const words = this.#words;
    words[0] = OUT_HEADER_BYTES + bodyBytes + (payload ? payload.length : 0);
    words[1] = error;
    put64(words, 2, unique);
    const taken = this.#send(this.#bytes, OUT_HEADER_BYTES + bodyBytes, payload);
    this.last = unique;
    return taken;
  }
}

/** Negative numbers come out as two's complement. */
export function put64(words: Uint32Array, at: number, value: number): void {
  words[at] = value;
  words[at + 1] = Math.floor(value / TWO_TO_32);
}

// oxlint-disable-next-line max-params -- the hottest place of all: no object is made for it
export function putEntry(
  words: Uint32Array,
  at: number,
  attributes: Attributes,
  entry: Validity,
  attr: Validity,
): void {
  const { inode, spellings } = attributes;
  put64(words, at, spellings === "other" ? otherSpellingOf(inode) : inode);
  words[at + 2] = 0; // a number is never used again, so there is one generation
  words[at + 3] = 0;
  put64(words, at + 4, entry.seconds);
  put64(words, at + 6, attr.seconds);
  words[at + 8] = entry.nanoseconds;
  words[at + 9] = attr.nanoseconds;
  putAttributes(words, at + 10, attributes);
}

function putAttributes(words: Uint32Array, at: number, attributes: Attributes): void {
  const { atime, mtime, ctime } = attributes;
  put64(words, at, attributes.inode);
  put64(words, at + 2, attributes.size);
  put64(words, at + 4, attributes.blocks);
  put64(words, at + 6, atime.s);
  put64(words, at + 8, mtime.s);
  put64(words, at + 10, ctime.s);
  words[at + 12] = atime.n;
  words[at + 13] = mtime.n;
  words[at + 14] = ctime.n;
  words[at + 15] = modeOf(attributes);
  words[at + 16] = attributes.links;
  words[at + 17] = attributes.uid;
  words[at + 18] = attributes.gid;
  words[at + 19] = 0;
  words[at + 20] = BLOCK_BYTES;
  words[at + 21] = 0;
}

function putOpened(words: Uint32Array, at: number, handle: number, flags: number): void {
  put64(words, at, handle);
  words[at + 2] = flags;
  words[at + 3] = 0;
}

function modeOf({ kind, mode }: Attributes): number {
  return (kind === "folder" ? FOLDER_TYPE : FILE_TYPE) | mode;
}
