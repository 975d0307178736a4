/**
 * Identity follows the slot: whatever way a program saves a file, the item of the cloud stays the file of that name.
 *
 * Programs save by writing a new file and putting it in the place of the old one: renamed over it, created after the old one was
 * renamed away or unlinked. Seen from the slot these are all one state, and `judge` decides by the state alone:
 *
 *   x   the file the cloud has at this slot (it has a Mirror row whose place is the slot)
 *   t   the file that is at the slot here, and that the cloud has nothing of
 *
 *   takeOver  x is gone here: t takes x's Mirror row; what was to be done to x and t becomes one change of content
 *   split     x lives on as a backup of that name (`f~`): t takes the Mirror row, x becomes a new item with its old bytes
 *   leave     everything else; also while a request for either is under way (`reunite` looks again after its answer)
 *
 * The rule runs in the transaction that made the state (unlink, rename, create), so no crash can come between; a split, which needs
 * a copy of the old bytes, runs when t is closed and a moment has passed, so that backups that are dropped again cost nothing.
 * Guarantees: a node number never moves to another file; no bytes are dropped; only a node the cloud has nothing of takes over.
 */
import { ok } from "../base/result.ts";
import type { ItemKey } from "../model/ids.ts";
import { contentVersion, type Kind, type LocalItem, type MirrorItem } from "../model/item.ts";
import { fold, isBackupOf } from "../model/name.ts";
import { isLocalOnly } from "../store/local-only.ts";
import type { Reader, Writer } from "../store/store.ts";
import { changeTrees, localAt, mirrorAt, viewLocal, type LocalView } from "../store/tree.ts";
import { rowOf, setFacts, type Core } from "./core.ts";
import { busyWith, dropOps, record } from "./pending.ts";
import type { Answer } from "./vfs.ts";
import type { Pair } from "./waiting.ts";

/** What stands around one slot of the Mirror. */
export interface Corner {
  readonly slotName: string;
  readonly old: {
    readonly kind: Kind;
    /** Its name here, undefined when it is gone. */
    readonly name: string | undefined;
    readonly sameFolder: boolean;
    readonly busy: boolean;
    /** Parked under another name in the cloud, or of a kind whose bytes cannot be set. */
    readonly fixed: boolean;
  };
  readonly young: {
    readonly kind: Kind;
    readonly inCloud: boolean;
    readonly localOnly: boolean;
    readonly busy: boolean;
    readonly hasBlob: boolean;
  };
}

export type Verdict = "takeOver" | "split" | "leave";

export function judge({ slotName, old, young }: Corner): Verdict {
  if (old.kind !== "file" || young.kind !== "file") return "leave";
  if (old.busy || old.fixed || young.busy || young.inCloud || young.localOnly || !young.hasBlob) return "leave";
  if (old.name === undefined) return "takeOver";
  return old.sameFolder && isBackupOf(old.name, slotName) ? "split" : "leave";
}

/** Applies `takeOver` where the given nodes make it so; returns the nodes that lost their item, and the pairs waiting for a split. */
export function settleIdentity(
  core: Core,
  tx: Writer,
  touched: readonly ItemKey[],
): { lost: ItemKey[]; splits: Pair[] } {
  const lost: ItemKey[] = [];
  const splits: Pair[] = [];
  for (const pair of pairsAround(tx, touched)) {
    const verdict = judge(cornerOf(core, tx, pair));
    if (verdict === "split") splits.push(pair);
    if (verdict !== "takeOver") continue;
    takeOver(core, tx, pair);
    lost.push(pair.old);
  }
  return { lost, splits };
}

/** Pairs that a change of these nodes may have made: at their own slots in the Mirror, and at the slots where they are here. */
function pairsAround(read: Reader, touched: readonly ItemKey[]): Pair[] {
  const pairs = new Map<ItemKey, Pair>();
  for (const node of touched) {
    const mirror = read.mirror.get(node);
    const successor = mirror && localAt(read, mirror.parent, fold(mirror.name));
    if (successor !== undefined && successor !== node) pairs.set(node, { old: node, young: successor });
    const here = viewLocal(read, node);
    const owner = here && mirrorAt(read, here.parent, fold(here.name));
    if (owner !== undefined && owner !== node) pairs.set(owner, { old: owner, young: node });
  }
  return [...pairs.values()];
}

