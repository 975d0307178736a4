/**
 * Cells of the merge's matrices: what was done here, what the cloud did, the tree that comes out, and what is then sent. Trees are written as path=content#node; nodes from 100 are new here, from 200 new in the cloud, from 1000 made by the merge.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ItemKey } from "../../src/model/ids.ts";
import type { TreeNode } from "../../src/merge/merge.ts";
import { checkMerge, counts, merge, words, planned, type Case } from "./check-merge.ts";
import { below, file, folder, key, show, treeOf, type PlainTree } from "./plain-tree.ts";

export type Act = (tree: PlainTree) => void;

/** /A/f  /A/k  /B/  /g */
const BASE = treeOf({
  2: folder(1, "A"),
  3: folder(1, "B"),
  4: file(2, "f", "f0"),
  5: file(1, "g", "g0"),
  6: file(2, "k", "k0"),
});

const at = (tree: PlainTree, node: number): TreeNode => tree.get(key(node)) as TreeNode;
const change =
  (node: number, to: Partial<TreeNode>): Act =>
  (tree) =>
    void tree.set(key(node), { ...at(tree, node), ...to });
export const move = (node: number, parent: number, name: string): Act => change(node, { parent: key(parent), name });
export const touch = (node: number, mtime: number): Act => change(node, { mtime });
export const remove =
  (node: number): Act =>
  (tree) =>
    below(tree, key(node)).forEach((each) => tree.delete(each));
export const write =
  (node: number, hash: string, mtime = 10): Act =>
  (tree) => {
    const seen = BASE.get(key(node))?.bytes?.version;
    const bytes = { version: `blob:${hash}`, size: 1, hash, tag: hash, ...(seen ? { seen } : {}) };
    tree.set(key(node), { ...at(tree, node), bytes, mtime });
  };
export const cloudWrite =
  (node: number, hash: string, mtime = 20): Act =>
  (tree) =>
    void tree.set(key(node), { ...at(tree, node), bytes: { version: `c:${hash}`, size: 1, hash }, mtime });
export const mkfile =
  (node: number, parent: number, name: string, hash: string): Act =>
  (tree) => {
    const bytes = {
      version: `${node < 200 ? "blob" : "c"}:${hash}:${node}`,
      size: 1,
      hash,
      ...(node < 200 ? { tag: hash } : {}),
    };
    tree.set(key(node), { kind: "file", parent: key(parent), name, bytes, mtime: 30 });
  };
export const mkdir =
  (node: number, parent: number, name: string): Act =>
  (tree) =>
    void tree.set(key(node), folder(parent, name));
export const all =
  (...acts: Act[]): Act =>
  (tree) =>
    acts.forEach((act) => act(tree));
export const nothing: Act = () => undefined;

export interface Cell {
  readonly name: string;
  readonly local: Act;
  readonly cloud: Act;
  readonly tree: string;
  readonly script: string;
  readonly base?: PlainTree;
}

function caseOf({ local, cloud, base = BASE }: Cell): Case {
  const [here, there] = [new Map(base), new Map(base)];
  local(here);
  cloud(there);
  const movedAt = new Map<ItemKey, number>([...here.keys()].map((node) => [node, node]));
  return { base, local: here, remote: there, movedAt };
}

export function runCells(cells: readonly Cell[]): void {
  for (const cell of cells)
    test(`merge matrix: ${cell.name}`, () => {
      const it = caseOf(cell);
      const wrong = checkMerge(it, counts());
      assert.equal(wrong, undefined);
      const merged = merge(it);
      assert.equal(show(merged.star), cell.tree);
      assert.equal(words(planned(it, merged)), cell.script);
    });
}
