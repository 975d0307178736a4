/** Tables that follow from others are made anew from them, whatever is wrong with them, and nothing else changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { blobId, itemId, itemKey, ROOT, type ItemKey } from "../../src/model/ids.ts";
import { fold } from "../../src/model/name.ts";
import { append } from "../../src/oplog/oplog.ts";
import { checkStore } from "../../src/store/check.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import { repairIndexes } from "../../src/store/repair.ts";
import { changeTrees, newNode } from "../../src/store/tree.ts";

function filled(): MemoryStore {
  const store = memoryStore();
  const mirror = (id: string, parent: ItemKey, name: string, kind: "file" | "folder") =>
    ({ id: itemId(id), parent, name, kind, size: 0, mtime: 1, birth: 1 }) as const;
  store.transact((tx) => {
    tx.meta.put("schema", 1);
    changeTrees(tx, new Map([[ROOT, { mirror: mirror("root", ROOT, "", "folder") }]]));
    for (let i = 0; i < 20; i++) {
      const node = newNode(tx);
      const parent = i < 5 ? ROOT : itemKey(2 + (i % 5));
      changeTrees(tx, new Map([[node, { mirror: mirror(`id ${i}`, parent, `name ${i}`, i < 5 ? "folder" : "file") }]]));
    }
    for (const node of [9, 10, 11].map(itemKey)) {
      const blob = blobId(node);
      const content = { from: "blob", blob, size: 1 } as const;
      changeTrees(
        tx,
        new Map([[node, { local: { kind: "file", parent: ROOT, name: `moved ${node}`, mtime: 2, content } }]]),
      );
      tx.blobs.put(blob, { node, size: 0, state: "open" });
      append(tx, { type: "writeContent", node, blob }, 1);
    }
    changeTrees(tx, new Map([[itemKey(12), { local: null }]]));
    append(tx, { type: "deleteFile", node: itemKey(12) }, 1);
    tx.meta.put("nextBlob", 100);
  });
  return store;
}

const derived = ["ids", "mirrorSlots", "localSlots", "nodeOps"] as const;
const rows = (store: MemoryStore): string =>
  JSON.stringify(derived.map((table) => [...(store.read[table].range() as Iterable<unknown>)]));

test("store/repair: a sound store is left alone", () => {
  const store = filled();
  assert.deepEqual(checkStore(store.read), []);
  assert.equal(store.transact(repairIndexes).repaired, 0);
});

test("store/repair: rows that were removed, added or changed at random are as they were", () => {
  const sound = rows(filled());
  for (let seed = 0; seed < 100; seed++) {
    const random = seededRandom(`repair ${seed}`);
    const store = filled();
    store.transact((tx) => {
      for (let n = 0; n <= random.below(6); n++) {
        const table = tx[random.pick(derived)] as {
          range(): Iterable<readonly [never, never]>;
          remove(key: never): void;
        };
        const [key] = random.pick([...table.range()]);
        if (random.below(2) === 0) table.remove(key);
        else tx.localSlots.put([itemKey(1 + random.below(20)), fold(`name ${random.below(30)}`)], itemKey(3));
      }
      if (random.below(3) === 0) tx.meta.remove("nextNode");
      tx.mirrorSlots.put([ROOT, fold("nobody")], itemKey(7));
    });
    assert.ok(checkStore(store.read).length > 0);
    assert.ok(store.transact(repairIndexes).repaired > 0);
    assert.equal(rows(store), sound, `seed ${seed}`);
    assert.deepEqual(checkStore(store.read), [], `seed ${seed}`);
  }
});
