/**
 * Every history of up to k acts on a small tree, as one side could make it: create, write, move, rename, delete (with all below), set
 * mtime. Bytes are unique per write, but for the contents "same" that both sides may write, and every write records what it saw.
 */
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import type { TreeNode } from "../../src/merge/merge.ts";
import { alike, below, key, type PlainTree } from "./plain-tree.ts";

export interface Side {
  readonly side: "local" | "cloud";
  readonly names: readonly string[];
}

export interface State {
  readonly tree: PlainTree;
  /** Serial of the last move of a node. */
  readonly movedAt: ReadonlyMap<ItemKey, number>;
  readonly acts: readonly string[];
}

export function start(tree: PlainTree): State {
  return { tree, movedAt: new Map(), acts: [] };
}

/** All states after exactly one more act. */
export function* next(state: State, side: Side): Iterable<State> {
  const nodes = [...state.tree.keys()].sort((a, b) => a - b);
  const folders = nodes.filter((node) => state.tree.get(node)?.kind === "folder");
  for (const parent of folders)
    for (const name of side.names) {
      yield* put(state, side, { parent, name, kind: "folder" });
      yield* put(state, side, { parent, name, kind: "file", hash: `${side.side}${state.acts.length}` });
      yield* put(state, side, { parent, name, kind: "file", hash: "same" });
      for (const node of nodes) yield* moved(state, node, { parent, name });
    }
  for (const node of nodes) {
    if (node === ROOT) continue;
    yield without(state, node);
    if (state.tree.get(node)?.kind !== "file") continue;
    yield written(state, side, { node, hash: `${side.side}${state.acts.length}` });
    yield written(state, side, { node, hash: "same" });
    yield touched(state, side, node);
  }
}

/** One act, chosen by a number; the state itself when that act is not possible. */
export function actBy(state: State, side: Side, choice: number): State {
  const nodes = [...state.tree.keys()].sort((a, b) => a - b);
  const folders = nodes.filter((each) => state.tree.get(each)?.kind === "folder");
  const node = nodes[choice % nodes.length] ?? ROOT;
  const parent = folders[Math.floor(choice / 64) % folders.length] ?? ROOT;
  const name = side.names[Math.floor(choice / 4096) % side.names.length] ?? "a";
  const hash = `${side.side}${state.acts.length}`;
  const isFile = state.tree.get(node)?.kind === "file";
  const acts: (() => Iterable<State>)[] = [
    () => put(state, side, { parent, name, kind: "folder" }),
    () => put(state, side, { parent, name, kind: "file", hash: choice % 5 === 0 ? "same" : hash }),
    () => moved(state, node, { parent, name }),
    () => moved(state, node, { parent, name }),
    () => (isFile ? [written(state, side, { node, hash: choice % 5 === 0 ? "same" : hash })] : []),
    () => (isFile ? [touched(state, side, node)] : []),
    () => (node === ROOT ? [] : [without(state, node)]),
  ];
  for (const after of acts[Math.floor(choice / 32_768) % acts.length]?.() ?? []) return after;
  return state;
}

/**
 * Every state after at most `most` acts, each once up to the choice of serial numbers: the merge compares bytes and times for
 * equality and new nodes and moves by their order, so two states that agree when those are counted anew are one case.
 */
export function reachable(tree: PlainTree, side: Side, most: number): State[] {
  const seen = new Map<string, State>();
  let round = [start(tree)];
  for (let acts = 0; acts <= most; acts++) {
    const following: State[] = [];
    for (const state of round) {
      const print = fingerprint(counted(state, tree, side).state);
      if (seen.has(print)) continue;
      seen.set(print, state);
      if (acts < most) following.push(...next(state, side));
    }
    round = following;
  }
  return [...seen.values()];
}

function fingerprint(state: State): string {
  return JSON.stringify([[...state.tree].sort((a, b) => a[0] - b[0]), [...state.movedAt].sort((a, b) => a[0] - b[0])]);
}

export interface Counted {
  readonly state: State;
  named(node: ItemKey): ItemKey;
  word(hash: string): string;
}

