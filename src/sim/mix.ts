/**
 * Small keyed mixing of integers: unique-looking words from (seed, number) that need no memory. Not cryptographic; the
 * simulator's ids, made content and request ids only have to look random and be the same for the same seed.
 */

/** A 32-bit word from three. */
export function mix(a: number, b: number, c: number): number {
  let h =
    Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^
    Math.imul(b ^ (b >>> 15), 0xc2b2ae35) ^
    Math.imul(c + 0x27d4eb2f, 0x165667b1);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15) ^ b, 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit seed from text. */
export function seedOf(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return mix(h, text.length, 1);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Eight hex digits. */
export function hex8(word: number): string {
  return HEX[word >>> 24]! + HEX[(word >>> 16) & 255]! + HEX[(word >>> 8) & 255]! + HEX[word & 255]!;
}
