/**
 * Sends a file's frozen bytes: one PUT for small and empty files, a session for the others, and the file's own time. On accounts
 * where a later change of the time makes a version of its own, also small files go by session, which carries the time.
 * The answer's size and hash are compared with what was sent: only of files that SharePoint is known to rewrite others are taken. Of every
 * other file they are sent once more, unless they are a later version than the answer told of: that one is somebody else's.
 */
import { ok, type Result } from "../base/result.ts";
import type { Frozen } from "../content/content.ts";
import type { UploadTarget } from "../drive/drive.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { SIMPLE_UPLOAD_BYTES_MAX } from "../model/limits.ts";
import { isSharePoint, mayBeRewritten } from "../model/rewritten.ts";
import type { Request, Seen } from "./begin.ts";
import type { Pushing } from "./pushing.ts";
import { uploadBySession, type Transfer } from "./session.ts";

type ContentRequest = Request & { readonly action: "createFile" | "writeContent" };

export async function sendContent(
  pushing: Pushing,
  { node, request }: { readonly node: ItemKey; readonly request: ContentRequest },
  signal: AbortSignal,
): Promise<Result<CloudItem, Fault>> {
  const { frozen, mtime } = request;
  const target = targetOf(request);
  const first = await transferOnce(pushing, { node, target, frozen, mtime }, signal);
  if (!first.ok) return first;
  const stored = await whatIsStored(pushing, { item: first.value, frozen }, signal);
  if (!stored.ok) return stored;
  const rewritten = mayBeRewritten(stored.value.name, driveType(pushing));
  if (isSame(frozen, stored.value) || rewritten) return ok(await setTime(pushing, stored.value, mtime));
  pushing.log.fault("the cloud stored other bytes than were sent; they are sent once more", { node });
  const again: Transfer = { node, target: { item: stored.value.id, seen: seenOf(stored.value) }, frozen, mtime };
  const second = await pushing.drive.upload(again.target, frozen.body, signal);
  if (!second.ok) return second;
  const now = await whatIsStored(pushing, { item: second.value, frozen }, signal);
  if (!now.ok) return now;
  if (isSame(frozen, now.value)) return ok(await setTime(pushing, now.value, mtime));
  await takeBack(pushing, request, now.value);
  return fault("io", "the cloud stores other bytes than are sent");
}

/** Equal size and hash; empty files have no hash. A missing hash is never equality. */
export function isSame(frozen: { readonly hash: string; readonly body: { readonly size: number } }, item: CloudItem) {
  return item.size === frozen.body.size && (item.size === 0 || item.hash === frozen.hash);
}

/** Of versions that cannot be told apart nobody knows whose they are. */
function isSameVersion(a: CloudItem, b: CloudItem): boolean {
  const [one, other] = a.cTag && b.cTag ? [a.cTag, b.cTag] : [a.eTag, b.eTag];
  return one !== undefined && one === other;
}

function targetOf(request: ContentRequest): UploadTarget {
  if (request.action === "createFile") return { parent: request.parent, name: request.name };
  return { item: request.id, seen: request.seen };
}

function transferOnce(pushing: Pushing, transfer: Transfer, signal: AbortSignal): Promise<Result<CloudItem, Fault>> {
  const { size } = transfer.frozen.body;
  const simple = size === 0 || (size <= SIMPLE_UPLOAD_BYTES_MAX && !isSharePoint(driveType(pushing)));
  return simple
    ? pushing.drive.upload(transfer.target, transfer.frozen.body, signal)
    : uploadBySession(pushing, transfer, signal);
}

function driveType(pushing: Pushing): string | undefined {
  return (pushing.store.read.meta.get("drive") as { driveType?: string } | undefined)?.driveType;
}

/** The answer, or when it does not show our bytes, the item read once more. */
async function whatIsStored(
  pushing: Pushing,
  { item, frozen }: { item: CloudItem; frozen: Frozen },
  signal: AbortSignal,
): Promise<Result<CloudItem, Fault>> {
  if (isSame(frozen, item) || mayBeRewritten(item.name, driveType(pushing))) return ok(item);
  const read = await pushing.drive.item(item.id, signal);
  if (!read.ok) return { ok: false, fault: { ...read.fault, unclear: true } };
  if (!isSame(frozen, read.value) && !isSameVersion(read.value, item))
    return fault("changed", "the cloud got another version meanwhile", { unclear: true });
  // Some items never get a hash: then the size is all there is to compare.
  const unhashed = read.value.hash === undefined && read.value.size === frozen.body.size;
  return ok(unhashed ? { ...read.value, hash: frozen.hash } : read.value);
}

/** A failure is no loss: the time still differs in the trees, so the next plan sets it. */
async function setTime(pushing: Pushing, item: CloudItem, mtime: number): Promise<CloudItem> {
  if (item.mtime === mtime) return item;
  const answer = await pushing.calls({ call: "update", id: item.id, change: { mtime }, seen: item.eTag });
  if (answer.ok && answer.value) return answer.value.hash === undefined ? withHash(answer.value, item) : answer.value;
  if (!answer.ok) pushing.log.trace("the time of an upload could not be set yet", { why: answer.fault.why });
  return item;
}

function withHash(item: CloudItem, before: CloudItem): CloudItem {
  return before.hash === undefined || before.size !== item.size ? item : { ...item, hash: before.hash };
}

/** A new item that holds wrong bytes is nobody's: it is removed, if nobody touched it. Older versions stay where they are. */
async function takeBack(pushing: Pushing, request: ContentRequest, item: CloudItem): Promise<void> {
  if (request.action !== "createFile") return;
  const answer = await pushing.drive.remove(item.id, item.eTag);
  if (!answer.ok) pushing.log.fault("an item with wrong bytes could not be removed", { why: answer.fault.why });
}

function seenOf(item: CloudItem): Seen {
  return item.cTag ?? item.eTag;
}
