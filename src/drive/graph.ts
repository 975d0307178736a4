/**
 * The contract of asking Graph: one call in, one whole answer or a fault out. What stands between (retry, throttle gate,
 * authorization, log) is a chain of `Wrap`s; each wraps the next and knows nothing of the others.
 */
import type { Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";
import type { Body } from "./drive.ts";

export interface GraphAsk {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the version, its segments encoded; or `link`, an address of the service's own making, sent exactly as it is. */
  readonly path?: string;
  readonly link?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Content instead of JSON. */
  readonly content?: Body;
  readonly signal?: AbortSignal | undefined;
}

/** A call on its way through the chain. */
export interface GraphCall {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string | undefined;
  readonly content: Body | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface GraphReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body; undefined when it is empty or not JSON. */
  readonly body: unknown;
  /** The body had bytes that are not JSON. */
  readonly garbled: boolean;
}

export type Handler = (call: GraphCall) => Promise<Result<GraphReply, Fault>>;
export type Wrap = (next: Handler) => Handler;

export interface Graph {
  /** Any status is a reply; a fault means there was none. Its `unclear` says the request may have been carried out. */
  ask(ask: GraphAsk): Promise<Result<GraphReply, Fault>>;
}

/** Where bearer tokens come from. `rejected` is a token the service did not take: another one is wanted. */
export interface Tokens {
  token(options: {
    readonly signal?: AbortSignal | undefined;
    readonly rejected?: string;
  }): Promise<Result<string, Fault>>;
}

export function isSafe(method: string): boolean {
  return method === "GET";
}
