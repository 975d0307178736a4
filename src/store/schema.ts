/**
 * The tables: their keys and rows. A change here that an older program could not read raises SCHEMA_VERSION and adds a step to
 * migrate.ts.
 *
 * Invariants (see SPEC.md): a mirror row has its ids row and its mirrorSlots row; localSlots holds exactly the slots whose
 * Local occupant differs from the Mirror's (0: nobody); a Local row never equals the Mirror row's place, content and mtime.
 * Only tree.ts writes mirror, ids, mirrorSlots, local and localSlots.
 */
import type { BlobId, Folded, ItemId, ItemKey, OpId } from "../model/ids.ts";
import type { Facts, LocalGone, LocalItem, MirrorItem } from "../model/item.ts";
import type { OpRecord } from "../op/op.ts";

export const SCHEMA_VERSION = 4;

export interface Rows {
  /** Single facts of the whole store. */
  meta: { key: MetaKey; value: unknown };
  mirror: { key: ItemKey; value: MirrorItem };
  ids: { key: ItemId; value: ItemKey };
  mirrorSlots: { key: readonly [ItemKey, Folded]; value: ItemKey };
  local: { key: ItemKey; value: LocalItem | LocalGone };
  localSlots: { key: readonly [ItemKey, Folded]; value: ItemKey | 0 };
  facts: { key: ItemKey; value: Facts };
  /** Folders whose children are all in the Mirror; value: milliseconds since the epoch. Not needed once `meta.enumerated` is set. */
  listed: { key: ItemKey; value: number };
  ops: { key: OpId; value: OpRecord };
  /** Index of ops: [node, seq]. */
  nodeOps: { key: readonly [ItemKey, number]; value: true };
  blobs: { key: BlobId; value: BlobRow };
  /** Clean bytes in the cache folder, owned by content. */
  cached: { key: ItemKey; value: CachedRow };
  /** A create whose answer is not known: {where and what was asked for}. */
  intents: { key: ItemKey; value: IntentRow };
  /** Nodes that carry a parking name in the cloud. */
  parks: { key: ItemKey; value: ParkRow };
  sessions: { key: BlobId; value: SessionRow };
  /** Nodes the person should look at. */
  conflicts: { key: ItemKey; value: ConflictRow };
  /** Places and times that were asked for of an item, while it is not known which of them arrived. */
  sent: { key: ItemKey; value: SentRow };
}

/** Every table, in the order of its number in journal and codec: only ever append. */
export const TABLES = [
  "meta",
  "mirror",
  "ids",
  "mirrorSlots",
  "local",
  "localSlots",
  "facts",
  "listed",
  "ops",
  "nodeOps",
  "blobs",
  "cached",
  "intents",
  "parks",
  "sessions",
  "conflicts",
  "sent",
] as const satisfies readonly (keyof Rows)[];

export type MetaKey =
  | "schema"
  | "commit"
  | "clean"
  | "bootId"
  | "nextNode"
  | "nextOp"
  | "nextBlob"
  | "account"
  | "drive"
  | "quota"
  | "cursor"
  | "staging"
  | "enumerated"
  | "polledAt"
  | "auditedAt"
  | "restored"
  | "strays"
  | "release"
  | "foreignParks"
  | "versionAudits";

/** Unpushed bytes: the file `blobs/N` of the state folder. */
export interface BlobRow {
  readonly node: ItemKey;
  /** Length of the frozen bytes; 0 while open (the recorded length is then in the Local row). */
  readonly size: number;
  /** `open`: still written to. `frozen`: never changes again. `pushed`: the cloud has it; bytes wait to become clean. */
  readonly state: "open" | "frozen" | "pushed";
  /** quickXorHash of the frozen bytes, base64. */
  readonly hash?: string;
  /** A second digest (SHA-256, hex) of the frozen bytes; gives conflict names and guards against rot. */
  readonly sha256?: string;
  /** Why they may not be the bytes that were written. They are not sent, wherever they go, until a person says so. */
  readonly damaged?: string;
}

export interface CachedRow {
  /** `contentVersion` these bytes belong to. */
  readonly version: string;
  readonly size: number;
  /** Sorted, disjoint [from, to) pairs, flattened, of the bytes that are here. */
  readonly ranges: readonly number[];
  /** True once complete, verified and synced to disk. */
  readonly durable: boolean;
  /** Milliseconds since the epoch, coarse. */
  readonly usedAt: number;
}

export interface IntentRow {
  readonly parent: ItemKey;
  readonly name: string;
  readonly kind: "file" | "folder";
  readonly hash?: string;
  readonly size?: number;
  readonly blob?: BlobId;
  readonly at: number;
}

export interface ParkRow {
  readonly originalName: string;
  readonly parkingName: string;
  readonly at: number;
}

/** An upload session in flight. The URL is a secret: never printed. */
export interface SessionRow {
  readonly url: string;
  readonly expiresAt: number;
  readonly nextOffset: number;
  readonly hash: string;
  readonly node: ItemKey;
  /** Of a new item: where it will be, whatever it is called here by now. */
  readonly parent?: ItemKey;
  readonly name?: string;
}

/** Since Local and the Mirror last agreed, oldest first. The cloud showing one of them is no news: it has it from us. */
export interface SentRow {
  readonly asked: readonly Asked[];
}

export interface Asked {
  readonly parent: ItemKey;
  readonly name: string;
  readonly mtime?: number;
}

export interface ConflictRow {
  /** The node that kept the place; equal to the key when the keyed node is itself the copy's origin. */
  readonly of: ItemKey;
  readonly why: string;
  readonly at: number;
}
