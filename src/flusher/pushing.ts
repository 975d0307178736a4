/** What the parts of the flusher share: the neighbours, one barrier for all who start together, and how a step ends. */
import type { Fault } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import type { FlusherOptions } from "./flusher.ts";
import type { SmallCalls } from "./gather.ts";

export interface Pushing extends FlusherOptions {
  /** Folders, renames, times and deletes: gathered into batches. */
  readonly calls: SmallCalls;
  /** Everything recorded by now survives a power cut. */
  readonly durable: () => Promise<void>;
  /** Items made by us, and when: for a while the service may not know them yet. */
  readonly fresh: Map<ItemId, number>;
}

/** How a step ended. */
export type End =
  | { readonly end: "done" }
  /** It does not hold any more, or the trees moved: plan again. `remerged`: the cloud was in the way. */
  | { readonly end: "stale"; readonly remerged: boolean; readonly why: string }
  /** Nobody knows whether it was carried out: to be found out before anything else is sent. */
  | { readonly end: "unclear"; readonly fault: Fault }
  /** Passes: this item waits. */
  | { readonly end: "wait"; readonly fault: Fault; readonly waitMs?: number }
  /** Passes: the whole account waits. */
  | { readonly end: "pause"; readonly fault: Fault }
  /** The drive is full. */
  | { readonly end: "full"; readonly fault: Fault }
  /** Does not pass. */
  | { readonly end: "park"; readonly fault: Fault };

export const DONE: End = { end: "done" };

/** Why it was not carried out. */
export function whyOf(end: End): string {
  return "fault" in end ? end.fault.why : "why" in end ? end.why : "";
}
