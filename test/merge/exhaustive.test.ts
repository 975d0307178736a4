/** Small scope, exhaustive: every pair of histories of one act a side; of two acts a side, every n-th pair. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkMerge, counts } from "../world/check-merge.ts";
import { reachable, type State } from "../world/histories.ts";
import { file, folder, show, treeOf, type PlainTree } from "../world/plain-tree.ts";

const BASES: Readonly<Record<string, PlainTree>> = {
  "side by side": treeOf({ 2: folder(1, "a"), 3: folder(1, "b"), 4: file(2, "f", "h4"), 5: file(1, "g", "h5") }),
  "one in another": treeOf({ 2: folder(1, "a"), 3: folder(2, "b"), 4: file(3, "f", "h4"), 5: file(1, "g", "h5") }),
};
const NAMES = ["a", "f", "G"];

function check(base: PlainTree, local: State, cloud: State, count = counts()): void {
  const it = { base, local: local.tree, remote: cloud.tree, movedAt: local.movedAt };
  const wrong = checkMerge(it, count);
  if (wrong === undefined) return;
  assert.fail(`${wrong}\n  base  ${show(base)}\n  local ${local.acts.join("; ")}\n  cloud ${cloud.acts.join("; ")}`);
}

for (const [name, base] of Object.entries(BASES))
  test(`every pair of one act a side keeps merge S1, merge S2, merge S3, merge S4, merge S5, merge A2, merge A4: ${name}`, (context) => {
    const count = counts();
    const locals = reachable(base, { side: "local", names: NAMES }, 1);
    const clouds = reachable(base, { side: "cloud", names: NAMES }, 1);
    for (const local of locals) for (const cloud of clouds) check(base, local, cloud, count);
    context.diagnostic(JSON.stringify(count));
    assert.ok(count.merges > 2_000);
  });

/** MERGE_SHARD=i/n takes every n-th pair from the i-th on; the default is a shard of a few seconds. */
const [shard, shards] = (process.env["MERGE_SHARD"] ?? "3/1999").split("/").map(Number) as [number, number];

for (const [name, base] of Object.entries(BASES))
  test(`pairs of up to two acts a side, ${name}, shard ${shard} of ${shards}`, (context) => {
    const count = counts();
    const locals = reachable(base, { side: "local", names: NAMES }, 2);
    const clouds = reachable(base, { side: "cloud", names: NAMES }, 2);
    for (let pair = shard; pair < locals.length * clouds.length; pair += shards) {
      const [local, cloud] = [locals[pair % locals.length], clouds[Math.floor(pair / locals.length)]];
      if (local && cloud) check(base, local, cloud, count);
    }
    context.diagnostic(JSON.stringify({ ...count, pairs: locals.length * clouds.length }));
  });
