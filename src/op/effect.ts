/**
 * What an operation does to a tree, as a value: the new state of the one node it names. Conditions are not asked here; see
 * precondition.ts. Since an operation changes only its own node, a log gives the same tree in every order that keeps the
 * operations of each node in theirs.
 */
import { unreachable } from "../base/assert.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import type { Kind } from "../model/item.ts";
import type { Op } from "./op.ts";

/** A node as operations know it. */
export interface OpNode {
  readonly kind: Kind;
  readonly parent: ItemKey;
  readonly name: string;
  /** Whose bytes a file has: the cloud's own, a blob's, or none yet. Folders say `cloud`. */
  readonly content:
    | { readonly from: "cloud"; readonly of: ItemKey }
    | { readonly from: "blob"; readonly blob: BlobId }
    | { readonly from: "nothing" };
  /** Whole seconds; undefined: what the bytes' own time is. */
  readonly mtime: number | undefined;
}

/** The state of `op.node` after the operation; null: it is not there. An operation on a node that is not there does nothing. */
export function applyOp(get: (node: ItemKey) => OpNode | null, op: Op): OpNode | null {
  const now = get(op.node);
  switch (op.type) {
    case "createFile":
      return { kind: "file", parent: op.parent, name: op.name, content: { from: "nothing" }, mtime: undefined };
    case "createFolder":
      return folder(op);
    case "copy": {
      const source = get(op.source);
      return source && { ...source, parent: op.parent, name: op.name };
    }
    case "writeContent":
      return now && { ...now, content: { from: "blob", blob: op.blob }, mtime: undefined };
    case "move":
      return now && { ...now, parent: op.parent, name: op.name };
    case "setMetadata":
      return now && { ...now, mtime: op.mtime };
    case "deleteFile":
    case "deleteFolder":
      return null;
    default:
      return unreachable(op, "operation");
  }
}

/** What a log changes: the nodes it names, in their last state. */
export function applyLog(
  get: (node: ItemKey) => OpNode | null,
  log: Iterable<Op>,
): ReadonlyMap<ItemKey, OpNode | null> {
  const changed = new Map<ItemKey, OpNode | null>();
  const now = (node: ItemKey): OpNode | null => changed.get(node) ?? (changed.has(node) ? null : get(node));
  for (const op of log) changed.set(op.node, applyOp(now, op));
  return changed;
}

function folder(op: { readonly node: ItemKey; readonly parent: ItemKey; readonly name: string }): OpNode {
  const content = { from: "cloud", of: op.node } as const;
  return { kind: "folder", parent: op.parent, name: op.name, content, mtime: undefined };
}
