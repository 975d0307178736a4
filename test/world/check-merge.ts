/**
 * Everything that must hold of one merge, checked from outside: well-formed (S4), no content lost (S1) or doubled (S2), identity kept
 * (S3), both scripts run step by step on copies (S5), resumable after every prefix of the script (A2), the same for shuffled
 * inputs (A4). Returns what is wrong, or undefined.
 */
import { execute } from "../../src/merge/executor.ts";
import type { Rebased, RebaseInput, Script, Step, TreeNode } from "../../src/merge/merge.ts";
import { plan } from "../../src/merge/plan.ts";
import { rebase } from "../../src/merge/rebase.ts";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { asTree, difference, illFormed, key, withOverlay, type PlainTree } from "./plain-tree.ts";

export interface Case {
  readonly base: PlainTree;
  readonly local: PlainTree;
  readonly remote: PlainTree;
  readonly movedAt: ReadonlyMap<ItemKey, number>;
  readonly parked?: ReadonlyMap<ItemKey, string>;
  readonly localOnly?: ReadonlySet<ItemKey>;
}

export interface Merged {
  readonly rebased: Rebased;
  /** Remote, with the numbers the merge gave to items that are one with a node of here. */
  readonly remote: PlainTree;
  readonly star: PlainTree;
}

export interface Counts {
  merges: number;
  scripts: number;
  crashes: number;
  parks: number;
}

export const counts = (): Counts => ({ merges: 0, scripts: 0, crashes: 0, parks: 0 });

export function merge(it: Case, order?: (a: number, b: number) => number): Merged {
  let fresh = 1_000;
  const input: RebaseInput = {
    base: asTree(it.base),
    local: difference(it.base, it.local, order),
    remote: difference(it.base, it.remote, order),
    movedAt: it.movedAt,
    parked: it.parked ?? new Map(),
    localOnly: it.localOnly ?? new Set(),
    device: "laptop",
    fresh: () => key(fresh++),
  };
  const rebased = rebase(input);
  const remote = renumbered(it.remote, rebased);
  return { rebased, remote, star: withOverlay(remote, rebased.local) };
}

/** Only those pairs concern a tree that has the `gone` node and not yet the one it becomes; two nodes of one tree are merged by a script. */
function renumbered(tree: PlainTree, rebased: Rebased): PlainTree {
  const here = rebased.bound.filter(({ kept, gone }) => tree.has(gone) && !tree.has(kept));
  if (here.length === 0) return tree;
  const names = new Map(here.map(({ kept, gone }) => [gone, kept]));
  const named = (node: ItemKey): ItemKey => names.get(node) ?? node;
  return new Map([...tree].map(([node, state]) => [named(node), { ...state, parent: named(state.parent) }]));
}

export function checkMerge(it: Case, count: Counts): string | undefined {
  count.merges++;
  const merged = merge(it);
  return (
    illFormed(merged.star) ??
    contentsKept(it, merged) ??
    identityKept(it, merged) ??
    shuffled(it, merged) ??
    scripts(it, merged, count)
  );
}

function contentsKept(it: Case, { star }: Merged): string | undefined {
  const found = hashes(star);
  for (const [hash] of contentsOf(it.local))
    if (isNews(it.base, it.local, hash) && !found.has(hash)) return `S1: ${hash} of here is lost`;
  for (const [hash] of contentsOf(it.remote))
    if (isNews(it.base, it.remote, hash) && !found.has(hash)) return `S1: ${hash} of the cloud is lost`;
  for (const [node, state] of it.base) {
    const hash = state.bytes?.hash;
    if (hash === undefined || found.has(hash)) continue;
    const kept = [it.local, it.remote].every((tree) => tree.get(node)?.bytes?.hash === hash);
    if (kept) return `S1: ${hash} was touched by nobody and is lost`;
  }
  for (const [hash, times] of contentsOf(star)) {
    const most = Math.max(...[it.base, it.local, it.remote].map((tree) => contentsOf(tree).get(hash) ?? 0));
    if (times > most && hash !== "same") return `S2: ${hash} is there ${times} times`;
  }
  return undefined;
}

function contentsOf(tree: PlainTree): Map<string, number> {
  const times = new Map<string, number>();
  for (const state of tree.values()) {
    const hash = state.bytes?.hash;
    if (hash !== undefined) times.set(hash, (times.get(hash) ?? 0) + 1);
  }
  return times;
}

const hashes = (tree: PlainTree): Set<string> => new Set(contentsOf(tree).keys());

function isNews(base: PlainTree, tree: PlainTree, hash: string): boolean {
  return [...tree].some(
    ([node, state]) => state.bytes?.hash === hash && base.get(node)?.bytes?.version !== state.bytes.version,
  );
}

function identityKept(it: Case, { star, rebased, remote }: Merged): string | undefined {
  const gone = new Set(rebased.bound.map((pair) => pair.gone));
  for (const node of it.base.keys())
    if (it.local.has(node) && it.remote.has(node) && !star.has(node))
      return `S3: item ${node} was deleted by nobody and is gone`;
  for (const node of it.remote.keys())
    if (!it.base.has(node) && !gone.has(node) && !star.has(node)) return `S3: item ${node} of the cloud is gone`;
  for (const { copy } of rebased.copies)
    if (!star.has(copy) && !gone.has(copy)) return `S1: conflict copy ${copy} is nowhere`;
  for (const node of remote.keys()) {
    const kind = star.get(node)?.kind;
    if (kind !== undefined && kind !== remote.get(node)?.kind) return `W4: ${node} became a ${kind}`;
  }
  return undefined;
}

