/**
 * The contract of the cloud, in our words. Names given and returned are *local* names (model/name.ts maps them), times whole
 * seconds, failures the closed union of model/fault.ts. Every call may be cancelled by its signal, has deadlines of its own, and
 * retries only what cannot do harm: what passes (throttling, 5xx, lost connections on calls that change nothing). A changing
 * call that got no clear answer returns a fault with `unclear: true`; its caller finds out what happened (merge.md 5.2).
 *
 * Faults its callers tell apart:
 *   offline (no network), timedOut, unavailable (5xx), throttled (retryAfterMs), signedOut, garbled (not an answer of this service),
 *   notFound (404), changed (412), nameTaken (409), locked (423), denied (403), noSpace (507), tooLarge (413), invalid (400),
 *   resync (410), expired (an upload or download URL that died), rangeUnsatisfied (416), interrupted (the signal).
 */
import type { Result } from "../base/result.ts";
import type { ChangePage } from "../model/change.ts";
import type { Fault } from "../model/fault.ts";
import type { CTag, ETag, ItemId } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";

export type Answer<T> = Promise<Result<T, Fault>>;

export interface DriveInfo {
  readonly driveId: string;
  readonly driveType: "personal" | "business" | "documentLibrary";
  readonly rootId: ItemId;
  readonly owner: string;
  readonly quota: Quota | undefined;
}

/** Bytes. Undefined when the service gives none. */
export interface Quota {
  readonly total: number;
  readonly used: number;
  readonly remaining: number;
}

/** The bytes of an upload: never change while it is under way. */
export interface Body {
  readonly size: number;
  /** The bytes [start, end). May be called several times. */
  stream(start: number, end: number): AsyncIterable<Uint8Array>;
}

export interface ItemPage {
  readonly items: readonly CloudItem[];
  readonly next?: string;
}

export interface Download {
  /** First byte and the one after the last that the service will send; may differ from what was asked for. */
  readonly start: number;
  readonly end: number;
  /** Whole size of this version, when told. */
  readonly total: number | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A content that the service keeps of a file, by its own name for it. */
export interface ItemVersion {
  readonly id: string;
  readonly size: number;
  readonly mtime: number;
}

/** An upload session. `url` is a secret. */
export interface Session {
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly nextOffset: number;
}

/** How an upload names its target. */
export type UploadTarget =
  /** A new item: the service answers `nameTaken` when the name is there already. */
  | { readonly parent: ItemId; readonly name: string }
  /** New content of an item; `seen` is the content version it was based on (412 becomes `changed`). */
  | { readonly item: ItemId; readonly seen: CTag | ETag | undefined };

export interface Drive {
  info(signal?: AbortSignal): Answer<DriveInfo>;

  /** One page of changes: `link` is a cursor or the `next` of a page; undefined enumerates the whole drive from the start. */
  changes(link: string | undefined, signal?: AbortSignal): Answer<ChangePage>;
  children(folder: ItemId, link?: string, signal?: AbortSignal): Answer<ItemPage>;
  item(id: ItemId, signal?: AbortSignal): Answer<CloudItem>;
  /** The item at a slot as the service compares names. `notFound` when the slot is free. */
  itemAt(parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem>;

  createFolder(parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem>;
  /** Name, place and mtime in one request; conditional on `seen`. A rename or move without an mtime may set it to now: say it again. */
  update(
    id: ItemId,
    change: { readonly name?: string; readonly parent?: ItemId; readonly mtime?: number },
    seen: ETag | CTag | undefined,
    signal?: AbortSignal,
  ): Answer<CloudItem>;
  remove(id: ItemId, seen: ETag | CTag | undefined, signal?: AbortSignal): Answer<undefined>;
  /** Personal accounts: takes an item out of the recycle bin. */
  restore(id: ItemId, signal?: AbortSignal): Answer<CloudItem>;
  copy(id: ItemId, parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem>;

  /** Whole content in one request; for small and empty files. Does not set the mtime (the service makes it now). */
  upload(target: UploadTarget, body: Body, signal?: AbortSignal): Answer<CloudItem>;
  /** For files of one byte or more. A taken name or a changed version may be told here or only at the last fragment. */
  openSession(target: UploadTarget, size: number, mtime: number, signal?: AbortSignal): Answer<Session>;
  /**
   * Sends [session.nextOffset, end). Undefined item: more is wanted, from `session.nextOffset` of the answer, which may lie before or
   * after `end`. `expired` with `unclear`: the session is gone, perhaps because an earlier answer that was lost had finished it.
   */
  sendFragment(
    session: Session,
    body: Body,
    end: number,
    signal?: AbortSignal,
  ): Answer<{ readonly session: Session; readonly item: CloudItem | undefined }>;
  sessionStatus(session: Session, signal?: AbortSignal): Answer<Session>;
  cancelSession(session: Session): Answer<undefined>;

  /**
   * The bytes [start, end) of the version `version` (see contentVersion); `changed` when the item has another version now.
   * The stream throws a `DownloadCut` when it ends early.
   */
  download(id: ItemId, start: number, end: number, version: string, signal?: AbortSignal): Answer<Download>;

  /** What the service keeps of a file, the newest (the present content) first. */
  versions(id: ItemId, signal?: AbortSignal): Answer<readonly ItemVersion[]>;
  /** The whole content of one of them that is not the present one. The stream throws a `DownloadCut` when it ends early. */
  versionContent(id: ItemId, version: ItemVersion, signal?: AbortSignal): Answer<AsyncIterable<Uint8Array>>;

  /** Up to 20 independent changing calls in one request ($batch); answers in the order of the calls. */
  batch?(calls: readonly BatchCall[], signal?: AbortSignal): Promise<readonly Result<CloudItem | undefined, Fault>[]>;
}

export type BatchCall =
  | { readonly call: "createFolder"; readonly parent: ItemId; readonly name: string }
  | {
      readonly call: "update";
      readonly id: ItemId;
      readonly change: { readonly name?: string; readonly parent?: ItemId; readonly mtime?: number };
      readonly seen: ETag | CTag | undefined;
    }
  | { readonly call: "remove"; readonly id: ItemId; readonly seen: ETag | CTag | undefined };

/** A body that ended before its promised end. */
export class DownloadCut extends Error {
  override readonly name = "DownloadCut";
}
