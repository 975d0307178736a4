/** The kernel gives back every node exactly as often as it was given it, in one go or in parts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeTable } from "../../../src/host/kernel/node-table.ts";
import { itemKey, ROOT } from "../../../src/model/ids.ts";

test("kernel nodes: known from the first look-up to the last forget, whatever the order", () => {
  const nodes = nodeTable();
  const node = itemKey(7);
  assert.equal(nodes.knows(node), false);
  for (let i = 0; i < 5; i++) nodes.add(node);
  assert.equal(nodes.forget(7, 3), false);
  nodes.add(node);
  assert.deepEqual([nodes.times(node), nodes.knows(node)], [3, true]);
  assert.equal(nodes.forget(7, 3), true);
  assert.deepEqual([nodes.times(node), nodes.knows(node), nodes.count], [0, false, 0]);
});

test("kernel nodes: too many forgets, and forgets of what was never given, leave nothing behind", () => {
  const nodes = nodeTable();
  nodes.add(itemKey(7));
  assert.equal(nodes.forget(7, 2 ** 60), true);
  assert.equal(nodes.forget(2 ** 60, 1), true);
  assert.equal(nodes.count, 0);
});

test("kernel nodes: the root is always known", () => {
  const nodes = nodeTable();
  nodes.forget(ROOT, 1);
  assert.equal(nodes.knows(ROOT), true);
});

test("kernel nodes: a million look-ups and forgets leave an empty table", () => {
  const nodes = nodeTable();
  for (let i = 1; i <= 1_000_000; i++) nodes.add(itemKey((i % 10_000) + 1));
  for (let node = 1; node <= 10_001; node++) nodes.forget(node, 100);
  assert.equal(nodes.count, 0);
});