function shuffled(it: Case, merged: Merged): string | undefined {
  const other = merge(it, (a, b) => ((a * 7919) % 101) - ((b * 7919) % 101));
  const print = (star: PlainTree): string => JSON.stringify([...star].sort((a, b) => a[0] - b[0]));
  if (print(other.star) !== print(merged.star)) return "A4: another order of the inputs gives another tree";
  const scriptOf = (m: Merged): string => JSON.stringify(planned(it, m));
  return scriptOf(other) === scriptOf(merged) ? undefined : "A4: another order of the inputs gives another script";
}

export function planned(it: Case, { remote, rebased }: Merged): Script {
  return plan(asTree(remote), rebased.local, {
    localOnly: it.localOnly ?? new Set(),
    parked: it.parked ?? new Map(),
    device: "laptop",
  });
}

function scripts(it: Case, merged: Merged, count: Counts): string | undefined {
  const script = planned(it, merged);
  count.scripts++;
  const ran = execute(asTree(merged.remote), script, merged.rebased.local);
  if (!ran.ok) return `S5: step ${ran.fault.step} of ${words(script)}: ${ran.fault.node} ${ran.fault.why}`;
  return localScript(it, merged) ?? crashes(it, merged, { script, count });
}

/** The script that turns Local into T*, in which bytes arrive from the cloud. */
function localScript(it: Case, merged: Merged): string | undefined {
  const from = renumbered(it.local, merged.rebased);
  const overlay = new Map<ItemKey, TreeNode | null>();
  for (const [node, state] of difference(from, merged.star)) {
    const seen = from.get(node)?.bytes?.version;
    overlay.set(node, state?.bytes && seen !== undefined ? { ...state, bytes: { ...state.bytes, seen } } : state);
  }
  const script = plan(asTree(from), overlay, { localOnly: new Set(), parked: new Map(), device: "laptop" });
  const ran = execute(asTree(from), script, overlay);
  return ran.ok ? undefined : `S5 here: step ${ran.fault.step} of ${words(script)}: ${ran.fault.node} ${ran.fault.why}`;
}

/** A crash after each step, its answer lost: merging again must give the same tree, and go on to the end. */
function crashes(it: Case, merged: Merged, run: { script: Script; count: Counts }): string | undefined {
  let mirror = merged.remote;
  const parked = new Map(it.parked ?? []);
  for (const [index, step] of run.script.steps.entries()) {
    run.count.crashes++;
    if (step.action === "move" && step.park) {
      run.count.parks++;
      if (!parked.has(step.node)) parked.set(step.node, mirror.get(step.node)?.name ?? "");
    }
    const [unheard, heard] = [afterStep(mirror, step, index), afterStep(mirror, step)];
    const again = merge({
      base: mirror,
      local: merged.star,
      remote: unheard,
      movedAt: it.movedAt,
      parked,
      localOnly: it.localOnly ?? new Set(),
    });
    const wrong = sameTree(again.star, merged.star);
    if (wrong !== undefined) return `A2: step ${index} of ${words(run.script)} unheard: ${wrong}`;
    const rest = planned({ ...it, parked }, again);
    const ran = execute(asTree(again.remote), rest, again.rebased.local);
    if (!ran.ok) return `A2: after step ${index} of ${words(run.script)} unheard, ${words(rest)}: ${ran.fault.why}`;
    mirror = heard;
  }
  return undefined;
}

/** The cloud after a step; `unheard`: as the next delta shows it, new items under numbers of their own. */
function afterStep(mirror: PlainTree, step: Step, unheard?: number): PlainTree {
  const tree = new Map(mirror);
  const was = tree.get(step.node);
  const fresh = unheard === undefined ? step.node : key(5_000 + unheard);
  const arrived = (bytes: TreeNode["bytes"]): TreeNode["bytes"] =>
    bytes && {
      version: unheard === undefined ? bytes.version : `c:new:${unheard}`,
      size: bytes.size,
      ...(bytes.hash ? { hash: bytes.hash } : {}),
    };
  if (step.action === "createFolder")
    tree.set(fresh, { kind: "folder", parent: step.parent, name: step.name, bytes: null, mtime: 0 });
  else if (step.action === "createFile")
    tree.set(fresh, {
      kind: "file",
      parent: step.parent,
      name: step.name,
      bytes: arrived(step.bytes),
      mtime: step.mtime,
    });
  else if (step.action === "deleteFile") tree.delete(step.node);
  else if (step.action === "deleteFolder") for (const node of [step.node, ...step.covers]) tree.delete(node);
  else if (was && step.action === "move") tree.set(step.node, { ...was, parent: step.parent, name: step.name });
  else if (was && step.action === "writeContent")
    tree.set(step.node, { ...was, bytes: arrived(step.bytes), mtime: step.mtime });
  else if (was && step.action === "setMetadata") tree.set(step.node, { ...was, mtime: step.mtime });
  return tree;
}

function sameTree(a: PlainTree, b: PlainTree): string | undefined {
  for (const node of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(node), b.get(node)];
    if (node === ROOT) continue;
    if (!x || !y) return `${node} is in one of them only`;
    if (x.parent !== y.parent || x.name !== y.name)
      return `${node} is at ${x.parent}/${x.name}, not at ${y.parent}/${y.name}`;
    if (x.bytes?.hash !== y.bytes?.hash) return `${node} has ${x.bytes?.hash}, not ${y.bytes?.hash}`;
    if (x.kind === "file" && x.mtime !== y.mtime) return `${node} has another mtime`;
  }
  return undefined;
}

export function words(script: Script): string {
  return `[${script.steps.map((step) => `${step.action} ${step.node}${"name" in step ? ` ${step.parent}/${step.name}` : ""}`).join("; ")}]`;
}
