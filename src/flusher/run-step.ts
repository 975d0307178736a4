/**
 * One step from its bytes to its acknowledgement: freeze, record what must be known after a crash, make it durable, send, record
 * the answer. A refusal goes to refusal.ts; a request without a clear answer stays recorded as under way.
 */
import { ok, type Result } from "../base/result.ts";
import type { Frozen } from "../content/content.ts";
import type { BatchCall } from "../drive/drive.ts";
import type { Step } from "../merge/merge.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CloudItem } from "../model/item.ts";
import { begin, blobOf, type Begun, type Request } from "./begin.ts";
import { finish } from "./finish.ts";
import { DONE, type End, type Pushing } from "./pushing.ts";
import { refused } from "./refusal.ts";
import { removeFolder } from "./remove-folder.ts";
import { release } from "./resolve.ts";
import { isUpload } from "./schedule.ts";
import { sendContent } from "./upload.ts";
import { noteVersions } from "./version-audit.ts";

export async function runStep(pushing: Pushing, step: Step, signal: AbortSignal): Promise<End> {
  const frozen = await freeze(pushing, step);
  if (!frozen.ok) return afterFreeze(frozen.fault);
  const begun = begin(pushing, step, frozen.value);
  if (!begun) return { end: "stale", remerged: false, why: "the step does not hold any more" };
  await pushing.durable();
  const end = await perform(pushing, begun, signal);
  if (end.end !== "done" && end.end !== "unclear")
    release(pushing, step.node, end.end === "stale" ? undefined : end.fault.why);
  return end;
}

async function perform(pushing: Pushing, begun: Begun, signal: AbortSignal): Promise<End> {
  const { step, upTo } = begun;
  if (step.action === "deleteFolder") return removeFolder(pushing, begun, signal);
  let answer = await send(pushing, begun, signal);
  if (!answer.ok && (await mayGoUnconditional(pushing, begun, answer.fault, signal))) {
    pushing.log.trace("a change was refused although nothing changed; it is sent once without its condition");
    answer = await send(pushing, { ...begun, request: unconditional(begun.request) }, signal);
  }
  const gone = !answer.ok && answer.fault.kind === "notFound" && !answer.fault.unclear;
  if (gone && step.action === "deleteFile") return afterLostDelete(pushing, begun, signal);
  if (!answer.ok) return refused(pushing, begun, answer.fault, signal);
  const { request } = begun;
  const blob = "frozen" in request ? { blob: request.frozen.blob } : {};
  await finish(pushing, { node: step.node, action: step.action, upTo, ...blob }, answer.value);
  return DONE;
}

async function send(
  pushing: Pushing,
  { request, step }: Begun,
  signal: AbortSignal,
): Promise<Result<CloudItem | undefined, Fault>> {
  if (request.action === "createFile" || request.action === "writeContent")
    return sendContent(pushing, { node: step.node, request }, signal);
  const answer = await pushing.calls(callOf(request));
  const wanted = request.action !== "deleteFile" && request.action !== "deleteFolder";
  if (answer.ok && wanted && !answer.value) return fault("garbled", "an answer without its item", { unclear: true });
  return answer;
}

function callOf(request: Exclude<Request, { action: "createFile" | "writeContent" }>): BatchCall {
  if (request.action === "createFolder") return { call: "createFolder", parent: request.parent, name: request.name };
  const { id, seen } = request;
  if (request.action === "setMetadata") return { call: "update", id, change: { mtime: request.mtime }, seen };
  if (request.action !== "move") return { call: "remove", id, seen };
  const { name, parent, mtime } = request;
  const place = { ...(name === undefined ? {} : { name }), ...(parent === undefined ? {} : { parent }) };
  return { call: "update", id, change: { ...place, ...(mtime === undefined ? {} : { mtime }) }, seen };
}

async function freeze(pushing: Pushing, step: Step): Promise<Result<Frozen | undefined, Fault>> {
  if (!isUpload(step)) return ok(undefined);
  const blob = blobOf(pushing.store.read, step);
  return blob === undefined ? ok(undefined) : pushing.content.freeze(blob);
}

/** Bytes that do not match their hash are never sent; bytes nobody wants any more need no sending; a full disk passes. */
function afterFreeze(why: Fault): End {
  if (why.kind === "stale") return { end: "stale", remerged: false, why: why.why };
  return why.kind === "io" ? { end: "park", fault: why } : { end: "wait", fault: why };
}

/** Content only when it can be found out afterwards whether another one's was covered by it. */
async function mayGoUnconditional(pushing: Pushing, begun: Begun, why: Fault, signal: AbortSignal): Promise<boolean> {
  if (!(await isSpurious(pushing, begun, why, signal))) return false;
  const { request, step } = begun;
  if (request.action !== "writeContent") return true;
  const noted = await noteVersions(pushing, { node: step.node, request }, signal);
  if (!noted.ok) pushing.log.trace("its versions cannot be told, so it stays conditional", { why: noted.fault.why });
  return noted.ok;
}

/** Some services answer 412 to the tag they gave: nothing has changed when the item, read again, has that very tag. */
async function isSpurious(pushing: Pushing, { request }: Begun, why: Fault, signal: AbortSignal): Promise<boolean> {
  if (why.kind !== "changed" || why.unclear || !("id" in request) || request.action === "deleteFile") return false;
  if (request.seen === undefined) return false;
  const item = await pushing.drive.item(request.id, signal);
  return item.ok && (item.value.cTag === request.seen || item.value.eTag === request.seen);
}

function unconditional(request: Request): Request {
  return "seen" in request ? { ...request, seen: undefined } : request;
}

/** 404 to a delete: done, unless the item can still be read. */
async function afterLostDelete(pushing: Pushing, begun: Begun, signal: AbortSignal): Promise<End> {
  const id = "id" in begun.request ? begun.request.id : undefined;
  const item = id === undefined ? fault("notFound", "") : await pushing.drive.item(id, signal);
  if (item.ok) return { end: "wait", fault: fault("unavailable", "the service cannot delete the item now").fault };
  if (item.fault.kind !== "notFound") return refused(pushing, begun, item.fault, signal);
  await finish(pushing, { node: begun.step.node, action: "deleteFile", upTo: begun.upTo }, undefined);
  return DONE;
}
