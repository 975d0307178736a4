/** Memory that is used again belongs to one at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { giveBack, lend } from "../../src/base/lent.ts";

test("lent bytes are nobody else's until they are given back, and are given back once", () => {
  const first = lend(100_000);
  assert.equal(first.length, 100_000);
  assert.notEqual(lend(100_000).buffer, first.buffer);
  giveBack(first.subarray(0, 10));
  giveBack(first);
  const next = [lend(131_072), lend(16_384)];
  assert.equal(next.filter((bytes) => bytes.buffer === first.buffer).length, 1);
  assert.deepEqual(
    next.map(({ length }) => length),
    [131_072, 16_384],
  );
});

test("what was not lent is left alone", () => {
  const own = new Uint8Array(131_072);
  giveBack(own);
  for (let i = 0; i < 40; i++) assert.notEqual(lend(131_072).buffer, own.buffer);
  for (const length of [1, 1_000_000]) {
    const bytes = lend(length);
    assert.equal(bytes.length, length);
    giveBack(bytes);
    assert.notEqual(lend(length).buffer, bytes.buffer);
  }
});
