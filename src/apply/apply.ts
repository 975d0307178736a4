/**
 * The contract of the rebase transaction: everything that changes Mirror and Local *because of the cloud* goes through here, each
 * time in one store transaction: a batch of changes (puller), one answer to a request (flusher), a strong read of either.
 * After each: WF(Mirror), WF(Local), Local = what the person sees, and no byte is without a node.
 */
import type { Result } from "../base/result.ts";
import type { Stepwise } from "../base/stepwise.ts";
import type { Conflict, Script } from "../merge/merge.ts";
import type { CloudChange } from "../model/change.ts";
import type { Fault } from "../model/fault.ts";
import type { BlobId, ItemId, ItemKey } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import type { Reader } from "../store/store.ts";

export interface Batch {
  /** Any order, duplicates allowed: the last entry of an id wins. */
  readonly changes: readonly CloudChange[];
  /** Stored in the same transaction, when given. */
  readonly cursor?: string;
  /** Folders all of whose children are in the Mirror after this batch. */
  readonly listed?: readonly ItemId[];
  /** The batch together with what came before enumerates the whole drive. */
  readonly enumerated?: boolean;
  /**
   * Ids whose entries here are answers to reads by id made for this batch: they are not doubted again for looking old, and when two
   * of them still share a slot (the service's notion of equal names is not ours) one is shown under another name.
   */
  readonly read?: readonly ItemId[];
  /** Blobs that could not be hashed: their bytes count as different from all others. */
  readonly unhashed?: readonly BlobId[];
}

/**
 * What a batch cannot be applied without: the caller reads these by id and puts the answers into the batch. Nothing was changed.
 */
export interface Incomplete {
  readonly kind: "incomplete";
  /** Parents nobody knows, items that share a slot or sit on a cycle, and entries that look older than what is known. */
  readonly read: readonly ItemId[];
  /**
   * Unpushed bytes in a conflict whose hash is not known yet: they are frozen first (Content.freeze) and the batch is given again; what
   * cannot be frozen is named in `unhashed` then. Never empty when there; `read` is empty then.
   */
  readonly freeze?: readonly BlobId[];
}

export interface Applied {
  readonly conflicts: readonly Conflict[];
  /** Nodes whose place or attributes changed in Local, and (parent, name) entries that changed (`gone`: the node that was there is nowhere now; `came`: it was nowhere before): for the kernel's caches. */
  readonly nodes: readonly ItemKey[];
  readonly entries: readonly {
    readonly parent: ItemKey;
    readonly name: string;
    readonly gone?: ItemKey;
    readonly came?: true;
  }[];
  /** Those of the nodes whose files have other bytes now than were read or written here. */
  readonly renewed: readonly ItemKey[];
  /** Blobs whose bytes the cloud turned out to have already: content adopts them as clean bytes of that version. */
  readonly adopt: readonly {
    readonly blob: BlobId;
    readonly node: ItemKey;
    readonly version: string;
    readonly same: boolean;
  }[];
}

export interface Apply {
  /** What of the changes a batch needs: not those that tell what is known already. May be carried out in turns with everything else. */
  news(changes: readonly CloudChange[]): Stepwise<readonly CloudChange[]>;
  batch(batch: Batch): Result<Applied, Incomplete>;
  /**
   * The request of `pushed` was answered with `item` (undefined: the item is gone now, as asked). `blob` is what an upload
   * sent. Also used when a strong read shows that an unclear request was carried out.
   */
  acknowledge(pushed: Pushed, item: CloudItem | undefined): Applied;
  /** Items that another device left under a parking name an hour ago get their names back. Undefined: there were none. */
  giveNamesBack(): Applied | undefined;
  /** What is to be sent now, checked by the strict executor; a `Defect`-free refusal names what went wrong. Its `left` is without local-only nodes. */
  plan(): Result<Script, Fault>;
  /** The same in small steps, so that others have their turn: first what no plan is to see is settled, then the plan is made. Between steps `read` must not change: a snapshot, or carried out at once. */
  tidy(read: Reader): Stepwise<void>;
  planOn(read: Reader): Stepwise<Result<Script, Fault>>;
}

export interface Pushed {
  readonly node: ItemKey;
  readonly action:
    "createFolder" | "createFile" | "writeContent" | "move" | "setMetadata" | "deleteFile" | "deleteFolder";
  readonly blob?: BlobId;
  /** Operations of the node up to this serial number are done by it. */
  readonly upTo: number;
}
