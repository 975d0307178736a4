/** The table of statuses and codes, and Retry-After in all its forms. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, retryAfter } from "../../src/drive/refusal.ts";
import type { FaultKind } from "../../src/model/fault.ts";

const NOW = Date.UTC(2026, 0, 1);

function of(status: number, more: { code?: string; inner?: string; html?: boolean; changing?: boolean } = {}) {
  const { code, inner, html, changing = true } = more;
  const body = code
    ? { error: { code, message: "said", ...(inner ? { innerError: { code: inner } } : {}) } }
    : undefined;
  const headers: Record<string, string> = html ? { "content-type": "text/html" } : {};
  return refusal({ status, body, headers, changing, nowMs: NOW });
}

test("every status of the service has its fault", () => {
  const table: [number, string | undefined, FaultKind][] = [
    [400, "invalidRequest", "invalid"],
    [401, "InvalidAuthenticationToken", "signedOut"],
    [403, "accessDenied", "denied"],
    [404, "itemNotFound", "notFound"],
    [405, "notSupported", "notSupported"],
    [409, "nameAlreadyExists", "nameTaken"],
    [409, "resourceModified", "changed"],
    [410, "resyncChangesApplyDifferences", "resync"],
    [412, "resourceModified", "changed"],
    [412, "notAllowed", "changed"],
    [413, undefined, "tooLarge"],
    [416, "invalidRange", "rangeUnsatisfied"],
    [423, "accessDenied", "locked"],
    [429, "TooManyRequests", "throttled"],
    [500, "generalException", "unavailable"],
    [502, undefined, "unavailable"],
    [507, "quotaLimitReached", "noSpace"],
    [509, undefined, "throttled"],
    [302, undefined, "garbled"],
    [418, undefined, "invalid"],
  ];
  for (const [status, code, kind] of table)
    assert.equal(of(status, code ? { code } : {}).kind, kind, `${status} ${code}`);
});

test("codes inside say more than the status", () => {
  assert.equal(of(403, { code: "notAllowed", inner: "resourceLocked" }).kind, "locked");
  assert.equal(of(403, { code: "quotaLimitReached" }).kind, "noSpace");
  assert.equal(of(503, { code: "activityLimitReached" }).kind, "throttled");
});

test("a web page in between proves nothing against an operation", () => {
  for (const status of [400, 403, 413, 507]) {
    const why = of(status, { html: true });
    assert.deepEqual([why.kind, why.unclear], ["garbled", true], String(status));
  }
  assert.equal(of(404, { html: true }).kind, "notFound");
});

test("only answers that leave the outcome open are unclear, and only for calls that change something", () => {
  assert.equal(of(504).unclear, true);
  assert.equal(of(504, { changing: false }).unclear, undefined);
  for (const status of [400, 404, 409, 412, 423, 429, 507]) assert.equal(of(status, { code: "x" }).unclear, undefined);
});

test("Retry-After: seconds, fractions, dates, nonsense", () => {
  assert.equal(retryAfter({ "retry-after": "2.128" }, NOW), 2128);
  assert.equal(retryAfter({ "retry-after": "120" }, NOW), 120_000);
  assert.equal(retryAfter({ "retry-after": new Date(NOW + 5_000).toUTCString() }, NOW), 5_000);
  assert.equal(retryAfter({ "retry-after": new Date(NOW - 5_000).toUTCString() }, NOW), 0);
  assert.equal(retryAfter({ "retry-after": "later" }, NOW), undefined);
  assert.equal(retryAfter({}, NOW), undefined);
});

test("a message that quotes a secret address is quoted without it", () => {
  const body = { error: { code: "x", message: "failed: https://h/up?tempauth=s3cret and Bearer abc.def" } };
  const { why } = refusal({ status: 400, body, headers: {}, changing: true, nowMs: NOW });
  assert.ok(!why.includes("s3cret") && !why.includes("abc.def"), why);
});
