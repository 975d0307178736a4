/**
 * Several changing calls in one request. Each is answered for itself: what the service refused as too many is made again alone, what
 * it did not answer is `unclear`.
 */
import type { Clock } from "../base/clock.ts";
import { assert } from "../base/assert.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CloudItem } from "../model/item.ts";
import { BATCH_CALLS_MAX } from "../model/limits.ts";
import type { Asking } from "./asking.ts";
import type { BatchCall, Drive } from "./drive.ts";
import { changeJson, folderJson, ifMatch } from "./call-bodies.ts";
import { refusal } from "./refusal.ts";
import { parseBatch, parseItem, type WireAnswer } from "./wire.ts";

export interface BatchRequest {
  readonly asking: Asking;
  readonly clock: Clock;
  readonly drive: Pick<Drive, "createFolder" | "update" | "remove" | "item">;
  readonly calls: readonly BatchCall[];
  readonly signal: AbortSignal | undefined;
}

type Outcome = Result<CloudItem | undefined, Fault>;

export async function sendBatch(request: BatchRequest): Promise<Outcome[]> {
  const { asking, calls, signal } = request;
  assert(calls.length > 0 && calls.length <= BATCH_CALLS_MAX, `a batch has 1 to ${BATCH_CALLS_MAX} calls`);
  const inner = calls.map((call, i) => innerRequest(call, String(i), asking));
  const requests = inner.flatMap((made) => (made.ok ? [made.value] : []));
  const sent =
    requests.length > 0
      ? await asking.read({ method: "POST", path: "/$batch", json: { requests }, signal }, parseBatch)
      : ok([]);
  return Promise.all(
    calls.map((call, i): Promise<Outcome> => {
      const made = inner[i];
      if (made && !made.ok) return Promise.resolve(made);
      if (!sent.ok) return Promise.resolve(failed(sent.fault));
      const answer = sent.value.find(({ id }) => id === String(i));
      return answer ? outcomeOf(request, call, answer) : Promise.resolve(unanswered());
    }),
  );
}

function innerRequest(call: BatchCall, id: string, asking: Asking): Result<Readonly<Record<string, unknown>>, Fault> {
  const json = { "Content-Type": "application/json" };
  if (call.call === "remove")
    return ok({ id, method: "DELETE", url: asking.itemPath(call.id), headers: ifMatch(call.seen) });
  if (call.call === "createFolder") {
    const body = folderJson(call.name);
    return body.ok
      ? ok({ id, method: "POST", url: asking.itemPath(call.parent, "/children"), headers: json, body: body.value })
      : body;
  }
  const body = changeJson(call.change);
  const headers = { ...json, ...ifMatch(call.seen) };
  return body.ok ? ok({ id, method: "PATCH", url: asking.itemPath(call.id), headers, body: body.value }) : body;
}

async function outcomeOf(request: BatchRequest, call: BatchCall, answer: WireAnswer): Promise<Outcome> {
  const { status, body } = answer;
  if (status === 429 || status === 509) return alone(request, call);
  if (status < 200 || status >= 300) {
    return failed(
      refusal({ status, body, headers: textOf(answer.headers), changing: true, nowMs: request.clock.now() }),
    );
  }
  if (call.call === "remove") return ok();
  const wire = parseItem(body);
  if (wire?.is === "item") return ok(wire.item);
  return call.call === "update" ? request.drive.item(call.id, request.signal) : unanswered();
}

function alone({ drive, signal }: BatchRequest, call: BatchCall): Promise<Outcome> {
  switch (call.call) {
    case "createFolder":
      return drive.createFolder(call.parent, call.name, signal);
    case "update":
      return drive.update(call.id, call.change, call.seen, signal);
    case "remove":
      return drive.remove(call.id, call.seen, signal);
  }
}

function unanswered(): Outcome {
  return fault("garbled", "the service did not answer one call of several", { unclear: true });
}

function textOf(headers: WireAnswer["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
}
