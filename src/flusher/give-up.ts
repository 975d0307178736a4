/**
 * What a person takes back of what was not sent yet. `cancel` gives up one operation: the cloud does not get it. `undo` takes back
 * everything that the item has pending, for a folder that was deleted also what was below it: it is again as the cloud has it.
 *
 *   the item is in the cloud      the place, time, bytes or existence in question are the cloud's again
 *   the item was made here        cancel: it stays where it is and never leaves this machine; undo: it steps aside, likewise
 *
 * No byte is dropped: unpushed bytes that lose their file become a conflict copy beside it that never leaves this machine, and
 * `conflicts` lists it, so `resolve` can bring it back. Nothing is taken back into a place that is occupied or gone, nor while
 * a request for it is under way. All in one transaction.
 */
import type { Applied } from "../apply/apply.ts";
import { copyName } from "../apply/copy-name.ts";
import { fitOps } from "../apply/keep-ops.ts";
import { ok, type Result } from "../base/result.ts";
import type { Content } from "../content/content.ts";
import { isoDate } from "../merge/aside.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { BlobId, ItemKey, OpId } from "../model/ids.ts";
import type { LocalItem } from "../model/item.ts";
import { conflictName, fold } from "../model/name.ts";
import type { OpType } from "../op/op.ts";
import { append, ofNode } from "../oplog/oplog.ts";
import type { Reader, Store, Writer } from "../store/store.ts";
import { changeTrees, localAt, newNode, viewLocal, type LocalView } from "../store/tree.ts";
import { letGo } from "./op-states.ts";
import { homeOf, obstacle, restorable, restore, withGoneAbove, withGoneBelow } from "./undo.ts";

export interface GiveUpParts {
  readonly store: Store;
  readonly content: Pick<Content, "freeze">;
  /** This machine's name, for the copies. */
  readonly device: string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A request for the node is under way, or one was made whose outcome nobody knows. */
  isUnderWay(node: ItemKey): boolean;
  /** Nobody wants the upload of these bytes any more. */
  dropUpload(blob: BlobId): void;
}

export type How = "cancel" | "undo";

export async function giveUp(parts: GiveUpParts, seq: OpId, how: How): Promise<Result<Applied, Fault>> {
  const { read } = parts.store;
  const record = read.ops.get(seq);
  if (!record) return fault("notFound", "there is no such operation");
  const { node } = record.op;
  const underWay = busy(parts, node);
  if (underWay) return underWay;
  const view = viewLocal(read, node);
  if (!view) return backAgain(parts, node, how);
  if (!view.mirror) return how === "cancel" ? keepHere(parts, view) : stepAside(parts, view);
  const takes = partsOf(how === "undo" ? "all" : record.op.type);
  const keeps = takes.content && view.content.from === "blob" ? view.content.blob : undefined;
  const tag = keeps === undefined ? "" : await digestOf(parts, keeps);
  return backToCloud(parts, node, { ...takes, keeps, tag });
}

/** The delete of a folder is one request for everything below it. */
function busy({ store, isUnderWay }: GiveUpParts, node: ItemKey): Result<never, Fault> | undefined {
  const nodes = withGoneAbove(store.read, node);
  const underWay = nodes.some((each) => isUnderWay(each) || busyWith(store.read, each));
  return underWay ? fault("busy", "the operation is under way") : undefined;
}

function busyWith(read: Reader, node: ItemKey): boolean {
  return read.intents.get(node) !== undefined || ofNode(read, node).some(({ status }) => status.state === "inflight");
}

/** What was deleted is there again; with `undo` also all that is below it and can come back. */
function backAgain(parts: GiveUpParts, node: ItemKey, how: How): Result<Applied, Fault> {
  const { read } = parts.store;
  if (how === "cancel") return restore(parts.store, [node]);
  const below = withGoneBelow(read, node).filter((each) => each !== node && !busy(parts, each));
  const all = restorable(read, [node, ...below]);
  return restore(parts.store, all.includes(node) ? all : [node]);
}

/** What of an item goes back to what the cloud has. */
interface Takes {
  readonly place: boolean;
  readonly content: boolean;
}

function partsOf(type: OpType | "all"): Takes {
  if (type === "all") return { place: true, content: true };
  return { place: type === "move", content: type !== "move" };
}

/** SHA-256 (hex) of unpushed bytes, for the name of their copy; empty when they do not match what was recorded of them. */
async function digestOf({ content }: GiveUpParts, blob: BlobId): Promise<string> {
  const frozen = await content.freeze(blob);
  return frozen.ok ? frozen.value.sha256 : "";
}

interface Back extends Takes {
  readonly keeps: BlobId | undefined;
  /** Digest of those bytes. */
  readonly tag: string;
}

function backToCloud(parts: GiveUpParts, node: ItemKey, back: Back): Result<Applied, Fault> {
  const { store } = parts;
  const view = viewLocal(store.read, node);
  const has = view?.content.from === "blob" ? view.content.blob : undefined;
  const underWay = busy(parts, node);
  if (underWay) return underWay;
  if (!view?.mirror || (back.content && has !== back.keeps))
    return fault("busy", "the file is being changed; try again");
  const stuck = back.place ? obstacle(store.read, node, new Set([node])) : undefined;
  if (stuck) return { ok: false, fault: stuck };
  const applied = store.transact((tx) => writeBack(tx, parts, { view, back }));
  if (back.keeps !== undefined) parts.dropUpload(back.keeps);
  return ok(applied);
}

