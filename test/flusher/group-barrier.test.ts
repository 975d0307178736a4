/** All who ask while a barrier runs share the next one, and nobody is answered by a barrier that began before they asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { groupBarrier } from "../../src/flusher/group-barrier.ts";

test("group barrier: one for the first, one more for all who came meanwhile", async () => {
  const begun: (() => void)[] = [];
  const durable = groupBarrier(() => new Promise((resolve) => begun.push(resolve)));
  const first = durable();
  await Promise.resolve();
  assert.equal(begun.length, 1);
  let answered = 0;
  const others = [1, 2, 3].map(() => durable().then(() => answered++));
  begun[0]!();
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(begun.length, 2);
  assert.equal(answered, 0);
  begun[1]!();
  await Promise.all(others);
  assert.equal(begun.length, 2);
});

test("group barrier: a failing barrier fails those who waited for it and nobody else", async () => {
  let calls = 0;
  const durable = groupBarrier(async () => {
    if (++calls === 1) throw new Error("full");
  });
  await assert.rejects(durable(), /full/);
  await durable();
  assert.equal(calls, 2);
});
