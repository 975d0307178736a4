/**
 * A copy inside the cloud: started by one request, watched at a monitor address until it is done. "Completed" is believed only when
 * the new item can be read. From the moment the service accepted it, every failure is `unclear`.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { COPY_POLL_FIRST_MS, COPY_POLL_MOST_MS, COPY_WAIT_MS } from "../model/limits.ts";
import { cloudNameOf, type Asking } from "./asking.ts";
import type { Answer, Drive } from "./drive.ts";
import type { Outside } from "./outside.ts";
import { parseMonitor } from "./wire.ts";

export interface CopyRequest {
  readonly asking: Asking;
  readonly outside: Outside;
  readonly clock: Clock;
  readonly drive: Pick<Drive, "item" | "itemAt">;
  readonly driveId: string;
  readonly id: ItemId;
  readonly parent: ItemId;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

export async function copyItem(request: CopyRequest): Answer<CloudItem> {
  const started = await start(request);
  if (!started.ok) return started;
  const done = await unclearly(watch(request, started.value));
  if (!done.ok) return done;
  return unclearly(read(request, done.value));
}

async function start({ asking, driveId, id, parent, name, signal }: CopyRequest): Promise<Result<string, Fault>> {
  const cloud = cloudNameOf(name);
  if (!cloud.ok) return cloud;
  const json = { parentReference: { driveId, id: parent }, name: cloud.value };
  const headers = { Prefer: "respond-async" };
  const reply = await asking.ask({ method: "POST", path: asking.itemPath(id, "/copy"), json, headers, signal });
  if (!reply.ok) return reply;
  const monitor = reply.value.headers["location"];
  return monitor
    ? ok(monitor)
    : fault("garbled", "a copy that cannot be watched", { status: reply.value.status, unclear: true });
}

/** The id of the new item, when the service tells it. */
async function watch({ outside, clock, signal }: CopyRequest, url: string): Promise<Result<ItemId | undefined, Fault>> {
  const until = clock.now() + COPY_WAIT_MS;
  for (let waitMs = COPY_POLL_FIRST_MS; ; waitMs = Math.min(waitMs * 2, COPY_POLL_MOST_MS)) {
    const reply = await outside.send({ method: "GET", url, what: "the state of a copy", signal });
    if (reply.ok && reply.value.status === 303) return ok(undefined);
    const state = reply.ok ? parseMonitor(reply.value.body) : undefined;
    if (state?.status === "completed") return ok(state.itemId);
    if (state?.status === "failed" || state?.status === "deleteFailed") return refused(state.errorCode);
    if (!reply.ok && reply.fault.kind === "interrupted") return failed(reply.fault);
    if (reply.ok && (reply.value.status === 404 || reply.value.status === 410)) return ok(undefined);
    if (clock.now() >= until) return reply.ok ? fault("timedOut", "the copy takes too long") : failed(reply.fault);
    await sleep(clock, waitMs, signal);
    if (signal?.aborted) return fault("interrupted", "the call was cancelled");
  }
}

function refused(code: string | undefined): Result<never, Fault> {
  const why = `the service could not copy: ${code ?? "no reason given"}`;
  if (code === "nameAlreadyExists") return fault("nameTaken", why, { status: 409 });
  if (code === "quotaLimitReached" || code === "insufficientStorage") return fault("noSpace", why, { status: 507 });
  return fault(code === "accessDenied" ? "denied" : "unavailable", why);
}

async function read({ drive, clock, parent, name, signal }: CopyRequest, id: ItemId | undefined): Answer<CloudItem> {
  for (let tries = 0, waitMs = COPY_POLL_FIRST_MS; ; tries++, waitMs *= 2) {
    const found = id ? await drive.item(id, signal) : await drive.itemAt(parent, name, signal);
    if (found.ok || found.fault.kind !== "notFound" || tries === 4) return found;
    await sleep(clock, waitMs, signal);
    if (signal?.aborted) return fault("interrupted", "the call was cancelled");
  }
}

const CLEAR: readonly Fault["kind"][] = ["nameTaken", "noSpace", "denied"];

async function unclearly<T>(result: Promise<Result<T, Fault>>): Promise<Result<T, Fault>> {
  const got = await result;
  return got.ok || CLEAR.includes(got.fault.kind) ? got : failed({ ...got.fault, unclear: true });
}
