/**
 * The log after a rebase: what a node still has to say to the cloud is what stands between the Mirror and Local. Records of that stay
 * as they are (also their age, which the settle window counts from); others go; what has none gets one.
 */
import type { ItemKey } from "../model/ids.ts";
import type { MirrorItem } from "../model/item.ts";
import type { Op, OpRecord } from "../op/op.ts";
import type { Writer } from "../store/store.ts";
import { append, dropRecord, ofNode, reword } from "../oplog/oplog.ts";
import { viewLocal, type LocalView } from "../store/tree.ts";
import { blobIn } from "./trees.ts";

type WriteContent = Op & { readonly type: "writeContent" };

/** Makes the node's records say what its rows say. `localOnly` nodes need none. */
export function fitOps(tx: Writer, node: ItemKey, { at, localOnly }: { at: number; localOnly: boolean }): void {
  const mirror = tx.mirror.get(node);
  const view = viewLocal(tx, node);
  const wanted = localOnly ? [] : wantedOps(node, mirror, view);
  const records = ofNode(tx, node);
  const keep = new Set<Op["type"]>(wanted.map((op) => op.type));
  if (!mirror && view) for (const type of ["move", "setMetadata", "copy"] as const) keep.add(type);
  if (wanted.length === 0) keep.clear();
  for (const record of records)
    if (!localOnly && record.status.state !== "inflight" && !keep.has(record.op.type)) dropRecord(tx, record);
  for (const op of wanted) if (op.type === "writeContent") tellOrigin(tx, records, op);
  const there = new Set(records.filter(({ op }) => keep.has(op.type)).map(({ op }) => op.type));
  for (const op of wanted) if (!there.has(op.type) && !isCopied(op, there)) append(tx, op, at);
}

/**
 * Bytes whose source has become a version of the cloud: their record says so too, since it alone knows when others are made from these
 * while they are being sent.
 */
function tellOrigin(tx: Writer, records: readonly OpRecord[], { blob, seen }: WriteContent): void {
  if (seen === undefined || blobIn(seen) !== undefined) return;
  for (const record of records)
    if (record.op.type === "writeContent" && record.op.blob === blob && blobIn(record.op.seen) !== undefined)
      reword(tx, record, { ...record.op, seen });
}

function isCopied(op: Op, there: ReadonlySet<Op["type"]>): boolean {
  return op.type === "createFile" && there.has("copy");
}

function wantedOps(node: ItemKey, mirror: MirrorItem | undefined, view: LocalView | undefined): Op[] {
  if (!view) {
    if (!mirror) return [];
    return [mirror.kind === "folder" ? { type: "deleteFolder", node } : { type: "deleteFile", node }];
  }
  const { parent, name, mtime, content } = view;
  const ops: Op[] = [];
  if (!mirror) ops.push({ type: view.kind === "folder" ? "createFolder" : "createFile", node, parent, name });
  else if (mirror.parent !== parent || mirror.name !== name)
    ops.push({ type: "move", node, parent, name, fromParent: mirror.parent, fromName: mirror.name });
  if (content.from === "blob") {
    const { blob, seen } = content;
    ops.push(seen === undefined ? { type: "writeContent", node, blob } : { type: "writeContent", node, blob, seen });
  } else if (mirror?.kind === "file" && mirror.mtime !== mtime) ops.push({ type: "setMetadata", node, mtime });
  return ops;
}
