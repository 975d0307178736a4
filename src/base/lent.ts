/**
 * Memory for bytes on their way to a reader, used again: a fresh piece for every read costs more than the read itself (the system hands out
 * its pages one by one, and the collector runs every few megabytes).
 *
 * Who gets lent bytes has them alone. Giving them back is for who knows that nobody looks at them any more; what is never given back is
 * collected like all memory. What was not lent here, or was given back before, is left alone.
 */

const PIECE_BYTES = 128 * 1024;
const SMALL_BYTES = 2 * 1024;
const PIECES_KEPT = 32;

const spare: Buffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();

/** Bytes of this length, with anything in them. */
export function lend(length: number): Buffer {
  if (length < SMALL_BYTES || length > PIECE_BYTES) return Buffer.allocUnsafeSlow(length);
  const piece = spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  lent.add(piece.buffer);
  return piece.subarray(0, length);
}

/** Nobody looks at these bytes, or at any part of them, any more. */
export function giveBack(bytes: Uint8Array): void {
  if (!lent.delete(bytes.buffer)) return;
  if (spare.length < PIECES_KEPT) spare.push(Buffer.from(bytes.buffer as ArrayBuffer));
}
