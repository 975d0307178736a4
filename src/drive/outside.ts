/**
 * Requests to addresses that carry their own permission: upload sessions, downloads, monitors of copies. They never bear a token,
 * their addresses are secrets that no log and no fault ever shows, and they wait at the same throttle gate as everything else. Reads
 * are sent again as those of Graph are; what changes something is sent once.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { isTrustedAddress, type Endpoint } from "../http/endpoint.ts";
import { netFault, type Http, type HttpAnswer } from "../http/http.ts";
import { fault, type Fault } from "../model/fault.ts";
import { JSON_ANSWER_BYTES_MAX, REQUEST_TRIES_MAX } from "../model/limits.ts";
import { passes, pauseBefore } from "./chain.ts";
import type { ThrottleGate } from "./throttle-gate.ts";

export interface OutsideRequest {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly url: string;
  /** For the log. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

export interface OutsideReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface Outside {
  /** The answer with its body still to be read. */
  open(request: OutsideRequest): Promise<Result<HttpAnswer, Fault>>;
  /** The whole answer. */
  send(request: OutsideRequest): Promise<Result<OutsideReply, Fault>>;
  /** The rest of an answer, as JSON where it is JSON. */
  finish(answer: HttpAnswer, changing: boolean): Promise<Result<OutsideReply, Fault>>;
}

export interface OutsideOptions {
  readonly http: Http;
  readonly clock: Clock;
  readonly random: Random;
  readonly gate: ThrottleGate;
  readonly endpoint: Endpoint;
}

export function outside({ http, clock, random, gate, endpoint }: OutsideOptions): Outside {
  const trace = log("content");

  const once: Outside["open"] = async (request) => {
    if (!isTrustedAddress(request.url, endpoint))
      return fault("garbled", "the service named an address that is not https");
    const shut = await gate.pass(request.signal);
    if (shut) return failed(shut);
    const started = clock.now();
    const answer = await http.send({
      method: request.method,
      url: request.url,
      headers: request.headers ?? {},
      ...(request.content ? { body: request.content } : {}),
      signal: request.signal,
    });
    const outcome = answer.ok ? { status: answer.value.status } : { fault: answer.fault.kind, why: answer.fault.why };
    trace.trace(`${request.method} ${request.what}`, { ...outcome, ms: clock.now() - started });
    if (!answer.ok) return failed(netFault(answer.fault, true));
    gate.note(answer.value);
    return answer;
  };

  const open: Outside["open"] = async (request) => {
    if (request.method !== "GET") return once(request);
    for (let tries = 0; ; tries++) {
      const answer = await once(request);
      const waitMs = tries + 1 < REQUEST_TRIES_MAX ? againAfter(answer, tries) : undefined;
      if (waitMs === undefined || request.signal?.aborted) return answer.ok ? answer : failed(clear(answer.fault));
      if (answer.ok) answer.value.discard();
      await sleep(clock, waitMs, request.signal);
    }
  };
  const againAfter = (answer: Result<HttpAnswer, Fault>, tries: number): number | undefined => {
    if (answer.ok)
      return passes(answer.value.status, true) ? pauseBefore(answer.value.headers, tries, random) : undefined;
    return tries === 0 && answer.fault.unclear && answer.fault.kind === "offline" ? 0 : undefined;
  };

  const finish: Outside["finish"] = async (answer, changing) => {
    const bytes = await answer.read(JSON_ANSWER_BYTES_MAX);
    if (!bytes.ok) return failed(netFault(bytes.fault, changing));
    return ok({ status: answer.status, headers: answer.headers, body: jsonOf(bytes.value) });
  };

  const send: Outside["send"] = async (request) => {
    const answer = await open(request);
    return answer.ok ? finish(answer.value, request.method !== "GET") : answer;
  };
  return { open, send, finish };
}

/** Nothing was to be changed, so nothing is unclear. */
function clear(why: Fault): Fault {
  const { unclear, ...rest } = why;
  return unclear ? rest : why;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
