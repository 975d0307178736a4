/** A step is looked at once more when its turn comes: a plan may be older than what a person said since. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { begin } from "../../src/flusher/begin.ts";
import type { Pushing } from "../../src/flusher/pushing.ts";
import { itemId, ROOT } from "../../src/model/ids.ts";
import { append } from "../../src/oplog/oplog.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { changeTrees, newNode } from "../../src/store/tree.ts";

test("begin: what is to stay on this machine since the plan was made is not sent", () => {
  const store = memoryStore();
  const pushing = { store, clock: manualClock() } as unknown as Pushing;
  const root = { id: itemId("root"), parent: ROOT, name: "", kind: "folder", size: 0, mtime: 0, birth: 0 } as const;
  const folder = store.transact((tx) => {
    const node = newNode(tx);
    const row = { kind: "folder", parent: ROOT, name: "d", mtime: 0, content: { from: "cloud" } } as const;
    changeTrees(tx, new Map([[ROOT, { mirror: root }]]));
    changeTrees(tx, new Map([[node, { local: row }]]));
    append(tx, { type: "createFolder", node, parent: ROOT, name: "d" }, 1);
    return node;
  });
  const step = { action: "createFolder", node: folder, parent: ROOT, name: "d", needs: [] } as const;
  store.transact((tx) => tx.facts.put(folder, { localOnly: true }));
  assert.equal(begin(pushing, step, undefined), undefined);
  assert.equal(store.read.intents.count, 0);
  store.transact((tx) => tx.facts.remove(folder));
  assert.equal(begin(pushing, step, undefined)?.request.action, "createFolder");
  assert.equal(store.read.intents.count, 1);
});
