/**
 * Large uploads, in a session that survives restarts: its row is stored after the opening and after every fragment, and is
 * resumed where the service says. A dead session is begun anew. The content version is compared just before the session is
 * opened and just before its last fragment. The URL is a secret and is never printed.
 */
import { ok, type Result } from "../base/result.ts";
import type { Frozen } from "../content/content.ts";
import type { Session, UploadTarget } from "../drive/drive.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import { contentVersion, type CloudItem } from "../model/item.ts";
import {
  FRAGMENT_BYTES,
  FRAGMENT_BYTES_MAX,
  FRAGMENT_GOAL_MS,
  FRAGMENT_QUANTUM_BYTES,
  SESSIONS_ANEW_MAX,
} from "../model/limits.ts";
import type { Pushing } from "./pushing.ts";

export interface Transfer {
  readonly node: ItemKey;
  readonly target: UploadTarget;
  readonly frozen: Frozen;
  readonly mtime: number;
}

export async function uploadBySession(
  pushing: Pushing,
  transfer: Transfer,
  signal: AbortSignal,
): Promise<Result<CloudItem, Fault>> {
  const base = await baseVersion(pushing, transfer, signal);
  if (!base.ok) return base;
  for (let anew = 0; ; anew++) {
    const session = await resumeOrOpen(pushing, transfer, signal);
    if (!session.ok) return session;
    const sent = await sendAll(pushing, { ...transfer, base: base.value }, { session: session.value, signal });
    const dead = !sent.ok && (sent.fault.kind === "expired" || sent.fault.kind === "notFound") && !sent.fault.unclear;
    if (sent.ok || dead || endsSession(sent.fault)) forget(pushing, transfer.frozen.blob);
    if (!sent.ok && endsSession(sent.fault)) await pushing.drive.cancelSession(session.value);
    if (!dead) return sent;
    if (anew >= SESSIONS_ANEW_MAX) return fault("unavailable", "upload sessions die one after another");
  }
}

/** Cancels and forgets what is left of an upload that nobody wants any more. */
export async function dropSession(pushing: Pushing, blob: BlobId): Promise<void> {
  const row = pushing.store.read.sessions.get(blob);
  if (!row) return;
  forget(pushing, blob);
  // An expired or unreachable session goes away by itself: the answer does not matter.
  await pushing.drive.cancelSession(row);
}

/** The version that is replaced, undefined for a new item; `changed` when it is not the one the bytes are based on. */
async function baseVersion(
  pushing: Pushing,
  { target, node }: Transfer,
  signal: AbortSignal,
): Promise<Result<string | undefined, Fault>> {
  if (!("item" in target)) return ok(undefined);
  const mirror = pushing.store.read.mirror.get(node);
  const item = await pushing.drive.item(target.item, signal);
  if (!item.ok) return item;
  const known = mirror && contentVersion(mirror);
  return contentVersion(item.value) === known ? ok(known) : fault("changed", "the cloud has another version now");
}

async function resumeOrOpen(
  pushing: Pushing,
  { node, target, frozen, mtime }: Transfer,
  signal: AbortSignal,
): Promise<Result<Session, Fault>> {
  const row = pushing.store.read.sessions.get(frozen.blob);
  // A session for a new item is of no use for a file that took an item over meanwhile, nor the other way round.
  const fits = row?.hash === frozen.hash && row.node === node && (row.parent === undefined) === "item" in target;
  if (row && fits && row.expiresAt > pushing.clock.now()) {
    const known = await pushing.drive.sessionStatus(row, signal);
    if (known.ok) return known;
    if (known.fault.kind !== "expired" && known.fault.kind !== "notFound") return known;
  }
  if (row) await dropSession(pushing, frozen.blob);
  aimIntent(pushing, node, target);
  const opened = await pushing.drive.openSession(target, frozen.body.size, mtime, signal);
  // Opening a session changes nothing that anybody sees: a lost answer is only a session that expires.
  if (!opened.ok) return { ok: false, fault: { ...opened.fault, unclear: false } };
  keep(pushing, { node, frozen }, opened.value);
  return opened;
}

type Sending = { readonly session: Session; readonly signal: AbortSignal };

