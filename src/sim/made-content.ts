/**
 * Content of populated files, computed on demand from (seed, stamp): a pseudo-random block repeated with an odd period, and
 * at the start of every period 32 bytes of its own for each file and period. So every file and every offset differs, yet
 * nothing is stored, and the right quickXorHash costs 32 bytes of work per period: the hash is linear, so the block's part
 * is hashed once per size and each file's stamps are XORed in.
 */
import { mix } from "./mix.ts";
import { QuickXor } from "./quick-xor.ts";

const PERIOD_BYTES = 1024 * 1024 + 4099;
const STAMP_BYTES = 32;

export interface MadeContent {
  hash(stamp: number, size: number): string;
  /** Bytes [from, to), in pieces of at most one period. */
  pieces(stamp: number, from: number, to: number): Iterable<Uint8Array>;
}

export function makeContent(seed: number): MadeContent {
  const block = pseudoRandomBlock(seed);
  const plain = new Map<number, QuickXor>();
  const stampOf = (stamp: number, period: number): Uint8Array => {
    const words = new Uint32Array(STAMP_BYTES / 4);
    for (let i = 0; i < words.length; i++) words[i] = mix(mix(seed, stamp, 51), period, i);
    return new Uint8Array(words.buffer);
  };
  const withoutStamps = (size: number): QuickXor => {
    let hash = plain.get(size);
    if (!hash) {
      hash = new QuickXor();
      for (let at = 0; at < size; at += PERIOD_BYTES) hash.update(block.subarray(0, Math.min(PERIOD_BYTES, size - at)));
      plain.set(size, hash);
    }
    return hash;
  };
  return {
    hash(stamp, size) {
      const hash = withoutStamps(size).clone();
      for (let period = 0; period * PERIOD_BYTES < size; period++) {
        hash.xorAt(period * PERIOD_BYTES, stampOf(stamp, period).subarray(0, size - period * PERIOD_BYTES));
      }
      return hash.digest();
    },
    *pieces(stamp, from, to) {
      for (let at = from; at < to;) {
        const period = Math.floor(at / PERIOD_BYTES);
        const inside = at - period * PERIOD_BYTES;
        const piece = block.subarray(inside, Math.min(PERIOD_BYTES, inside + to - at));
        yield inside < STAMP_BYTES ? stamped(piece, stampOf(stamp, period).subarray(inside)) : piece;
        at += piece.length;
      }
    },
  };
}

function stamped(piece: Uint8Array, stamp: Uint8Array): Uint8Array {
  const copy = Buffer.from(piece);
  copy.set(stamp.subarray(0, piece.length));
  return copy;
}

/** The block; its first 32 bytes are zero, where the stamps go. */
function pseudoRandomBlock(seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(PERIOD_BYTES / 4));
  for (let i = STAMP_BYTES / 4; i < words.length; i++) words[i] = mix(seed, i, 52);
  return Buffer.from(words.buffer, 0, PERIOD_BYTES);
}
