/**
 * quickXorHash, written for the simulator alone (the product has its own, so that a mistake cannot agree with itself).
 *
 * Byte i of the input is XORed into a 160-bit register at bit (11 * i) mod 160. The position repeats every 160 bytes, so
 * `update` only XORs the input into 160 columns, word by word, and `digest` turns the columns into the register once.
 * The hash is linear: `xorAt` adds bytes at any place of an input already counted, which is how made content is hashed
 * without producing it.
 */

const COLUMNS = 160;
const LANES = COLUMNS / 4;
const PIECE_BYTES = 64 * 1024;
const scratch = new Int32Array(PIECE_BYTES / 4);
const scratchBytes = new Uint8Array(scratch.buffer);

export class QuickXor {
  readonly #lanes = new Int32Array(LANES);
  readonly #columns = new Uint8Array(this.#lanes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  clone(): QuickXor {
    const copy = new QuickXor();
    copy.#lanes.set(this.#lanes);
    copy.#length = this.#length;
    return copy;
  }

  update(bytes: Uint8Array): this {
    let at = 0;
    let column = this.#length % COLUMNS;
    while (at < bytes.length && (column & 3) !== 0) {
      this.#columns[column]! ^= bytes[at++]!;
      column = (column + 1) % COLUMNS;
    }
    const words = (bytes.length - at) >>> 2;
    if (words > 0) {
      this.#updateWords(bytes.subarray(at, at + words * 4), column >>> 2);
      at += words * 4;
      column = (column + words * 4) % COLUMNS;
    }
    while (at < bytes.length) {
      this.#columns[column]! ^= bytes[at++]!;
      column = (column + 1) % COLUMNS;
    }
    this.#length += bytes.length;
    return this;
  }

  /** XORs `bytes` into the input at `position`, without lengthening it. */
  xorAt(position: number, bytes: Uint8Array): void {
    let column = position % COLUMNS;
    for (let i = 0; i < bytes.length; i++) {
      this.#columns[column]! ^= bytes[i]!;
      column = column === COLUMNS - 1 ? 0 : column + 1;
    }
  }

  /** The hash so far, base64. */
  digest(): string {
    const out = Buffer.alloc(20);
    for (let column = 0; column < COLUMNS; column++) {
      const value = this.#columns[column]!;
      const bit = (11 * column) % COLUMNS;
      const byte = bit >>> 3;
      out[byte]! ^= (value << (bit & 7)) & 0xff;
      out[(byte + 1) % 20]! ^= value >>> (8 - (bit & 7));
    }
    let rest = this.#length;
    for (let byte = 12; byte < 20; byte++) {
      out[byte]! ^= rest % 256;
      rest = Math.floor(rest / 256);
    }
    return out.toString("base64");
  }

  /** Whole words, in pieces that stay in the processor's cache. */
  #updateWords(bytes: Uint8Array, firstLane: number): void {
    const aligned = (bytes.byteOffset & 3) === 0;
    for (let at = 0, lane = firstLane; at < bytes.length; at += PIECE_BYTES) {
      const part = bytes.subarray(at, at + PIECE_BYTES);
      this.#fold(aligned ? new Int32Array(part.buffer, part.byteOffset, part.length >>> 2) : realigned(part), lane);
      lane = (lane + (part.length >>> 2)) % LANES;
    }
  }

  #fold(words: Int32Array, firstLane: number): void {
    const lanes = this.#lanes;
    let at = 0;
    for (let lane = firstLane; lane % LANES !== 0 && at < words.length; lane++) lanes[lane]! ^= words[at++]!;
    const rowsEnd = at + Math.floor((words.length - at) / LANES) * LANES;
    for (let lane = 0; lane < LANES; lane += 4) {
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let k = at + lane; k < rowsEnd; k += LANES) {
        a ^= words[k]!;
        b ^= words[k + 1]!;
        c ^= words[k + 2]!;
        d ^= words[k + 3]!;
      }
      lanes[lane]! ^= a;
      lanes[lane + 1]! ^= b;
      lanes[lane + 2]! ^= c;
      lanes[lane + 3]! ^= d;
    }
    for (let lane = 0; rowsEnd + lane < words.length; lane++) lanes[lane]! ^= words[rowsEnd + lane]!;
  }
}

export function quickXorHash(bytes: Uint8Array): string {
  return new QuickXor().update(bytes).digest();
}

function realigned(part: Uint8Array): Int32Array {
  scratchBytes.set(part);
  return scratch.subarray(0, part.length >>> 2);
}