async function sendAll(
  pushing: Pushing,
  transfer: Transfer & { readonly base: string | undefined },
  { session: first, signal }: Sending,
): Promise<Result<CloudItem, Fault>> {
  const { frozen, target, base } = transfer;
  let session = first;
  let length = FRAGMENT_BYTES;
  for (let stuck = 0; stuck <= SESSIONS_ANEW_MAX;) {
    const end = Math.min(session.nextOffset + length, frozen.body.size);
    const last = end === frozen.body.size;
    if (last && base !== undefined && "item" in target) {
      const item = await pushing.drive.item(target.item, signal);
      if (!item.ok) return item;
      if (contentVersion(item.value) !== base) return fault("changed", "the cloud got another version meanwhile");
    }
    const beganAt = pushing.clock.now();
    const sent = await pushing.drive.sendFragment(session, frozen.body, end, signal);
    length = sent.ok ? nextFragmentBytes(length, pushing.clock.now() - beganAt) : FRAGMENT_BYTES;
    if (sent.ok && sent.value.item) return ok(sent.value.item);
    // The service may have kept only a part of it.
    if (sent.ok && last && sent.value.session.nextOffset >= frozen.body.size)
      return fault("garbled", "the upload ended without an answer", { unclear: true });
    const next = sent.ok
      ? ok(sent.value.session)
      : await afterFailure(pushing, { session, signal }, { why: sent.fault, last });
    if (!next.ok) return next;
    stuck = next.value.nextOffset > session.nextOffset ? 0 : stuck + 1;
    session = next.value;
    keep(pushing, transfer, session);
  }
  return fault("unavailable", "the upload does not get on");
}

/**
 * Between two fragments the line is idle for a round trip: they grow as long as they are quick. What a kill or a cut costs is what one
 * of them takes.
 */
export function nextFragmentBytes(length: number, tookMs: number): number {
  const inTime = (length / Math.max(tookMs, 1)) * FRAGMENT_GOAL_MS;
  const wanted = Math.min(Math.max(inTime, FRAGMENT_BYTES), 2 * length, FRAGMENT_BYTES_MAX);
  return Math.floor(wanted / FRAGMENT_QUANTUM_BYTES) * FRAGMENT_QUANTUM_BYTES;
}

/** Where the service is after a fragment that failed; the fault when the upload cannot go on now. */
async function afterFailure(
  pushing: Pushing,
  { session, signal }: Sending,
  { why, last }: { why: Fault; last: boolean },
): Promise<Result<Session, Fault>> {
  if (why.kind !== "rangeUnsatisfied" && !why.unclear) return { ok: false, fault: why };
  if (signal.aborted || why.kind === "offline") return { ok: false, fault: { ...why, unclear: last } };
  const now = await pushing.drive.sessionStatus(session, signal);
  if (now.ok) return now;
  // A session that is gone after its last fragment may have become the file.
  const gone = now.fault.kind === "expired" || now.fault.kind === "notFound";
  return { ok: false, fault: { ...now.fault, unclear: last && (gone || why.unclear === true) } };
}

/** Refusals after which the session is of no use. */
function endsSession(why: Fault): boolean {
  return why.kind === "nameTaken" || why.kind === "changed" || why.kind === "noSpace" || why.kind === "denied";
}

function keep(pushing: Pushing, { node, frozen }: Pick<Transfer, "node" | "frozen">, session: Session): void {
  const { url, expiresAt, nextOffset } = session;
  pushing.store.transact((tx) => {
    const { parent, name } = tx.intents.get(node) ?? {};
    const place = parent === undefined || name === undefined ? {} : { parent, name };
    tx.sessions.put(frozen.blob, { url, expiresAt, nextOffset, hash: frozen.hash, node, ...place });
  });
}

/**
 * A session makes its item where it was opened for, also when the file is called otherwise by now: the intent names that place while the
 * session lives. Opened anew, it is for the place that is asked for now.
 */
function aimIntent({ store }: Pushing, node: ItemKey, target: UploadTarget): void {
  const intent = store.read.intents.get(node);
  const parent = "parent" in target ? store.read.ids.get(target.parent) : undefined;
  if (!intent || parent === undefined || !("name" in target)) return;
  if (intent.parent === parent && intent.name === target.name) return;
  store.transact((tx) => tx.intents.put(node, { ...intent, parent, name: target.name }));
}

function forget(pushing: Pushing, blob: BlobId): void {
  if (pushing.store.read.sessions.get(blob)) pushing.store.transact((tx) => tx.sessions.remove(blob));
}

/** Sessions of bytes that are gone: nobody will finish them. */
export async function dropOrphanSessions(pushing: Pushing): Promise<void> {
  const { read } = pushing.store;
  const orphans = [...read.sessions.range()].map(([blob]) => blob).filter((blob) => !read.blobs.get(blob));
  for (const blob of orphans) await dropSession(pushing, blob);
}
