/**
 * What must hold when an operation is carried out, as data: who provides it must come before, who destroys it must not. The same
 * conditions are asked of a local tree (`holds`), and of the cloud by the merge.
 *
 *   exists   `node` is a folder that is there
 *   free     nobody in `parent` has this name as the service compares names (the node itself may)
 *   outside  `folder` is not `node` nor below it
 *   empty    nothing is left in `node`
 *   at       `node` is there, at the version (if given) of its content, its place, or both
 *   bytes    the blob is stable on disk
 */
import { unreachable } from "../base/assert.ts";
import type { BlobId, Folded, ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import type { Op } from "./op.ts";

export type Condition =
  | { readonly kind: "exists"; readonly node: ItemKey }
  | { readonly kind: "free"; readonly parent: ItemKey; readonly name: Folded; readonly mover: ItemKey }
  | { readonly kind: "outside"; readonly node: ItemKey; readonly folder: ItemKey }
  | { readonly kind: "empty"; readonly node: ItemKey }
  | {
      readonly kind: "at";
      readonly node: ItemKey;
      readonly aspect: "content" | "place" | "any";
      readonly version?: string;
    }
  | { readonly kind: "bytes"; readonly blob: BlobId };

export function conditionsOf(op: Op): readonly Condition[] {
  switch (op.type) {
    case "createFile":
    case "createFolder":
      return taking(op);
    case "writeContent":
      return [at(op.node, "content", op.seen), { kind: "bytes", blob: op.blob }];
    case "move":
      return [...taking(op), { kind: "outside", node: op.node, folder: op.parent }, at(op.node, "place")];
    case "deleteFile":
      return [at(op.node, "any", op.seen)];
    case "deleteFolder":
      return [{ kind: "empty", node: op.node }, at(op.node, "any")];
    case "setMetadata":
      return [at(op.node, "any")];
    case "copy":
      return [...taking(op), at(op.source, "content")];
    default:
      return unreachable(op, "operation");
  }
}

/** A tree to ask. */
export interface Asked {
  /** The folder a node is in (ROOT's is ROOT), undefined when it is not there. */
  parentOf(node: ItemKey): ItemKey | undefined;
  isFolder(node: ItemKey): boolean;
  at(parent: ItemKey, name: Folded): ItemKey | undefined;
  isEmpty(folder: ItemKey): boolean;
  /** The version of its content; undefined for a folder and for a file without bytes. */
  versionOf(node: ItemKey): string | undefined;
  isStable(blob: BlobId): boolean;
}

/** Whether a condition holds in a tree. */
export function holds(tree: Asked, condition: Condition): boolean {
  switch (condition.kind) {
    case "exists":
      return tree.parentOf(condition.node) !== undefined && tree.isFolder(condition.node);
    case "free": {
      const there = tree.at(condition.parent, condition.name);
      return there === undefined || there === condition.mover;
    }
    case "outside":
      return !isBelow(tree, condition.folder, condition.node);
    case "empty":
      return tree.isEmpty(condition.node);
    case "at":
      return (
        tree.parentOf(condition.node) !== undefined &&
        (condition.version === undefined || tree.versionOf(condition.node) === condition.version)
      );
    case "bytes":
      return tree.isStable(condition.blob);
    default:
      return unreachable(condition, "condition");
  }
}

/** True when `node` is `folder` or below it. */
function isBelow(tree: Asked, node: ItemKey, folder: ItemKey): boolean {
  for (let now: ItemKey | undefined = node; now !== undefined;) {
    if (now === folder) return true;
    const parent = tree.parentOf(now);
    now = parent === now ? undefined : parent;
  }
  return false;
}

function taking(op: { readonly node: ItemKey; readonly parent: ItemKey; readonly name: string }): readonly Condition[] {
  return [
    { kind: "exists", node: op.parent },
    { kind: "free", parent: op.parent, name: fold(op.name), mover: op.node },
  ];
}

function at(node: ItemKey, aspect: "content" | "place" | "any", version?: string): Condition {
  return version === undefined ? { kind: "at", node, aspect } : { kind: "at", node, aspect, version };
}
