/**
 * Open folders, and what the kernel's places in them mean. A place is a number; the vfs goes on behind a cookie. Place 0 is the start, 1
 * is behind `.`, 2 behind `..`, and 2 + n behind the n-th entry this stream has handed out, whose cookie is remembered until the folder
 * is closed: a program may go back to any place it was told (seekdir), and goes on behind the same entry although entries came and went.
 * A place that this stream never gave comes from the listing that the kernel keeps, whose beginning another stream gave: it means what it
 * meant to the stream that began that listing last (kept-places.ts). Of a place that nobody remembers (a file server that opened the folder
 * anew, long after) as many entries are passed over from the start.
 */
import type { ItemKey } from "../../model/ids.ts";
import type { Attributes, DirectoryEntry } from "../../vfs/vfs.ts";
import type { Pass } from "./kept-listings.ts";
import { KeptPlaces } from "./kept-places.ts";
import { put64, putEntry, type Validity } from "./outbox.ts";
import { DIRENT_BYTES, ENTRY_BYTES, FILE_ENTRY, FOLDER_ENTRY } from "./wire.ts";

export interface FolderStream {
  /** Undefined: it reads past the listing that the kernel keeps. */
  readonly pass: Pass | undefined;
  /** Behind the n-th entry; entry 0 is the start (undefined). */
  readonly cookies: (string | undefined)[];
}

export interface FolderStreams {
  /** The stream lists the folder from the start: what the kernel keeps of it has this stream's places. */
  began(folder: ItemKey, stream: FolderStream): void;
  /** What is behind a place that the stream never gave; undefined: nobody knows. */
  behind(folder: ItemKey, index: number): string | undefined;
  open(pass: Pass | undefined): number;
  get(id: number): FolderStream | undefined;
  /** Undefined: there is none. */
  close(id: number): FolderStream | undefined;
  /** An empty answer of so many bytes at most; there is one at a time. */
  pack(room: number): Pack;
  readonly count: number;
}

export function folderStreams(): FolderStreams {
  const open = new Map<number, FolderStream>();
  const kept = new KeptPlaces();
  let pack = new Pack(4096);
  let last = 0;
  return {
    began: (folder, { cookies }) => kept.began(folder, cookies),
    behind: (folder, index) => kept.behind(folder, index),
    open(pass) {
      open.set(++last, { pass, cookies: [undefined] });
      return last;
    },
    get: (id) => open.get(id),
    close(id) {
      const stream = open.get(id);
      open.delete(id);
      if (stream?.pass) kept.ended(stream.pass.folder, stream.cookies);
      return stream;
    },
    pack(room) {
      if (room > pack.size) pack = new Pack(room);
      return pack.clear(room);
    },
    get count() {
      return open.size;
    },
  };
}

/** Entries as getdents wants them, aligned to 8 bytes, until the room is used up. */
export class Pack {
  readonly #bytes: Buffer;
  readonly #words: Uint32Array;
  #room = 0;
  #used = 0;
  #last = 0;

  constructor(size: number) {
    const memory = new ArrayBuffer(aligned(size));
    this.#bytes = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
  }

  get size(): number {
    return this.#bytes.length;
  }

  clear(room: number): this {
    this.#room = room;
    this.#used = 0;
    return this;
  }

  /** False when it does not fit. With `plus`, the place for attributes comes first: none as long as they are not given. */
  add({ name, inode, kind }: Pick<DirectoryEntry, "name" | "inode" | "kind">, place: number, plus: boolean): boolean {
    const start = this.#used + (plus ? ENTRY_BYTES : 0);
    if (start + DIRENT_BYTES >= this.#room) return false;
    const length = this.#bytes.write(name, start + DIRENT_BYTES);
    const end = aligned(start + DIRENT_BYTES + length);
    if (end > this.#room || length < name.length) return false;
    const [words, word] = [this.#words, start / 4];
    if (plus) words.fill(0, this.#used / 4, word);
    put64(words, word, inode);
    put64(words, word + 2, place);
    words[word + 4] = length;
    words[word + 5] = kind === "folder" ? FOLDER_ENTRY : FILE_ENTRY;
    this.#last = this.#used;
    this.#used = end;
    return true;
  }

  /** Of the entry added last. */
  attributes(attributes: Attributes, entry: Validity, attr: Validity): void {
    putEntry(this.#words, this.#last / 4, attributes, entry, attr);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }
}

const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;
