/** `$batch`: up to 20 requests in one, each run, logged, throttled and struck by faults on its own. */
import { isJson, textField } from "./ask.ts";
import { json, type Answer, type Head } from "./exchange.ts";
import type { Json } from "./item-json.ts";
import { badRequest } from "./refusal.ts";

const REQUESTS_MAX = 20;

export interface Inner {
  readonly head: Head;
  readonly body: Uint8Array;
}

/** `run` performs one inner request and gives its answer. */
export function runBatch(outer: Head, body: Json, run: (inner: Inner) => Answer): Answer {
  const requests = body["requests"];
  if (!Array.isArray(requests) || !requests.every(isJson)) throw badRequest("BadRequest", "requests must be an array.");
  if (requests.length > REQUESTS_MAX)
    throw badRequest("BadRequest", "Number of batch requests exceeds the limit of 20.");
  const ids = requests.map((request) => textField(request, "id"));
  if (ids.includes(undefined) || new Set(ids).size !== ids.length)
    throw badRequest("BadRequest", "Each request needs an id of its own.");
  const statuses = new Map<string, number>();
  const responses = requests.map((request) => {
    const id = textField(request, "id")!;
    const response = mayRun(request, statuses)
      ? innerResponse(outer, request, run)
      : { status: 424, headers: {}, body: failedDependency };
    statuses.set(id, response.status);
    return { id, ...response };
  });
  return json(200, { responses });
}

const failedDependency = { error: { code: "FailedDependency", message: "A request this one depends on failed." } };

function mayRun(request: Json, statuses: ReadonlyMap<string, number>): boolean {
  const needed = Array.isArray(request["dependsOn"]) ? (request["dependsOn"] as unknown[]) : [];
  return needed.every((id) => (statuses.get(String(id)) ?? 424) < 400);
}

function innerResponse(outer: Head, request: Json, run: (inner: Inner) => Answer): Json & { status: number } {
  const { head, body } = innerRequest(outer, request);
  const answer = run({ head, body });
  const value = answer.body.kind === "json" ? answer.body.value : undefined;
  return {
    status: answer.status,
    headers: capitalised(answer.headers),
    ...(value === undefined ? {} : { body: value }),
  };
}

function innerRequest(outer: Head, request: Json): Inner {
  const url = textField(request, "url") ?? "";
  const headers: Record<string, string | undefined> = {
    host: outer.headers["host"],
    authorization: outer.headers["authorization"],
  };
  if (isJson(request["headers"])) {
    for (const [name, value] of Object.entries(request["headers"])) headers[name.toLowerCase()] = String(value);
  }
  const target = `/v1.0${url.startsWith("/") ? "" : "/"}${url}`;
  const body = request["body"] === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(request["body"]));
  return {
    head: { method: (textField(request, "method") ?? "GET").toUpperCase(), target, headers, batched: true },
    body,
  };
}

function capitalised(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name === "location" ? "Location" : name, value]),
  );
}
