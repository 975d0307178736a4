/**
 * Seeded randomness (sfc32). Everything random in the product takes a `Random`, so that a seed replays a run.
 * `split` gives an independent stream, so that one actor's draws never shift another's.
 */

export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
  /** One of the items; the list must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** An independent stream named by `label`. */
  split(label: string): Random;
}

export function seededRandom(seed: number | string): Random {
  const key = String(seed);
  const next = sfc32(hash(key, 1), hash(key, 2), hash(key, 3), hash(key, 4));
  for (let i = 0; i < 12; i++) next();
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    below,
    pick: (items) => items[below(items.length)]!,
    split: (label) => seededRandom(`${key}/${label}`),
  };
}

function hash(text: string, salt: number): number {
  let h = 2166136261 ^ Math.imul(salt, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) | 0;
}

function sfc32(a: number, b: number, c: number, d: number): () => number {
  return () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return (t >>> 0) / 4294967296;
  };
}
