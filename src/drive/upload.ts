/**
 * Bytes to the cloud: one PUT for small and empty files, sessions for the rest.
 *
 *  - A new file is made with "fail when the name is there" and `If-None-Match: *`; both refusals are `nameTaken`.
 *  - New content of an item carries `If-Match` with the version it was based on.
 *  - The address of a session is a secret; nothing sent there bears a token.
 *  - A session that is gone answers `expired` with `unclear`: it may have gone because it was finished.
 */
import type { Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { isTrustedAddress, type Endpoint } from "../http/endpoint.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CloudItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import { cloudNameOf, type Asking } from "./asking.ts";
import type { Answer, Body, Drive, Session, UploadTarget } from "./drive.ts";
import type { Outside, OutsideReply } from "./outside.ts";
import { refusal } from "./refusal.ts";
import { ITEM_PROPERTIES, parseItem, parseSession, wireTime } from "./wire.ts";

export interface Uploads {
  whole(target: UploadTarget, body: Body, signal?: AbortSignal): Answer<CloudItem>;
  open(target: UploadTarget, mtime: number, signal?: AbortSignal): Answer<Session>;
  fragment(...args: Parameters<Drive["sendFragment"]>): ReturnType<Drive["sendFragment"]>;
  status(session: Session, signal?: AbortSignal): Answer<Session>;
  cancel(session: Session): Answer<undefined>;
}

export interface UploadOptions {
  readonly asking: Asking;
  readonly outside: Outside;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
}

const CONFLICT = "@microsoft.graph.conflictBehavior";
/** A session without a word on its life is taken to live this long. */
const SESSION_LIFE_MS = 15 * 60_000;

export function uploads(options: UploadOptions): Uploads {
  return new GraphUploads(options);
}

class GraphUploads implements Uploads {
  readonly #asking: Asking;
  readonly #outside: Outside;
  readonly #options: UploadOptions;
  /** What the sessions opened here are for, to ask for the item when the last answer does not bring it. */
  readonly #targets = new Map<string, UploadTarget>();

  constructor(options: UploadOptions) {
    this.#options = options;
    this.#asking = options.asking;
    this.#outside = options.outside;
  }

  async whole(target: UploadTarget, body: Body, signal?: AbortSignal): Answer<CloudItem> {
    const path = this.#path(target, "/content");
    if (!path.ok) return path;
    const place = "item" in target ? {} : { query: { [CONFLICT]: "fail" } };
    const headers = conditionOf(target);
    const sent = await this.#asking.item({ method: "PUT", path: path.value, ...place, headers, content: body, signal });
    if (sent.ok) return this.#asAsked(target, sent.value.item, signal);
    if (sent.fault.kind === "garbled" && (sent.fault.status ?? 0) < 300)
      return this.#refetched(target, sent.fault, signal);
    return failed(forTarget(target, sent.fault));
  }

  async open(target: UploadTarget, mtime: number, signal?: AbortSignal): Answer<Session> {
    const opened = await this.#openAt(target, mtime, signal);
    if (!opened.ok) return failed(forTarget(target, opened.fault));
    const { url, expiresAt, nextOffset } = opened.value;
    if (!url || !isTrustedAddress(url, this.#options.endpoint))
      return fault("garbled", "the service opened an upload without an address");
    this.#targets.set(url, target);
    return ok({
      url,
      expiresAt: expiresAt ?? this.#options.clock.now() + SESSION_LIFE_MS,
      nextOffset: nextOffset ?? 0,
    });
  }

  async fragment(
    ...[session, body, end, signal]: Parameters<Drive["sendFragment"]>
  ): ReturnType<Drive["sendFragment"]> {
    const start = session.nextOffset;
    const sent = await this.#outside.send({
      method: "PUT",
      url: session.url,
      what: `bytes ${start}-${end - 1}/${body.size} of an upload`,
      headers: {
        "content-length": String(end - start),
        "content-range": `bytes ${start}-${end - 1}/${body.size}`,
        "content-type": "application/octet-stream",
      },
      content: body.stream(start, end),
      signal,
    });
    if (!sent.ok) return sent;
    const { status } = sent.value;
    if (status === 202) return this.#goesOn(session, sent.value, end);
    if (status === 200 || status === 201) return this.#finished(session, sent.value, signal);
    return status === 416
      ? this.#resynced(session, sent.value, signal)
      : failed(this.#commitFault(session, sent.value));
  }

  async status(session: Session, signal?: AbortSignal): Answer<Session> {
    const got = await this.#outside.send({ method: "GET", url: session.url, what: "the state of an upload", signal });
    if (!got.ok) return got;
    if (got.value.status !== 200) {
      const why = this.#sessionFault(got.value);
      // Nobody asks for what it was for any more.
      if (why.kind === "expired") this.#targets.delete(session.url);
      return failed(why);
    }
    const wire = parseSession(got.value.body);
    if (wire?.nextOffset === undefined)
      return fault("garbled", "an upload that does not say what it wants next", { status: 200 });
    return ok({ ...session, nextOffset: wire.nextOffset, expiresAt: wire.expiresAt ?? session.expiresAt });
  }

  async cancel(session: Session): Answer<undefined> {
    this.#targets.delete(session.url);
    const gone = await this.#outside.send({ method: "DELETE", url: session.url, what: "an upload" });
    if (!gone.ok) return gone;
    const { status } = gone.value;
    if ((status >= 200 && status < 300) || status === 404 || status === 410) return ok();
    return failed(this.#sessionFault(gone.value));
  }

  /** By id where the service lets us; it is known to ask for a name at times, then by the item's place. */
  async #openAt(target: UploadTarget, mtime: number, signal?: AbortSignal) {
    const path = this.#path(target, "/createUploadSession");
    if (!path.ok) return path;
    const headers = conditionOf(target);
    const fileSystemInfo = { lastModifiedDateTime: wireTime(mtime) };
    const named = "item" in target ? ok(undefined) : cloudNameOf(target.name);
    if (!named.ok) return named;
    const behavior = { [CONFLICT]: "item" in target ? "replace" : "fail" };
    const item = { ...behavior, ...(named.value ? { name: named.value } : {}), fileSystemInfo };
    const asked = { method: "POST", headers, json: { item }, signal } as const;
    const opened = await this.#asking.read({ ...asked, path: path.value }, parseSession);
    if (opened.ok || !("item" in target) || opened.fault.kind !== "invalid" || !/file name/i.test(opened.fault.why))
      return opened;
    const at = await this.#asking.item({ method: "GET", path: this.#asking.itemPath(target.item), signal });
    if (!at.ok) return at;
    const slot =
      at.value.item.parentId &&
      this.#asking.slotPath(at.value.item.parentId, at.value.item.name, "/createUploadSession");
    return slot && slot.ok ? this.#asking.read({ ...asked, path: slot.value }, parseSession) : opened;
  }

  #path(target: UploadTarget, rest: string): Result<string, Fault> {
    return "item" in target
      ? ok(this.#asking.itemPath(target.item, rest))
      : this.#asking.slotPath(target.parent, target.name, rest);
  }

  /** The service may say that it wants less, or more, than what comes after the fragment. */
  #goesOn(session: Session, reply: OutsideReply, end: number): Awaited<ReturnType<Drive["sendFragment"]>> {
    const wire = parseSession(reply.body);
    const next = { ...session, nextOffset: wire?.nextOffset ?? end, expiresAt: wire?.expiresAt ?? session.expiresAt };
    return ok({ session: next, item: undefined });
  }

  async #finished(session: Session, reply: OutsideReply, signal?: AbortSignal): ReturnType<Drive["sendFragment"]> {
    const target = this.#targets.get(session.url);
    this.#targets.delete(session.url);
    const wire = parseItem(reply.body);
    const { status } = reply;
    const silent = fault("garbled", "an upload ended without a word on the item", { status, unclear: true }).fault;
    const asked = target && this.#asAsked.bind(this, target);
    const item =
      wire?.is === "item"
        ? await (asked ?? ((same: CloudItem) => Promise.resolve(ok(same))))(wire.item, signal)
        : target
          ? await this.#refetched(target, silent, signal)
          : failed(silent);
    return item.ok ? ok({ session, item: item.value }) : item;
  }

  /** The fragment does not fit: a part of it, or all, has landed before. The session says where it stands. */
  async #resynced(session: Session, reply: OutsideReply, signal?: AbortSignal): ReturnType<Drive["sendFragment"]> {
    const now = await this.status(session, signal);
    if (!now.ok) return now;
    if (now.value.nextOffset === session.nextOffset) return failed(this.#sessionFault(reply));
    return ok({ session: now.value, item: undefined });
  }

  /** At the last fragment of a new file, a condition that does not hold means that the name is taken. */
  #commitFault(session: Session, reply: OutsideReply): Fault {
    const why = this.#sessionFault(reply);
    const target = this.#targets.get(session.url);
    return target ? forTarget(target, why) : why;
  }

  #sessionFault(reply: OutsideReply): Fault {
    const { status } = reply;
    if (status === 401 || status === 403 || status === 404 || status === 410) {
      const unclear = status === 404 || status === 410 ? { unclear: true } : {};
      return fault("expired", "the upload session is gone", { status, ...unclear }).fault;
    }
    const why = refusal({ ...reply, changing: true, nowMs: this.#options.clock.now() });
    return why.kind === "signedOut" ? { ...why, kind: "expired" } : why;
  }

  /** The upload was carried out, but its answer says nothing of the item. */
  async #refetched(target: UploadTarget, silent: Fault, signal?: AbortSignal): Answer<CloudItem> {
    const path = this.#path(target, "");
    if (!path.ok) return failed(silent);
    const query = { $select: ITEM_PROPERTIES };
    const found = await this.#asking.item({ method: "GET", path: path.value, query, signal });
    return found.ok ? ok(found.value.item) : failed({ ...silent, unclear: true });
  }

  /** The service decodes `%` in an address twice: what came under another name gets the one that was asked for. */
  async #asAsked(target: UploadTarget, item: CloudItem, signal?: AbortSignal): Answer<CloudItem> {
    if ("item" in target || !target.name.includes("%") || fold(item.name) === fold(target.name)) return ok(item);
    const cloud = cloudNameOf(target.name);
    if (!cloud.ok) return cloud;
    const json = { name: cloud.value, fileSystemInfo: { lastModifiedDateTime: wireTime(item.mtime) } };
    const named = await this.#asking.item({ method: "PATCH", path: this.#asking.itemPath(item.id), json, signal });
    return named.ok ? ok(named.value.item) : failed({ ...named.fault, unclear: true });
  }
}

function conditionOf(target: UploadTarget): Readonly<Record<string, string>> {
  if (!("item" in target)) return { "If-None-Match": "*" };
  return target.seen === undefined ? {} : { "If-Match": target.seen };
}

/** For a new file both ways of saying "there is one" are the same. */
function forTarget(target: UploadTarget, why: Fault): Fault {
  return !("item" in target) && why.kind === "changed" ? { ...why, kind: "nameTaken" } : why;
}
