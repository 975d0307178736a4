/**
 * Trees as plain maps, for checking the merge from outside: own folding, own ancestry, no code of src/merge. A history is a list
 * of acts on such a tree; each act knows what it saw.
 */
import { ROOT, type Folded, type ItemKey } from "../../src/model/ids.ts";
import type { Overlay, Tree, TreeNode } from "../../src/merge/merge.ts";

export type PlainTree = Map<ItemKey, TreeNode>;
export const key = (value: number): ItemKey => value as ItemKey;

const folded = new Map<string, string>();

/** Case and composition blind, written for the tests alone. */
export function alike(name: string): string {
  let known = folded.get(name);
  if (known === undefined) folded.set(name, (known = lettersOf(name)));
  return known;
}

function lettersOf(name: string): string {
  return Array.from(name.normalize("NFC"))
    .map((letter) => letter.toUpperCase().toLowerCase())
    .join("")
    .normalize("NFC");
}

export function asTree(tree: PlainTree): Tree {
  const slots = new Map<string, ItemKey>();
  const below = new Map<ItemKey, ItemKey[]>();
  for (const [node, state] of tree)
    if (node !== ROOT) {
      slots.set(`${state.parent}/${alike(state.name)}`, node);
      below.set(state.parent, [...(below.get(state.parent) ?? []), node]);
    }
  return {
    get: (node) => tree.get(node),
    at: (parent, name: Folded) => slots.get(`${parent}/${name}`),
    children: (node) => below.get(node) ?? [],
  };
}

export function folder(parent: number, name: string): TreeNode {
  return { kind: "folder", parent: key(parent), name, bytes: null, mtime: 0 };
}

export function file(parent: number, name: string, hash: string, mtime = 1): TreeNode {
  return { kind: "file", parent: key(parent), name, bytes: { version: `c:${hash}`, size: 1, hash }, mtime };
}

export function treeOf(nodes: Readonly<Record<number, TreeNode>>): PlainTree {
  const tree: PlainTree = new Map([[ROOT, folder(1, "root")]]);
  for (const [node, state] of Object.entries(nodes)) tree.set(key(Number(node)), state);
  return tree;
}

/** The difference of two trees; `order` shuffles it. */
export function difference(
  from: PlainTree,
  to: PlainTree,
  order: (a: number, b: number) => number = (a, b) => a - b,
): Overlay {
  const overlay = new Map<ItemKey, TreeNode | null>();
  const nodes = [...from.keys()];
  for (const node of to.keys()) if (!from.has(node)) nodes.push(node);
  for (const node of nodes.sort(order)) {
    const a = from.get(node);
    const b = to.get(node);
    if (!b) overlay.set(node, null);
    else if (a !== b && (!a || !sameNode(a, b))) overlay.set(node, b);
  }
  return overlay;
}

function sameNode(a: TreeNode, b: TreeNode): boolean {
  const placed = a.parent === b.parent && a.name === b.name && a.kind === b.kind && a.mtime === b.mtime;
  return placed && (a.bytes === b.bytes || JSON.stringify(a.bytes) === JSON.stringify(b.bytes));
}

export function withOverlay(tree: PlainTree, overlay: Overlay): PlainTree {
  const result = new Map(tree);
  for (const [node, state] of overlay)
    if (state) result.set(node, state);
    else result.delete(node);
  return result;
}

/** What is wrong with a tree: W1 parents, W2 cycles, W3 slots. */
export function illFormed(tree: PlainTree): string | undefined {
  const slots = new Map<string, ItemKey>();
  for (const [node, state] of tree) {
    if (node === ROOT) continue;
    if (tree.get(state.parent)?.kind !== "folder") return `W1: ${node} is in ${state.parent}, which is no folder`;
    const slot = `${state.parent}/${alike(state.name)}`;
    if (slots.has(slot)) return `W3: ${node} and ${slots.get(slot)} share ${slot}`;
    slots.set(slot, node);
    let steps = 0;
    for (let at: ItemKey = node; at !== ROOT; at = tree.get(at)?.parent ?? ROOT)
      if (steps++ > tree.size) return `W2: ${node} is above itself`;
  }
  return undefined;
}

export function below(tree: PlainTree, top: ItemKey): ItemKey[] {
  const found: ItemKey[] = [top];
  for (const at of found) for (const [node, state] of tree) if (state.parent === at && node !== ROOT) found.push(node);
  return found;
}

/** Readable, for failures. */
export function show(tree: PlainTree): string {
  const path = (node: ItemKey): string => {
    const state = tree.get(node);
    if (node === ROOT || !state) return "";
    return `${path(state.parent)}/${state.name}`;
  };
  return [...tree]
    .filter(([node]) => node !== ROOT)
    .map(([node, state]) => `${path(node)}${state.bytes ? `=${state.bytes.hash ?? state.bytes.version}` : "/"}#${node}`)
    .sort()
    .join(" ");
}
