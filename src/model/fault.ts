/**
 * Expected failures, one closed union for the whole product. `why` is a sentence for a person (never a token or a URL with a
 * secret). host/errno.ts turns a kind into an errno; nobody else does.
 */
import { failed, type Failed } from "../base/result.ts";

export type FaultKind =
  // the tree
  | "notFound"
  | "exists"
  | "notEmpty"
  | "isFolder"
  | "notFolder"
  | "invalid"
  | "nameTooLong"
  | "crossDrive"
  | "busy"
  | "stale"
  | "badHandle"
  // permission and room
  | "notPermitted"
  | "denied"
  | "readOnly"
  | "noSpace"
  | "tooLarge"
  | "notSupported"
  // attributes
  | "noAttribute"
  | "tooSmall"
  // network and device
  | "offline"
  | "timedOut"
  | "interrupted"
  | "wouldBlock"
  | "io"
  | "signedOut"
  // answers of the service that the callers of drive tell apart
  | "changed"
  | "nameTaken"
  | "locked"
  | "throttled"
  | "unavailable"
  | "resync"
  | "expired"
  | "rangeUnsatisfied"
  | "garbled";

export interface Fault {
  readonly kind: FaultKind;
  readonly why: string;
  /** For `throttled` and `locked`: how long the service asks to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** True when the request may have been carried out although no clear answer came. */
  readonly unclear?: boolean;
  /** HTTP status, when there was one. */
  readonly status?: number;
}

/** Shorthand: a failed Result. */
export function fault(kind: FaultKind, why: string, more: Omit<Fault, "kind" | "why"> = {}): Failed<Fault> {
  return failed({ kind, why, ...more });
}
