/**
 * One request as the kernel wrote it, read in place: nothing is copied but text. A frame is believed only as far as its length goes:
 * `load` refuses one whose header lies about it, every reader of a variable part stays inside it. Numbers past 2^53 come out as such
 * and are refused by who uses them; none of ours are that large.
 *
 * The memory is used again for the next request, so what must outlive the handler is copied, or the whole room is kept (`Room`).
 */
import { constants } from "node:os";
import { IN_HEADER_BYTES, TWO_TO_32 } from "./wire.ts";

const { EINVAL, ENAMETOOLONG } = constants.errno;
const SLASH = 0x2f;
const NAME_BYTES_MAX = 1024;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Memory for one request, aligned to words. */
export interface Room {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}

export function room(size: number): Room {
  const memory = new ArrayBuffer(size);
  return { bytes: Buffer.from(memory), words: new Uint32Array(memory) };
}

export class Frame {
  #bytes: Buffer = Buffer.alloc(0);
  #words: Uint32Array = new Uint32Array(0);
  /** Of the whole frame. */
  length = 0;
  opcode = 0;
  unique = 0;
  node = 0;

  /** False when it is not a request at all; nobody can be answered then. */
  load(from: Room, length: number): boolean {
    if (length < IN_HEADER_BYTES || length > from.bytes.length || from.words[0] !== length) return false;
    this.#bytes = from.bytes;
    this.#words = from.words;
    this.length = length;
    this.opcode = from.words[1]!;
    this.unique = from.words[2]! + from.words[3]! * TWO_TO_32;
    this.node = from.words[4]! + from.words[5]! * TWO_TO_32;
    return true;
  }

  get uid(): number {
    return this.#words[6]!;
  }

  get gid(): number {
    return this.#words[7]!;
  }

  get pid(): number {
    return this.#words[8]!;
  }

  /** Bytes behind the header. */
  get bodyLength(): number {
    return this.length - IN_HEADER_BYTES;
  }

  /** The word at a byte of the body. Only inside the fixed part, whose presence was checked. */
  u32(at: number): number {
    return this.#words[(IN_HEADER_BYTES + at) >>> 2]!;
  }

  u64(at: number): number {
    const word = (IN_HEADER_BYTES + at) >>> 2;
    return this.#words[word]! + this.#words[word + 1]! * TWO_TO_32;
  }

  i64(at: number): number {
    const word = (IN_HEADER_BYTES + at) >>> 2;
    return this.#words[word]! + (this.#words[word + 1]! | 0) * TWO_TO_32;
  }

  /** Where the text that begins at a byte of the body ends, or -1. */
  endOfText(at: number): number {
    const start = IN_HEADER_BYTES + at;
    if (start >= this.length) return -1;
    const end = this.#bytes.indexOf(0, start);
    return end < 0 || end >= this.length ? -1 : end - IN_HEADER_BYTES;
  }

  /**
   * The name that begins at a byte of the body, or the errno that refuses it; `notText` for one that is not UTF-8. `.` and `..`
   * are names here.
   */
  name(at: number, notText: number): string | number {
    const bytes = this.#bytes;
    const start = IN_HEADER_BYTES + at;
    const most = Math.min(this.length, start + NAME_BYTES_MAX);
    let end = start;
    let high = 0;
    for (let byte = 0; end < most && (byte = bytes[end]!) !== 0; end++) {
      if (byte === SLASH) return EINVAL;
      high |= byte;
    }
    if (end >= this.length || end === start) return EINVAL;
    if (end === most) return ENAMETOOLONG;
    if (high < 0x80) return bytes.toString("latin1", start, end);
    return this.text(at, end - IN_HEADER_BYTES) ?? notText;
  }

  /** Text between two bytes of the body; undefined when it is not UTF-8. */
  text(from: number, to: number): string | undefined {
    try {
      return strict.decode(this.#bytes.subarray(IN_HEADER_BYTES + from, IN_HEADER_BYTES + to));
    } catch {
      return undefined;
    }
  }

  /** In place: ends with the frame. */
  bytes(from: number, to: number): Buffer {
    return this.#bytes.subarray(IN_HEADER_BYTES + from, IN_HEADER_BYTES + to);
  }
}