/** The same state with new nodes, written bytes, times and moves numbered in the order of the nodes. */
export function counted(state: State, base: PlainTree, side: Side): Counted {
  const [first, firstTime] = side.side === "local" ? [100, 400] : [200, 500];
  const nodes = [...state.tree.keys()].sort((a, b) => a - b);
  const fresh = new Map(nodes.filter((node) => !base.has(node)).map((node, at) => [node, key(first + at)]));
  const named = (node: ItemKey): ItemKey => fresh.get(node) ?? node;
  const words = new Map<string, string>([["same", "same"]]);
  const tree: PlainTree = new Map();
  for (const node of nodes) {
    const was = state.tree.get(node) as TreeNode;
    const old = base.get(node);
    const timed = was.kind === "folder" || was.mtime === old?.mtime ? was.mtime : firstTime + named(node);
    const { bytes } = was;
    if (bytes?.hash && bytes !== old?.bytes && !words.has(bytes.hash))
      words.set(bytes.hash, `${side.side}${words.size}`);
    const retold =
      bytes && bytes !== old?.bytes
        ? bytesOf(side, { hash: words.get(bytes.hash!)!, serial: 1_000 + named(node), seen: bytes.seen })
        : bytes;
    tree.set(named(node), { ...was, parent: named(was.parent), bytes: retold, mtime: timed });
  }
  const moves = [...state.movedAt].filter(([node]) => state.tree.has(node)).sort((a, b) => a[1] - b[1]);
  const movedAt = new Map(side.side === "cloud" ? [] : moves.map(([node], at) => [named(node), at + 1]));
  return { state: { tree, movedAt, acts: state.acts }, named, word: (hash) => words.get(hash) ?? hash };
}

function act(state: State, what: string, change: (tree: PlainTree) => void, moving?: ItemKey): State {
  const tree = new Map(state.tree);
  change(tree);
  const movedAt = new Map(state.movedAt);
  if (moving !== undefined) movedAt.set(moving, state.acts.length + 1);
  return { tree, movedAt, acts: [...state.acts, what] };
}

function occupied(tree: PlainTree, parent: ItemKey, name: string, except?: ItemKey): boolean {
  for (const [node, state] of tree)
    if (node !== ROOT && node !== except && state.parent === parent && alike(state.name) === alike(name)) return true;
  return false;
}

function* put(
  state: State,
  side: Side,
  what: { parent: ItemKey; name: string; kind: "file" | "folder"; hash?: string },
): Iterable<State> {
  if (occupied(state.tree, what.parent, what.name)) return;
  const node = key((side.side === "local" ? 100 : 200) + state.acts.length);
  const bytes = what.hash === undefined ? null : bytesOf(side, { hash: what.hash, serial: node, seen: undefined });
  const made: TreeNode = { kind: what.kind, parent: what.parent, name: what.name, bytes, mtime: bytes ? node : 0 };
  yield act(state, `create ${what.parent}/${what.name} ${what.hash ?? ""}`, (tree) => void tree.set(node, made));
}

function bytesOf(side: Side, what: { hash: string; serial: number; seen: string | undefined }): TreeNode["bytes"] {
  if (side.side === "cloud") return { version: `c:${what.hash}:${what.serial}`, size: 1, hash: what.hash };
  const seen = what.seen === undefined ? {} : { seen: what.seen };
  return { version: `blob:${what.hash}:${what.serial}`, size: 1, hash: what.hash, tag: what.hash, ...seen };
}

function* moved(state: State, node: ItemKey, to: { parent: ItemKey; name: string }): Iterable<State> {
  const was = state.tree.get(node);
  if (node === ROOT || !was || (was.parent === to.parent && was.name === to.name)) return;
  if (occupied(state.tree, to.parent, to.name, node) || below(state.tree, node).includes(to.parent)) return;
  yield act(state, `move ${node} to ${to.parent}/${to.name}`, (tree) => void tree.set(node, { ...was, ...to }), node);
}

function without(state: State, node: ItemKey): State {
  return act(state, `delete ${node}`, (tree) => below(state.tree, node).forEach((gone) => tree.delete(gone)));
}

function written(state: State, side: Side, what: { node: ItemKey; hash: string }): State {
  const was = state.tree.get(what.node) as TreeNode;
  const seen = was.bytes?.version.startsWith("blob:") ? was.bytes.seen : was.bytes?.version;
  const bytes = bytesOf(side, { hash: what.hash, serial: 300 + state.acts.length, seen });
  const mtime = (side.side === "local" ? 400 : 500) + state.acts.length;
  return act(state, `write ${what.node} ${what.hash}`, (tree) => void tree.set(what.node, { ...was, bytes, mtime }));
}

function touched(state: State, side: Side, node: ItemKey): State {
  const was = state.tree.get(node) as TreeNode;
  const mtime = (side.side === "local" ? 600 : 700) + state.acts.length;
  return act(state, `touch ${node}`, (tree) => void tree.set(node, { ...was, mtime }));
}
