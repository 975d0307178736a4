/**
 * One local mutation as the log records it: what the person did, to which node, when. Operations name nodes, never cloud ids
 * or paths, so nothing in the log is rewritten when an item gets its id or its parent moves. Arguments are values at the time
 * of the call.
 */
import type { BlobId, ItemKey, OpId } from "../model/ids.ts";

export type Op =
  | { readonly type: "createFile"; readonly node: ItemKey; readonly parent: ItemKey; readonly name: string }
  | { readonly type: "createFolder"; readonly node: ItemKey; readonly parent: ItemKey; readonly name: string }
  | { readonly type: "writeContent"; readonly node: ItemKey; readonly blob: BlobId; readonly seen?: string }
  | {
      readonly type: "move";
      readonly node: ItemKey;
      readonly parent: ItemKey;
      readonly name: string;
      readonly fromParent: ItemKey;
      readonly fromName: string;
    }
  | { readonly type: "deleteFile"; readonly node: ItemKey; readonly seen?: string }
  | { readonly type: "deleteFolder"; readonly node: ItemKey }
  | { readonly type: "setMetadata"; readonly node: ItemKey; readonly mtime: number }
  | {
      readonly type: "copy";
      readonly node: ItemKey;
      readonly source: ItemKey;
      readonly parent: ItemKey;
      readonly name: string;
    };

export type OpType = Op["type"];

/**
 * Where an operation stands. `parked` waits for a person; `held` for the release of a mass deletion. `lost`: bytes of this blob are
 * missing, and whatever is done to the file's name or time, they are not pushed as long as it consists of that blob.
 */
export type OpState =
  | { readonly state: "pending" }
  | { readonly state: "inflight" }
  | { readonly state: "held"; readonly reason: string }
  | { readonly state: "parked"; readonly reason: string; readonly lost?: BlobId };

export interface OpRecord {
  readonly seq: OpId;
  readonly op: Op;
  /** Milliseconds since the epoch of the last act this record stands for; the settle window counts from here. */
  readonly at: number;
  readonly status: OpState;
  /** Tries since the last success, for status and backoff. */
  readonly tries: number;
  /** Why the last try failed, for a person. */
  readonly lastFault?: string;
}
