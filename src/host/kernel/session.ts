/**
 * What every call works with, and the one way to answer it. A call is answered exactly once: in the same turn when the vfs knows
 * the answer, else when it comes. A fault becomes its errno. An exception is a defect: it is reported, answered with EIO, and from then
 * on every call is refused, so that a daemon that has lost its mind does not write on while it stops.
 */
import { constants } from "node:os";
import { Defect } from "../../base/assert.ts";
import type { HandleId, ItemKey } from "../../model/ids.ts";
import type { Attributes, Caller, Reply, Vfs } from "../../vfs/vfs.ts";
import { errnoOf } from "../errno.ts";
import type { MountFault } from "../host.ts";
import type { FolderStreams } from "./folder-streams.ts";
import type { Frame, Room } from "./frame.ts";
import type { KeptListings } from "./kept-listings.ts";
import type { NodeTable } from "./node-table.ts";
import type { Notices } from "./notices.ts";
import type { OpenHandles } from "./open-handles.ts";
import { NOT_AT_ALL, type Outbox, type Validity } from "./outbox.ts";
import type { PendingCall, PendingCalls } from "./pending-calls.ts";
import { isOtherSpelling, itemOf, plainNumber } from "./spelling-nodes.ts";

export interface Session {
  readonly vfs: Vfs;
  readonly out: Outbox;
  readonly nodes: NodeTable;
  readonly handles: OpenHandles;
  readonly streams: FolderStreams;
  readonly listings: KeptListings;
  readonly pending: PendingCalls;
  readonly notices: Notices;
  readonly entryValid: Validity;
  readonly attrValid: Validity;
  /** Set when both sides agreed on a version. */
  greeted: boolean;
  /** Set by the first defect. */
  broken: boolean;
  onDefect(error: unknown): void;
  /** The kernel and we speak, or why we cannot. */
  onGreeting(refusal: MountFault | undefined): void;
  /** Keeps the memory of the frame at hand; the next request gets other memory. */
  keepRoom(): Room;
  giveBack(room: Room): void;
}

/** Sends what a call gave. */
export type Give<T> = (at: Session, unique: number, value: T) => void;

/** What is known about a call that may have to wait. */
export interface Waiting {
  readonly abort?: AbortController;
  readonly droppable?: true;
}

const CALM: Waiting = {};
/** Only looks: interrupted, it is answered at once. */
export const LOOKS: Waiting = { droppable: true };

// oxlint-disable-next-line max-params -- the hot path: nothing is made for a call that is answered at once
export function answer<T>(at: Session, frame: Frame, given: Reply<T>, give: Give<T>, waiting: Waiting = CALM): void {
  const { unique } = frame;
  if (given instanceof Promise) return answerLater(at, frame, given, { give, waiting });
  if (given.ok) give(at, unique, given.value);
  else at.out.error(unique, errnoOf(given.fault));
}

function answerLater<T>(
  at: Session,
  { unique, node }: Frame,
  given: Exclude<Reply<T>, { ok: boolean }>,
  { give, waiting }: { readonly give: Give<T>; readonly waiting: Waiting },
): void {
  const { abort, droppable = false } = waiting;
  const call = at.pending.add(unique, { node: plainNumber(node), abort, droppable });
  given
    .then((result) => {
      at.pending.finish(unique);
      if (call.dropped) return;
      if (result.ok) give(at, unique, result.value);
      else at.out.error(unique, errnoOf(result.fault));
      mustHaveAnswer(at, unique);
    })
    .catch((error: unknown) => {
      at.pending.finish(unique);
      defect(at, call.dropped ? undefined : unique, error);
    });
}

/** Right after a call was handled. A handler that forgot the answer would leave the caller waiting for ever. */
export function mustHaveAnswer(at: Session, unique: number): void {
  if (at.out.last === unique || at.pending.get(unique)) return;
  throw new Defect("a call was left without an answer");
}

/** A bug: see above. `unique`: the call it happened in, which is answered when it has no answer yet. */
export function defect(at: Session, unique: number | undefined, error: unknown): void {
  at.broken = true;
  try {
    at.onDefect(error);
  } finally {
    if (unique !== undefined && at.out.last !== unique) at.out.error(unique, constants.errno.EIO);
  }
}

/** An interrupt: the caller does not want to wait any longer. An answered call is not known here any more. */
export function interrupt(at: Session, unique: number, call: PendingCall | undefined): void {
  if (!call || call.dropped) return;
  call.abort?.abort();
  if (!call.droppable) return;
  call.dropped = true;
  at.out.error(unique, constants.errno.EINTR);
}

export function caller(frame: Frame): Caller {
  return { uid: frame.uid, gid: frame.gid, pid: frame.pid };
}

/** A number that stands for no handle is refused by the vfs. */
export function handleAt(frame: Frame, at: number): HandleId {
  return frame.u64(at) as HandleId;
}

export const giveNothing: Give<unknown> = (at, unique) => void at.out.empty(unique);

/** A looked-up or new node is handed over when the kernel took the answer. */
export const giveEntry: Give<Attributes> = (at, unique, attributes) => {
  const { inode, spellings } = attributes;
  const attr = spellings === "other" ? NOT_AT_ALL : attrValid(at, inode);
  if (at.out.entry(unique, attributes, entryValid(at, attributes), attr)) at.nodes.add(inode);
};

/** Below a folder that goes by another spelling of its name. */
const giveFleetingEntry: Give<Attributes> = (at, unique, attributes) => {
  if (at.out.entry(unique, attributes, NOT_AT_ALL, NOT_AT_ALL)) at.nodes.add(attributes.inode);
};

export const entryBelow = (folder: number): Give<Attributes> =>
  isOtherSpelling(folder) ? giveFleetingEntry : giveEntry;

/** A notice about one spelling may come too late for who acts under another: of such a name nothing is to be remembered. */
export function entryValid(at: Session, { spellings }: Attributes): Validity {
  return spellings === undefined ? at.entryValid : NOT_AT_ALL;
}

const giveAttributes: Give<Attributes> = (at, unique, attributes) =>
  void at.out.attr(unique, attributes, attrValid(at, attributes.inode));
const giveFleetingAttributes: Give<Attributes> = (at, unique, attributes) =>
  void at.out.attr(unique, attributes, NOT_AT_ALL);

export const attributesOf = (node: number): Give<Attributes> =>
  isOtherSpelling(node) ? giveFleetingAttributes : giveAttributes;

/** What was done to a file through another spelling of its name: the kernel hears of it for the item's own node. */
export function tellingNode<T>(node: number, give: Give<T>): Give<T> {
  if (!isOtherSpelling(node)) return give;
  return (at, unique, value) => {
    give(at, unique, value);
    at.notices.node(itemOf(node), true);
  };
}

/** A name below a folder that goes by another spelling: likewise. */
export function tellingName<T>(folder: number, name: string, give: Give<T>): Give<T> {
  if (!isOtherSpelling(folder)) return give;
  return (at, unique, value) => {
    give(at, unique, value);
    at.notices.entry(itemOf(folder), name);
    at.notices.node(itemOf(folder), at.listings.changed(itemOf(folder)));
  };
}

/** While handles of two versions are open, who asks decides what is told: nothing is to be remembered. */
export function attrValid(at: Session, node: ItemKey): Validity {
  return at.handles.mixed(node) ? NOT_AT_ALL : at.attrValid;
}
