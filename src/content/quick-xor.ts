/**
 * quickXorHash, the one hash the service gives for every file, computed piece by piece.
 *
 * The definition XORs byte i of the input into a 160-bit register at bit (11 * i) mod 160. As 11 * 160 is a multiple of 160 the
 * bit depends on i mod 160 only. So the input is folded first into one row of 160 bytes (40 words, XOR word by word, which is
 * what makes it fast), and the row goes into the register once, at the end.
 */

const ROW_BYTES = 160;
const ROW_WORDS = ROW_BYTES / 4;
const HASH_BYTES = 20;
/** Input is folded in blocks of whole rows that stay in the first-level cache while all columns pass over them. */
const BLOCK_WORDS = ROW_WORDS * 128;

export class QuickXor {
  readonly #row = new Int32Array(ROW_WORDS);
  readonly #rowBytes = new Uint8Array(this.#row.buffer);
  #length = 0;

  /** Adds the next bytes of the input. */
  update(bytes: Uint8Array): this {
    const lead = Math.min((ROW_BYTES - (this.#length % ROW_BYTES)) % ROW_BYTES, bytes.length);
    this.#single(bytes.subarray(0, lead));
    const rows = Math.floor((bytes.length - lead) / ROW_BYTES);
    this.#rows(bytes.subarray(lead, lead + rows * ROW_BYTES));
    this.#single(bytes.subarray(lead + rows * ROW_BYTES));
    return this;
  }

  /** The hash of everything so far, base64. */
  digest(): string {
    const out = Buffer.alloc(HASH_BYTES);
    for (let i = 0; i < ROW_BYTES; i++) {
      const bit = (11 * i) % (8 * HASH_BYTES);
      const spread = this.#rowBytes[i]! << (bit % 8);
      const at = bit >> 3;
      out[at]! ^= spread & 255;
      out[(at + 1) % HASH_BYTES]! ^= spread >> 8;
    }
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(this.#length));
    for (let i = 0; i < 8; i++) out[HASH_BYTES - 8 + i]! ^= length[i]!;
    return out.toString("base64");
  }

  #single(bytes: Uint8Array): void {
    let column = this.#length % ROW_BYTES;
    for (const byte of bytes) {
      this.#rowBytes[column]! ^= byte;
      column = column === ROW_BYTES - 1 ? 0 : column + 1;
    }
    this.#length += bytes.length;
  }

  /** Whole rows, the first of which begins a row. */
  #rows(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
    for (let from = 0; from < words.length; from += BLOCK_WORDS)
      foldRows(this.#row, words, from, Math.min(from + BLOCK_WORDS, words.length));
    this.#length += bytes.length;
  }
}

export function quickXorHash(bytes: Uint8Array): string {
  return new QuickXor().update(bytes).digest();
}

/** Eight columns at a time, so that they live in registers. */
function foldRows(row: Int32Array, words: Int32Array, from: number, to: number): void {
  for (let column = 0; column < ROW_WORDS; column += 8) {
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let e = 0;
    let f = 0;
    let g = 0;
    let h = 0;
    for (let at = from + column; at < to; at += ROW_WORDS) {
      a ^= words[at]!;
      b ^= words[at + 1]!;
      c ^= words[at + 2]!;
      d ^= words[at + 3]!;
      e ^= words[at + 4]!;
      f ^= words[at + 5]!;
      g ^= words[at + 6]!;
      h ^= words[at + 7]!;
    }
    row[column]! ^= a;
    row[column + 1]! ^= b;
    row[column + 2]! ^= c;
    row[column + 3]! ^= d;
    row[column + 4]! ^= e;
    row[column + 5]! ^= f;
    row[column + 6]! ^= g;
    row[column + 7]! ^= h;
  }
}
