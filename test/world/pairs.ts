/**
 * Small scope, exhaustive: every pair of a history here and a history in the cloud, of at most k acts a side, on two small trees. The
 * pairs of a tree have numbers, visited in a fixed scattered order, so that the first n of them are an even sample.
 */
import assert from "node:assert/strict";
import { checkMerge, type Case, type Counts } from "./check-merge.ts";
import { reachable, type State } from "./histories.ts";
import { file, folder, show, treeOf, type PlainTree } from "./plain-tree.ts";

export const BASES: Readonly<Record<string, PlainTree>> = {
  "side by side": treeOf({ 2: folder(1, "a"), 3: folder(1, "b"), 4: file(2, "f", "h4"), 5: file(1, "g", "h5") }),
  "one in another": treeOf({ 2: folder(1, "a"), 3: folder(2, "b"), 4: file(3, "f", "h4"), 5: file(1, "g", "h5") }),
};
const NAMES = ["a", "f", "G"];

export class Pairs {
  readonly count: number;
  readonly #base: PlainTree;
  readonly #locals: readonly State[];
  readonly #clouds: readonly State[];
  readonly #stride: number;

  constructor(base: string, acts: number) {
    const tree = BASES[base];
    assert.ok(tree, `no tree is called ${base}`);
    this.#base = tree;
    this.#locals = reachable(tree, { side: "local", names: NAMES }, acts);
    this.#clouds = reachable(tree, { side: "cloud", names: NAMES }, acts);
    this.count = this.#locals.length * this.#clouds.length;
    this.#stride = coprime(Math.floor(this.count * 0.618), this.count);
  }

  /** What is wrong with the merge of the n-th pair, as text, or undefined. */
  check(n: number, counts: Counts): string | undefined {
    const { local, cloud } = this.#at(n);
    const it: Case = { base: this.#base, local: local.tree, remote: cloud.tree, movedAt: local.movedAt };
    const wrong = checkMerge(it, counts);
    if (wrong === undefined) return undefined;
    return `pair ${n}: ${wrong}\n  base  ${show(this.#base)}\n  local ${local.acts.join("; ")}\n  cloud ${cloud.acts.join("; ")}`;
  }

  #at(n: number): { local: State; cloud: State } {
    const scattered = Number((BigInt(n) * BigInt(this.#stride)) % BigInt(this.count));
    const local = this.#locals[scattered % this.#locals.length];
    const cloud = this.#clouds[Math.floor(scattered / this.#locals.length)];
    assert.ok(local && cloud, `there is no pair ${n}`);
    return { local, cloud };
  }
}

function coprime(from: number, to: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let found = Math.max(1, from);
  while (divisor(found, to) !== 1) found++;
  return found;
}
