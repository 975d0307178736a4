/**
 * One HTTP exchange without sockets. `Head` is what came, `Answer` what goes back; JSON stays a value until it is sent, so
 * that faults can alter it. A `Plan` is a route that has read the head: it says what body it takes, and `run` does the work
 * at once, in one step, when the body is there.
 */
import type { Content, Inflow } from "./content.ts";

export interface Head {
  readonly method: string;
  /** Path and query exactly as received. */
  readonly target: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Came inside a `$batch`. */
  readonly batched?: true;
}

export type Body =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "text"; readonly text: string; readonly type: string }
  | {
      readonly kind: "content";
      readonly content: Content;
      readonly from: number;
      readonly to: number;
      readonly type: string;
    };

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
}

export type RouteGroup = "graph" | "login" | "upload" | "download" | "monitor" | "admin";

export interface Plan {
  /** What is asked, for faults and the log, such as `item.get`, `delta`, `session.put`. */
  readonly route: string;
  readonly group: RouteGroup;
  /** `content` streams into `inflow`; `bytes` is collected. */
  readonly takes: "nothing" | "bytes" | "content";
  readonly inflow?: Inflow;
  /** Throttling units. */
  readonly units?: number;
  /** The item addressed, or the place it would have. */
  subject?(bytes: Uint8Array): Subject;
  run(bytes: Uint8Array, hits: Hits): Answer;
  /** Told which faults struck before the body comes. */
  begin?(hits: Hits): void;
  /** The body never came to its end. */
  abandon?(): void;
}

/** The faults that struck this request, by kind; routes look up the kinds that change what they do. */
export type Hits = ReadonlyMap<string, FaultSpec>;

/** A fault as it was asked for. Numbers not given are undefined; each kind says what it reads. */
export interface FaultSpec {
  readonly kind: string;
  readonly route?: string | undefined;
  readonly item?: string | undefined;
  readonly count?: number | undefined;
  readonly probability?: number | undefined;
  readonly seed?: number | undefined;
  readonly status?: number | undefined;
  readonly retryAfter?: number | undefined;
  readonly code?: string | undefined;
  readonly when?: "before" | "after" | undefined;
  readonly body?: "json" | "html" | "empty" | undefined;
  readonly direction?: "up" | "down" | undefined;
  readonly by?: "id" | "path" | "parent" | "session" | undefined;
  readonly seconds?: number | undefined;
  readonly bytes?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  readonly fields?: readonly string[] | undefined;
}

export interface Subject {
  readonly id?: string | undefined;
  readonly path?: string | undefined;
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: { kind: "json", value } };
}

export function empty(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: { kind: "none" } };
}

export function text(status: number, type: string, value: string): Answer {
  return { status, headers: {}, body: { kind: "text", text: value, type } };
}

/** A request as faults see it. */
export interface Struck {
  readonly plan: Pick<Plan, "route" | "group">;
  readonly method: string;
  readonly target: string;
  subject(): Subject;
}
