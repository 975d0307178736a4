/**
 * What a person says of single operations and of held deletions: try again, give up, take back, let go. Everything is recorded in one
 * transaction and told to those who show it; the flusher then plans anew.
 */
import type { Applied } from "../apply/apply.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { BlobId, ItemKey, OpId } from "../model/ids.ts";
import { viewLocal } from "../store/tree.ts";
import type { Flusher, FlusherOptions } from "./flusher.ts";
import { giveUp, type How } from "./give-up.ts";
import { heldNodes, releaseHeld } from "./mass-delete.ts";
import { sendAsItIs } from "./op-states.ts";
import { restorable, restore } from "./undo.ts";

export interface Listener {
  /** A request for the node is under way, or one was made whose outcome nobody knows. */
  isUnderWay(node: ItemKey): boolean;
  /** Nobody wants the upload of these bytes any more. */
  dropUpload(blob: BlobId): void;
  /** What made the node wait is over. */
  forgetWait(node: ItemKey): void;
  wake(): void;
}

export type Words = Pick<Flusher, "retry" | "cancel" | "undo" | "releaseHeld" | "undoHeld">;

export function personsWords(options: FlusherOptions, listener: Listener): Words {
  const { store, content, device, clock } = options;
  const told = (applied: Applied): void => {
    for (const node of applied.nodes) listener.forgetWait(node);
    options.applied(applied);
    listener.wake();
  };
  const give = async (op: OpId, how: How): Promise<Result<undefined, Fault>> => {
    const { isUnderWay, dropUpload } = listener;
    const given = await giveUp({ store, content, device, now: () => clock.now(), isUnderWay, dropUpload }, op, how);
    if (!given.ok) return given;
    told(given.value);
    return ok();
  };
  return {
    retry(op) {
      const node = store.read.ops.get(op)?.op.node;
      if (node === undefined) return fault("notFound", "there is no such operation");
      store.transact((tx) => sendAsItIs(tx, node));
      listener.forgetWait(node);
      listener.wake();
      return ok();
    },
    cancel: (op) => give(op, "cancel"),
    undo: (op) => give(op, "undo"),
    releaseHeld() {
      const released = releaseHeld(store);
      listener.wake();
      return released;
    },
    undoHeld() {
      const held = heldNodes(store).filter((node) => viewLocal(store.read, node) === undefined);
      const back = restorable(store.read, held);
      const outcome = restore(store, back);
      if (!outcome.ok) return outcome;
      told(outcome.value);
      return ok(back.length);
    },
  };
}
