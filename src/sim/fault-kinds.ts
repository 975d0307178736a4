/**
 * The kinds of fault, as data: which requests each can strike, and other names it answers to. What a kind does stands where
 * it does it: the kinds of `transport` and `answer` in faults.ts, those of `delta` in fault-delta.ts, those of `route` in the
 * route that looks them up.
 */
import type { FaultSpec } from "./exchange.ts";
import { badRequest } from "./refusal.ts";
import { isJson, textField } from "./ask.ts";

export interface KindInfo {
  readonly acts: "transport" | "answer" | "delta" | "route" | "state";
  /** Route names it can strike; absent: all but sign-in, unless `route` names that. */
  readonly routes?: readonly string[];
}

const DELTA = ["delta"] as const;
const CONTENT_WRITES = ["content.put", "session.put", "session.commit"] as const;
const WRITES = [
  ...CONTENT_WRITES,
  "item.patch",
  "item.delete",
  "children.create",
  "item.put",
  "session.create",
] as const;
const LISTS = ["delta", "children", "item.get"] as const;

export const kinds: Readonly<Record<string, KindInfo>> = {
  /** An error status: {status, retryAfter?, code?, when: before|after, body: json|html|empty}. */
  status: { acts: "answer" },
  /** The connection is destroyed instead of an answer: {when: before|after} the work was done. */
  lost: { acts: "transport" },
  /** Headers come late: {seconds}. */
  stall: { acts: "transport" },
  /** The body breaks off: {direction: down|up, bytes}. */
  cut: { acts: "transport" },
  /** The body crawls: {direction: down|up, bytesPerSecond}. */
  slow: { acts: "transport" },
  /** Success without a body. */
  empty: { acts: "answer" },
  /** A 404 for what is there: {by: id|path|parent|session}. */
  "not-found": { acts: "answer" },
  /** 401 for a good token. */
  "token-expired": { acts: "answer" },
  /** 401 for a good upload or download link: {status?}. */
  "url-expired": { acts: "answer", routes: ["download", "session.put", "session.get", "session.commit"] },
  /** 412 though the tag is right. */
  precondition: { acts: "answer", routes: WRITES },
  /** 409 resourceModified on an item younger than {seconds: 1}. */
  "young-item": { acts: "answer", routes: WRITES },
  /** 423 from the first strike on, for {seconds}; then never again. */
  locked: { acts: "answer", routes: WRITES },
  /** Writes are refused as in a share that may only be read: 403, simple PUT 404. */
  "read-only": { acts: "answer", routes: [...WRITES, "copy", "restore"] },
  /** 507 for content, at any fragment. */
  quota: { acts: "route", routes: CONTENT_WRITES },
  /** The service keeps only {bytes} of a fragment and says so. */
  "mid-fragment": { acts: "route", routes: ["session.put"] },
  "short-page": { acts: "route", routes: ["children"] },
  "copy-fail": { acts: "route", routes: ["copy"] },
  "copy-slow": { acts: "route", routes: ["copy"] },
  "copy-early": { acts: "route", routes: ["copy"] },
  /** The eTag moves by itself {seconds} after an upload. */
  "etag-bump": { acts: "state", routes: CONTENT_WRITES },
  /** The service rewrites the content {seconds} after an upload. */
  rewrite: { acts: "state", routes: CONTENT_WRITES },
  /** Changes of the last {seconds} are not told yet. */
  "delta-lag": { acts: "route", routes: DELTA },
  /** 410: {code}. */
  resync: { acts: "route", routes: DELTA },
  /** 410, but only when following a next link. */
  "resync-mid-paging": { acts: "route", routes: DELTA },
  "delta-duplicate": { acts: "delta", routes: DELTA },
  "delta-shuffle": { acts: "delta", routes: DELTA },
  "delta-stale": { acts: "delta", routes: DELTA },
  "delta-child-first": { acts: "delta", routes: DELTA },
  "delta-create-first": { acts: "delta", routes: DELTA },
  "delta-unknown-parent": { acts: "delta", routes: DELTA },
  "lost-tombstone": { acts: "delta", routes: DELTA },
  /** Names come percent-encoded. */
  "encoded-name": { acts: "delta", routes: LISTS },
  /** {fields}: left out of items. */
  "missing-field": { acts: "delta", routes: LISTS },
  /** Drive ids lose leading zeros and change case. */
  "drive-id": { acts: "delta", routes: LISTS },
  /** The Date header is {seconds} off. */
  "clock-skew": { acts: "answer" },
};

