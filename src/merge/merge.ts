/**
 * The words of the merge: trees as plain data, what a rebase decides, what a script does. Everything in this folder is a pure
 * function of its arguments: no clock, no randomness, no iteration order of unordered input reaches a result.
 *
 *   tree-view  trees as overlays on trees; comparing places and bytes
 *   changes    the difference of two trees as typed operations: the cloud's changes and ours speak one language
 *   opgraph    what operations need and do: who provides a need (order), who destroys one (conflict)
 *   rebase     (Base, Local, Remote) -> what Local becomes on top of Remote; its steps are survive, contents, slots, conflicts
 *   plan       (Mirror, Local) -> the script that makes the cloud say what Local says; cycles are broken by parking
 *   ready      which steps of a script may be sent now
 *   executor  runs a script on a copy of a tree and refuses every step whose conditions do not hold; shares no code with the planner
 *   compact   equivalence-preserving rewrites of a log
 */
import type { Folded, ItemKey } from "../model/ids.ts";
import type { Kind } from "../model/item.ts";

/** A file's bytes, for comparing. `version` tells contents apart; equal non-empty `hash` and `size` means equal bytes. */
export interface Bytes {
  readonly version: string;
  readonly size: number;
  readonly hash?: string;
  /** For unpushed bytes: the version they were based on; undefined: born here. */
  readonly seen?: string;
  /** For unpushed bytes: they were asked to be stored, and what became of that is not known yet. */
  readonly asked?: true;
  /** For unpushed bytes: the tag of conflict names (first characters of base32 SHA-256), and the mtime's UTC date. */
  readonly tag?: string;
  /** For unpushed bytes: earlier ones of the same node that were sent and may have arrived; the cloud having one of them is no news. */
  readonly sent?: readonly { readonly size: number; readonly hash: string }[];
}

export interface TreeNode {
  readonly kind: Kind;
  readonly parent: ItemKey;
  readonly name: string;
  /** Null for folders. */
  readonly bytes: Bytes | null;
  /** Whole seconds. */
  readonly mtime: number;
}

/** Read access to a tree of any size. Costs must not depend on the size of the tree. */
export interface Tree {
  get(node: ItemKey): TreeNode | undefined;
  at(parent: ItemKey, name: Folded): ItemKey | undefined;
  children(node: ItemKey): Iterable<ItemKey>;
}

/** Differences to a tree: the new state of a node, or null when it is not there. */
export type Overlay = ReadonlyMap<ItemKey, TreeNode | null>;

export interface RebaseInput {
  readonly base: Tree;
  /** Local minus Base. Unpushed bytes are those with a Local `bytes` that is not Base's. */
  readonly local: Overlay;
  /** Remote minus Base. Nodes the cloud made anew have fresh node numbers. */
  readonly remote: Overlay;
  /** Serial number of the last local move of a node: the latest is dropped first when a cycle must be broken. */
  readonly movedAt: ReadonlyMap<ItemKey, number>;
  /** Nodes carrying a parking name of ours in the cloud, with the name they really have. */
  readonly parked: ReadonlyMap<ItemKey, string>;
  /** Nodes that never go to the cloud; they only give way. */
  readonly localOnly: ReadonlySet<ItemKey>;
  readonly device: string;
  /** A fresh node number for a conflict copy; called in a deterministic order. */
  fresh(): ItemKey;
}

export interface Rebased {
  /** Local as it becomes, minus Remote (with `bound` applied): only nodes that differ. */
  readonly local: Overlay;
  /** Bytes that moved to a new node because the cloud's bytes keep the old one. */
  readonly copies: readonly { readonly of: ItemKey; readonly copy: ItemKey }[];
  /** A local new node and a cloud item that turned out to be one: `gone`'s identity goes to `kept`. */
  readonly bound: readonly { readonly kept: ItemKey; readonly gone: ItemKey }[];
  /** Nodes kept although their cloud item is gone: they will be created anew. */
  readonly reborn: readonly ItemKey[];
  /** What a person may want to know: the violated condition and the two sides. */
  readonly conflicts: readonly Conflict[];
}

export interface Conflict {
  readonly node: ItemKey;
  readonly condition: "exists" | "free" | "outside" | "empty" | "at";
  /** The operation here and the change there, as words: "write", "move", "delete", "create". */
  readonly local: string;
  readonly cloud: string;
  readonly outcome: string;
}

/** One request's worth of change. `needs` are indexes of steps that must be acknowledged first. */
export type Step = { readonly needs: readonly number[] } & Action;

export type Action =
  | { readonly action: "createFolder"; readonly node: ItemKey; readonly parent: ItemKey; readonly name: string }
  | {
      readonly action: "createFile";
      readonly node: ItemKey;
      readonly parent: ItemKey;
      readonly name: string;
      readonly bytes: Bytes;
      readonly mtime: number;
    }
  | { readonly action: "writeContent"; readonly node: ItemKey; readonly bytes: Bytes; readonly mtime: number }
  /** `park`: a step out of the way, under a name nobody wants. */
  | {
      readonly action: "move";
      readonly node: ItemKey;
      readonly parent: ItemKey;
      readonly name: string;
      readonly park: boolean;
    }
  | { readonly action: "setMetadata"; readonly node: ItemKey; readonly mtime: number }
  | { readonly action: "deleteFile"; readonly node: ItemKey }
  /** Stands for the deletes of everything below it too (`covers`, without the folder itself). */
  | { readonly action: "deleteFolder"; readonly node: ItemKey; readonly covers: readonly ItemKey[] };

export interface Script {
  /** In an order in which every step's conditions hold when it is reached. */
  readonly steps: readonly Step[];
  /** Items these steps delete, those covered by the delete of a folder above them too. */
  readonly deletes: number;
  /** Nodes that differ and are not sent: local-only ones, and those that wait for the place of such a one. */
  readonly left: readonly ItemKey[];
}

export interface PlanOptions {
  /** Nodes that never go to the cloud, nor anything below them. */
  readonly localOnly: ReadonlySet<ItemKey>;
  /** Nodes that carry a parking name of ours in the tree the script starts from, with the name they really have. */
  readonly parked: ReadonlyMap<ItemKey, string>;
  /** Makes parking names different from those of other devices. */
  readonly device: string;
}
