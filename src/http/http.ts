/**
 * The contract of the one HTTP door: everything this product says to the network (Graph, sign-in, content) goes through it.
 *
 *  - Proxies (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) are honoured; extra certificates (NODE_EXTRA_CA_CERTS) by node itself.
 *  - Redirects are answers: nothing is followed, so no header travels to a host its sender did not name.
 *  - Every phase has a deadline (connect, headers, silence in a body); a signal ends any of them at once.
 *  - Network failures are values of a closed union that say whether the request may have reached the service (`sent`).
 *  - No failure names more of a URL than its host. Statuses are not judged here: a 500 is an answer.
 */
import type { Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream needs a `content-length` among the headers, and is read once. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the answer's headers after the request went out; from limits.ts when left out. */
  readonly headersTimeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; repeated headers are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Read it to its end, or `discard` it, or its connection stays taken. Iterating throws `BodyLost`. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body, when it has at most `mostBytes`. */
  read(mostBytes: number): Promise<Result<Uint8Array, NetFailure>>;
  discard(): void;
}

export type NetFailureKind =
  /** Nobody there: refused, no route, no such name, no proxy, no TLS, connect deadline. */
  | "unreachable"
  /** The connection ended before the answer did. */
  | "reset"
  /** Silence past a deadline. */
  | "timeout"
  /** The signal. */
  | "interrupted"
  /** Not HTTP, or a longer body than allowed. */
  | "malformed";

export interface NetFailure {
  readonly kind: NetFailureKind;
  /** The request may have reached the service. */
  readonly sent: boolean;
  readonly why: string;
}

export interface Http {
  send(request: HttpRequest): Promise<Result<HttpAnswer, NetFailure>>;
  /** Ends all connections; calls under way fail. */
  close(): Promise<void>;
}

/** Thrown by an answer's body that cannot go on. */
export class BodyLost extends Error {
  override readonly name = "BodyLost";
  readonly failure: NetFailure;
  constructor(failure: NetFailure) {
    super(failure.why);
    this.failure = failure;
  }
}

const FAULT_KINDS = {
  unreachable: "offline",
  reset: "offline",
  timeout: "timedOut",
  interrupted: "interrupted",
  malformed: "garbled",
} as const;

/** The failure in the product's words; `changing`: the request was to change something, so a lost answer is unclear. */
export function netFault(failure: NetFailure, changing: boolean): Fault {
  const more = changing && failure.sent ? { unclear: true } : {};
  return fault(FAULT_KINDS[failure.kind], failure.why, more).fault;
}
