/**
 * The links between the drive and the network, outermost first: retry, throttle gate, authorization, log; then `sendCall`, which
 * speaks HTTP. Each is a `Wrap`.
 *
 * What is sent again, and no more than REQUEST_TRIES_MAX times:
 *  - any call that was refused for being too early or too many: 429, 509, and 409 "modified" without a condition of ours;
 *  - calls that change nothing: 500, 502, 503, 504, 408, and once more after a lost connection.
 * A changing call that got no clear answer is never sent again here: its fault says `unclear`.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { log, type Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { netFault, type Http } from "../http/http.ts";
import { fault, type Fault } from "../model/fault.ts";
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MOST_MS,
  JSON_ANSWER_BYTES_MAX,
  REQUEST_TRIES_MAX,
  YOUNG_ITEM_WAIT_MS,
} from "../model/limits.ts";
import { isSafe, type GraphCall, type GraphReply, type Handler, type Tokens, type Wrap } from "./graph.ts";
import type { ThrottleGate } from "./throttle-gate.ts";
import { parseError } from "./wire.ts";

export interface Pace {
  readonly clock: Clock;
  readonly random: Random;
}

/** Exponential, with jitter from half to the whole. */
function backoffMs(tries: number, random: Random): number {
  const most = Math.min(BACKOFF_FIRST_MS * 2 ** tries, BACKOFF_MOST_MS);
  return most / 2 + (random.next() * most) / 2;
}

export function retrying({ clock, random }: Pace): Wrap {
  return (next) => async (call) => {
    for (let tries = 0; ; tries++) {
      const answer = await next(call);
      const waitMs = tries + 1 < REQUEST_TRIES_MAX ? againAfter(call, answer, tries, random) : undefined;
      if (waitMs === undefined || call.signal?.aborted) return settledFor(call, answer);
      await sleep(clock, waitMs, call.signal);
      if (call.signal?.aborted) return fault("interrupted", "the call was cancelled");
    }
  };
}

/** Every call waits while the gate is shut; an answer that asks for a pause shuts it for all. */
export function throttled(gate: ThrottleGate): Wrap {
  return (next) => async (call) => {
    const shut = await gate.pass(call.signal);
    if (shut) return failed(shut);
    const answer = await next(call);
    if (answer.ok) gate.note(answer.value);
    return answer;
  };
}

/** Adds the bearer token to calls for the Graph host, and to no others. One answer 401 is met with another token. */
export function authorized(tokens: Tokens, graphBase: string): Wrap {
  const { origin } = new URL(graphBase);
  return (next) => async (call) => {
    if (new URL(call.url).origin !== origin) return fault("garbled", "a link leads away from the service");
    const { signal } = call;
    const first = await tokens.token({ signal });
    if (!first.ok) return first;
    const answer = await next(bearing(call, first.value));
    if (!answer.ok || answer.value.status !== 401) return answer;
    const second = await tokens.token({ signal, rejected: first.value });
    return second.ok ? next(bearing(call, second.value)) : second;
  };
}

export function logged(clock: Clock, to: Log = log("graph")): Wrap {
  return (next) => async (call) => {
    const started = clock.now();
    const answer = await next(call);
    const { pathname } = new URL(call.url);
    const outcome = answer.ok
      ? { status: answer.value.status, request: answer.value.headers["request-id"] ?? "" }
      : { fault: answer.fault.kind, why: answer.fault.why };
    to.trace(`${call.method} ${pathname}`, { ...outcome, ms: clock.now() - started });
    return answer;
  };
}

/** Speaks HTTP and reads the whole answer. A body lost on the way is a lost answer. */
export function sendCall(http: Http): Handler {
  return async (call) => {
    const { content, text } = call;
    const sent = await http.send({
      method: call.method,
      url: call.url,
      headers: content ? { ...call.headers, "content-length": String(content.size) } : call.headers,
      ...(content
        ? { body: content.size === 0 ? "" : content.stream(0, content.size) }
        : text === undefined
          ? {}
          : { body: text }),
      signal: call.signal,
    });
    if (!sent.ok) return failed(netFault(sent.fault, true));
    const body = await sent.value.read(JSON_ANSWER_BYTES_MAX);
    if (!body.ok) return failed(netFault(body.fault, true));
    const { status, headers } = sent.value;
    return ok({ status, headers, ...parsed(body.value) });
  };
}

function parsed(bytes: Uint8Array): { body: unknown; garbled: boolean } {
  if (bytes.length === 0) return { body: undefined, garbled: false };
  try {
    return { body: JSON.parse(new TextDecoder().decode(bytes)) as unknown, garbled: false };
  } catch {
    return { body: undefined, garbled: true };
  }
}

function bearing(call: GraphCall, token: string): GraphCall {
  return { ...call, headers: { ...call.headers, authorization: `Bearer ${token}` } };
}

/** Milliseconds until the call may be sent again; undefined when it must not be. */
function againAfter(
  call: GraphCall,
  answer: Result<GraphReply, Fault>,
  tries: number,
  random: Random,
): number | undefined {
  const safe = isSafe(call.method);
  if (!answer.ok) return safe && tries === 0 && answer.fault.unclear && answer.fault.kind === "offline" ? 0 : undefined;
  const { status, headers, body } = answer.value;
  if (passes(status, safe)) return pauseBefore(headers, tries, random);
  const young = status === 409 && !call.headers["if-match"] && parseError(body)?.codes.includes("resourceModified");
  return young ? YOUNG_ITEM_WAIT_MS : undefined;
}

/** The status says that the same call may do better in a while. */
export function passes(status: number, safe: boolean): boolean {
  return status === 429 || status === 509 || (safe && [408, 500, 502, 503, 504].includes(status));
}

/** The gate keeps the service's own Retry-After; this is for answers without one. */
export function pauseBefore(headers: Readonly<Record<string, string>>, tries: number, random: Random): number {
  return headers["retry-after"] ? 0 : backoffMs(tries, random);
}

/** A lost answer is unclear only for a call that changes something. */
function settledFor(call: GraphCall, answer: Result<GraphReply, Fault>): Result<GraphReply, Fault> {
  if (answer.ok || !isSafe(call.method)) return answer;
  const { unclear: _, ...rest } = answer.fault;
  return failed(rest);
}
