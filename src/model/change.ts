/**
 * Changes as the cloud tells them: states by id, never events. The last entry of an id wins; a batch is what stands between
 * two cursors.
 */
import type { CloudItem } from "./item.ts";
import type { ItemId } from "./ids.ts";

export type CloudChange =
  | { readonly deleted: false; readonly item: CloudItem }
  /** A tombstone. Only ever made of an explicit `deleted` facet or a 404 by id, never of absence. */
  | { readonly deleted: true; readonly id: ItemId };

/** One page of the change feed. Exactly one of `next` and `cursor` is set. */
export interface ChangePage {
  readonly changes: readonly CloudChange[];
  /** Link of the next page of this round. */
  readonly next?: string;
  /** Where the next round starts. The round is complete. */
  readonly cursor?: string;
}