function writeBack(tx: Writer, parts: GiveUpParts, { view, back }: { view: LocalView; back: Back }): Applied {
  const { node } = view;
  const at = parts.now();
  const mirror = view.mirror!;
  const place = back.place ? homeOf(tx, node)! : view;
  const bytes = back.content ? ({ from: "cloud" } as const) : view.content;
  const mtime = back.content ? mirror.mtime : view.mtime;
  const row: LocalItem = { kind: view.kind, parent: place.parent, name: place.name, mtime, content: bytes };
  changeTrees(tx, new Map([[node, { local: row }]]));
  letGo(tx, node);
  fitOps(tx, node, { at, localOnly: false });
  const copy = back.keeps === undefined ? undefined : keepAside(tx, parts, { of: { ...view, ...place }, back });
  const entries = [view, place, ...(copy ? [copy] : [])].map(({ parent, name }) => ({ parent, name }));
  const nodes = copy ? [node, copy.node] : [node];
  return { conflicts: [], adopt: [], nodes, renewed: back.content ? [node] : [], entries };
}

/** The bytes that lost their file become a file beside it. */
function keepAside(tx: Writer, parts: GiveUpParts, { of, back }: { of: LocalView; back: Back }): LocalView {
  const node = newNode(tx);
  const blob = back.keeps!;
  const { kind, parent, mtime, size } = of;
  const taken = (name: string): boolean => localAt(tx, parent, fold(name)) !== undefined;
  const name = nameAside(parts, { view: of, node, sha256: back.tag }, taken);
  const row: LocalItem = { kind, parent, name, mtime, content: { from: "blob", blob, size } };
  changeTrees(tx, new Map([[node, { local: row }]]));
  tx.blobs.put(blob, { ...(tx.blobs.get(blob) ?? { size: 0, state: "open" }), node });
  const { pin: _, localOnly: __, ...facts } = tx.facts.get(of.node) ?? {};
  tx.facts.put(node, { ...facts, localOnly: true });
  fitOps(tx, node, { at: parts.now(), localOnly: false });
  note(tx, node, { of: of.node, at: parts.now() });
  return viewLocal(tx, node)!;
}

/** An item that the cloud has nothing of stays where it is, with all below it, and is no matter of the cloud any more. */
function keepHere(
  { store, dropUpload }: GiveUpParts,
  { node, parent, name, content }: LocalView,
): Result<Applied, Fault> {
  const facts = store.read.facts.get(node) ?? {};
  if (facts.localOnly) return fault("invalid", "it never leaves this machine anyway");
  store.transact((tx) => {
    tx.facts.put(node, { ...facts, localOnly: true });
    letGo(tx, node);
  });
  if (content.from === "blob") dropUpload(content.blob);
  return ok({ conflicts: [], adopt: [], nodes: [node], renewed: [], entries: [{ parent, name }] });
}

async function stepAside(parts: GiveUpParts, { node }: LocalView): Promise<Result<Applied, Fault>> {
  const { store } = parts;
  const before = viewLocal(store.read, node);
  const sha256 = before?.content.from === "blob" ? await digestOf(parts, before.content.blob) : "";
  const view = viewLocal(store.read, node);
  const underWay = busy(parts, node);
  if (underWay) return underWay;
  if (!view || view.mirror || view.name !== before?.name || view.parent !== before.parent)
    return fault("busy", "the file is being changed; try again");
  const applied = store.transact((tx) => aside(tx, parts, { view, sha256 }));
  if (view.content.from === "blob") parts.dropUpload(view.content.blob);
  return ok(applied);
}

function aside(tx: Writer, parts: GiveUpParts, { view, sha256 }: { view: LocalView; sha256: string }): Applied {
  const { node, parent, name: fromName, kind, mtime, content } = view;
  const taken = (name: string): boolean => localAt(tx, parent, fold(name)) !== undefined;
  const name = nameAside(parts, { view, node, sha256 }, taken);
  changeTrees(tx, new Map([[node, { local: { kind, parent, name, mtime, content } }]]));
  letGo(tx, node);
  append(tx, { type: "move", node, parent, name, fromParent: parent, fromName }, parts.now());
  tx.facts.put(node, { ...tx.facts.get(node), localOnly: true });
  note(tx, node, { of: node, at: parts.now() });
  const entries = [fromName, name].map((each) => ({ parent, name: each }));
  return { conflicts: [], adopt: [], nodes: [node], renewed: [], entries };
}

function nameAside(
  { device }: GiveUpParts,
  { view, node, sha256 }: { view: LocalView; node: ItemKey; sha256: string },
  taken: (name: string) => boolean,
): string {
  const { name, mtime } = view;
  if (sha256 !== "") return copyName({ name, device, mtime, sha256 }, taken);
  return conflictName(name, { device, date: isoDate(mtime), tag: node.toString(36) }, taken);
}

function note(tx: Writer, node: ItemKey, { of, at }: { of: ItemKey; at: number }): void {
  tx.conflicts.put(node, { of, why: "taken back before it was sent; kept on this machine only", at });
}