/** Other names people give to kinds. */
const aliases: Readonly<Record<string, Partial<FaultSpec> & { kind: string }>> = {
  throttle: { kind: "status", status: 429 },
  drop: { kind: "lost" },
  reset: { kind: "lost" },
  "lost-answer": { kind: "lost", when: "after" },
  "stall-headers": { kind: "stall" },
  "stalled-headers": { kind: "stall" },
  "cut-body": { kind: "cut" },
  "cut-down": { kind: "cut", direction: "down" },
  "cut-up": { kind: "cut", direction: "up" },
  "slow-body": { kind: "slow" },
  "slow-down": { kind: "slow", direction: "down" },
  "slow-up": { kind: "slow", direction: "up" },
  "empty-body": { kind: "empty" },
  "not-found-by-id": { kind: "not-found", by: "id" },
  "not-found-by-path": { kind: "not-found", by: "path" },
  "not-found-parent": { kind: "not-found", by: "parent" },
  "not-found-session": { kind: "not-found", by: "session" },
  "transient-404": { kind: "not-found" },
  "session-gone": { kind: "not-found", by: "session" },
  "token-expiry": { kind: "token-expired" },
  "url-expiry": { kind: "url-expired" },
  "silent-success": { kind: "lost", when: "after", route: "session.put" },
  "spurious-412": { kind: "precondition" },
  lock: { kind: "locked" },
  "quota-exceeded": { kind: "quota" },
  "content-rewrite": { kind: "rewrite" },
  "delta-duplicates": { kind: "delta-duplicate" },
  gone: { kind: "resync" },
  disconnect: { kind: "lost" },
  "session-expired": { kind: "not-found", by: "session" },
  "upload-url-expired": { kind: "url-expired", route: "upload" },
  "download-url-expired": { kind: "url-expired", route: "download" },
};

/** Reads a fault as posted; unknown kinds and fields of a wrong form are refused. */
export function readFault(body: unknown): FaultSpec {
  if (!isJson(body)) throw badRequest("invalidRequest", "A fault is a JSON object.");
  const asked = typeof body["kind"] === "number" ? String(body["kind"]) : (textField(body, "kind") ?? "");
  const { kind, ...more } = canonical(asked);
  for (const name of [
    "count",
    "probability",
    "seed",
    "status",
    "retryAfter",
    "seconds",
    "bytes",
    "bytesPerSecond",
    "ms",
  ]) {
    if (body[name] !== undefined && typeof body[name] !== "number")
      throw badRequest("invalidRequest", `${name} must be a number.`);
  }
  for (const name of Object.keys(body))
    if (!FIELDS.includes(name)) throw badRequest("invalidRequest", `A fault has no field ${name}.`);
  const seconds = typeof body["ms"] === "number" ? { seconds: body["ms"] / 1000 } : {};
  return { ...more, ...seconds, ...(body as Partial<FaultSpec>), kind };
}

const FIELDS: readonly string[] = (
  "route item kind count probability seed status retryAfter code when body " +
  "direction by seconds ms bytes bytesPerSecond fields"
).split(" ");

/** The kind as we name it. A status may stand for its kind, and `-before` or `-after` (`-commit`) may be part of the name. */
function canonical(asked: string): Partial<FaultSpec> & { kind: string } {
  const plain = asked
    .replace(/([a-z])([A-Z])/g, "$1-$2")
    .replace(/[ _]/g, "-")
    .toLowerCase();
  const [, base = plain, when] = /^(.+?)-(before|after)(?:-commit)?$/.exec(plain) ?? [];
  const known = /^[1-5]\d\d$/.test(base)
    ? { kind: "status", status: Number(base) }
    : kinds[base]
      ? { kind: base }
      : aliases[base];
  if (!known)
    throw badRequest("invalidRequest", `Unknown fault kind ${asked}; there are: ${Object.keys(kinds).join(", ")}.`);
  return when === undefined ? known : { ...known, when: when as "before" | "after" };
}