export function cornerOf(core: Core, read: Reader, { old, young }: Pair): Corner {
  const mirror = read.mirror.get(old)!;
  const there = viewLocal(read, old);
  const here = viewLocal(read, young)!;
  return {
    slotName: mirror.name,
    old: {
      kind: mirror.kind,
      name: there?.name,
      sameFolder: there?.parent === mirror.parent,
      busy: busyWith(read, old),
      fixed: read.parks.get(old) !== undefined || mirror.opaque !== undefined,
    },
    young: {
      kind: here.kind,
      inCloud: here.mirror !== undefined,
      localOnly: isLocalOnly(read, young, core.localOnlyNames),
      busy: busyWith(read, young),
      hasBlob: here.content.from === "blob",
    },
  };
}

/** `young` becomes the item; the old node has no item any more (and is gone, unless `oldRow` says where it lives on). */
function takeOver(core: Core, tx: Writer, { old, young }: Pair, oldRow: LocalItem | null = null): void {
  const mirror = tx.mirror.get(old)!;
  const view = viewLocal(tx, young)!;
  const row = basedOn(view, mirror);
  changeTrees(
    tx,
    new Map([
      [young, { mirror, local: row }],
      [old, { mirror: null, local: oldRow }],
    ]),
  );
  dropOps(tx, old);
  dropOps(tx, young);
  moveFacts(tx, old, young, oldRow !== null);
  const at = core.clock.now();
  if (view.name !== mirror.name || view.parent !== mirror.parent) {
    const from = { fromParent: mirror.parent, fromName: mirror.name };
    record(tx, { type: "move", node: young, parent: view.parent, name: view.name, ...from }, at);
  }
  const { blob, seen } = row.content;
  record(tx, { type: "writeContent", node: young, blob, seen }, at);
}

function basedOn(view: LocalView, mirror: MirrorItem): LocalItem & { content: { from: "blob"; seen: string } } {
  if (view.content.from !== "blob") throw new TypeError("only a file with bytes of its own takes over");
  const content = { ...view.content, seen: contentVersion(mirror) };
  return { ...rowOf(view), content };
}

/** The pin is a wish about the item; a mark to look at goes with the item too. Everything else belongs to the file. */
function moveFacts(tx: Writer, old: ItemKey, young: ItemKey, oldLives: boolean): void {
  const facts = tx.facts.get(old);
  if (facts?.pin !== undefined && tx.facts.get(young)?.pin === undefined) setFacts(tx, young, { pin: facts.pin });
  if (facts && !oldLives) tx.facts.remove(old);
  const conflict = tx.conflicts.get(old);
  if (!conflict) return;
  tx.conflicts.remove(old);
  tx.conflicts.put(young, { ...conflict, of: conflict.of === old ? young : conflict.of });
}

/** Carries out a split if it still applies and the old bytes are all here. Answers whether it did. */
export async function split(core: Core, pair: Pair): Promise<Answer<boolean>> {
  if (!splittable(core, pair)) return ok(false);
  const before = viewLocal(core.read, pair.old)!;
  if (before.content.from === "blob") return commitSplit(core, pair, before.content);
  if (core.content.have(pair.old) !== "all") return ok(false);
  const blob = await core.content.toBlob(pair.old);
  if (!blob.ok) return blob;
  const after = viewLocal(core.read, pair.old);
  if (after?.content.from !== "cloud" || !sameVersion(after, before)) return ok(false);
  if (!splittable(core, pair)) return ok(false);
  return commitSplit(core, pair, { from: "blob", blob: blob.value, size: after.size });
}

function splittable(core: Core, pair: Pair): boolean {
  const { old, young } = pair;
  const mirror = core.read.mirror.get(old);
  const here = viewLocal(core.read, young);
  if (!mirror || !here || core.files.isWriting(young)) return false;
  if (localAt(core.read, mirror.parent, fold(mirror.name)) !== young) return false;
  return judge(cornerOf(core, core.read, pair)) === "split";
}

function commitSplit(core: Core, pair: Pair, content: LocalItem["content"] & { from: "blob" }): Answer<boolean> {
  const done = core.commit((tx) => {
    const view = viewLocal(tx, pair.old)!;
    const { from, blob, size } = content;
    takeOver(core, tx, pair, rowOf(view, { content: { from, blob, size } }));
    if (!tx.blobs.get(blob)) tx.blobs.put(blob, { node: pair.old, size: 0, state: "open" });
    const { parent, name } = view;
    record(tx, { type: "createFile", node: pair.old, parent, name }, core.clock.now());
  });
  if (!done.ok) return done;
  core.changed({ kind: "logged" });
  return ok(true);
}

function sameVersion(a: LocalView, b: LocalView): boolean {
  return !!a.mirror && !!b.mirror && contentVersion(a.mirror) === contentVersion(b.mirror);
}
