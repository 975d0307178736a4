/**
 * Statuses and error codes of the service as faults: one table, used for Graph, upload and download hosts alike. It says what the
 * service answered; what to do about it is its callers' business.
 */
import { redact } from "../base/log.ts";
import { fault, type Fault, type FaultKind } from "../model/fault.ts";
import { parseError, type WireError } from "./wire.ts";

export interface Refused {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The body, already parsed; undefined when it is not JSON. */
  readonly body: unknown;
  readonly changing: boolean;
  readonly nowMs: number;
}

/** The fault of an answer that is not a success. */
export function refusal(refused: Refused): Fault {
  const error = parseError(refused.body);
  const kind = kindOf(refused, error);
  const retryAfterMs = retryAfter(refused.headers, refused.nowMs);
  return fault(kind, whyOf(refused.status, error), {
    status: refused.status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(refused.changing && (UNCLEAR.has(kind) || refused.status === 503) ? { unclear: true } : {}),
  }).fault;
}

/** How long the service asks to wait: seconds (also fractions) or a date. */
export function retryAfter(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const value = headers["retry-after"]?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Math.ceil(Number(value) * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

const BY_STATUS: Readonly<Record<number, FaultKind>> = {
  400: "invalid",
  401: "signedOut",
  403: "denied",
  404: "notFound",
  405: "notSupported",
  408: "unavailable",
  409: "nameTaken",
  410: "resync",
  411: "tooLarge",
  412: "changed",
  413: "tooLarge",
  416: "rangeUnsatisfied",
  423: "locked",
  424: "unavailable",
  429: "throttled",
  501: "notSupported",
  507: "noSpace",
  509: "throttled",
};

/** Statuses whose meaning an intermediary would change for the worse: without the service's own error body they prove nothing. */
const NEEDS_PROOF: readonly number[] = [400, 403, 405, 413, 501, 507];
const UNCLEAR: ReadonlySet<FaultKind> = new Set<FaultKind>(["unavailable", "garbled", "timedOut", "offline"]);

function kindOf(refused: Refused, error: WireError | undefined): FaultKind {
  const { status } = refused;
  const codes = error?.codes ?? [];
  if (codes.includes("quotaLimitReached") || codes.includes("insufficientStorage")) return "noSpace";
  if (codes.includes("resourceLocked") || codes.includes("locked")) return "locked";
  if (codes.includes("activityLimitReached")) return "throttled";
  if (status === 409 && codes.includes("resourceModified") && !codes.includes("nameAlreadyExists")) return "changed";
  if (!error && NEEDS_PROOF.includes(status) && isPage(refused.headers)) return "garbled";
  const known = BY_STATUS[status];
  if (known) return known;
  if (status >= 500) return "unavailable";
  return status >= 400 ? "invalid" : "garbled";
}

function isPage(headers: Readonly<Record<string, string>>): boolean {
  return (headers["content-type"] ?? "").includes("html");
}

function whyOf(status: number, error: WireError | undefined): string {
  if (!error) return `the service answered ${status}`;
  const codes = error.codes.join("/") || "no code";
  return `the service answered ${status} ${codes}: ${redact(error.message.slice(0, 200))}`;
}
