/** Every invariant of SPEC.md is broken by hand, one at a time, and found under its number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blobId, folded, itemId, itemKey, opId, ROOT } from "../../src/model/ids.ts";
import type { LocalItem, MirrorItem } from "../../src/model/item.ts";
import type { OpRecord } from "../../src/op/op.ts";
import { append } from "../../src/oplog/oplog.ts";
import { checkSlices, checkStore } from "../../src/store/check.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import type { Writer } from "../../src/store/store.ts";
import { changeTrees } from "../../src/store/tree.ts";

const [folder, file, born] = [itemKey(2), itemKey(3), itemKey(4)];
const slot = (parent: number, name: string) => [itemKey(parent), folded(name)] as const;
const mirrorOf = (id: string, name: string, kind: "file" | "folder", parent = ROOT): MirrorItem => ({
  id: itemId(id),
  parent,
  name,
  kind,
  size: 1,
  mtime: 5,
  birth: 0,
});
const bornRow: LocalItem = {
  kind: "file",
  parent: folder,
  name: "born",
  mtime: 1,
  content: { from: "blob", blob: blobId(1), size: 3 },
};

function sound(): MemoryStore {
  const store = memoryStore();
  store.transact((tx) => {
    tx.meta.put("nextNode", 50);
    tx.meta.put("nextBlob", 5);
    tx.blobs.put(blobId(1), { node: born, size: 0, state: "open" });
    changeTrees(
      tx,
      new Map([
        [ROOT, { mirror: mirrorOf("root", "root", "folder") }],
        [folder, { mirror: mirrorOf("d", "d", "folder") }],
        [file, { mirror: mirrorOf("f", "f", "file", folder) }],
        [born, { local: bornRow }],
      ]),
    );
    append(tx, { type: "createFile", node: born, parent: folder, name: "born" }, 1);
  });
  assert.deepEqual(checkStore(store.read), []);
  return store;
}

const breaks: readonly (readonly [invariant: string, how: string, act: (tx: Writer) => void])[] = [
  ["T1", "an id row is missing", (tx) => tx.ids.remove(itemId("f"))],
  ["T1", "an id row too many", (tx) => tx.ids.put(itemId("x"), file)],
  ["T2", "a Mirror slot is missing", (tx) => tx.mirrorSlots.remove(slot(2, "f"))],
  ["T2", "a Mirror slot too many", (tx) => tx.mirrorSlots.put(slot(2, "g"), file)],
  ["T3", "a Local slot is missing", (tx) => tx.localSlots.remove(slot(2, "born"))],
  ["T3", "a Local slot too many", (tx) => tx.localSlots.put(slot(1, "ghost"), born)],
  ["T3", "a Local slot repeats the Mirror", (tx) => tx.localSlots.put(slot(2, "f"), file)],
  ["T3", "a slot is emptied whose occupant is there", (tx) => tx.localSlots.put(slot(2, "f"), 0)],
  ["T3", "a slot is emptied for nothing", (tx) => tx.localSlots.put(slot(1, "nobody"), 0)],
  [
    "T4",
    "a Local row says nothing new",
    (tx) => tx.local.put(file, { ...bornRow, name: "f", mtime: 5, content: { from: "cloud" } }),
  ],
  ["T4", "a gone row of an unknown node", (tx) => tx.local.put(itemKey(9), { gone: true })],
  ["T5", "kinds differ", (tx) => tx.local.put(folder, { ...bornRow, parent: ROOT, name: "d" })],
  ["T6", "the folder is not there", (tx) => changeTrees(tx, new Map([[folder, { local: null }]]))],
  ["T6", "a cycle", (tx) => changeTrees(tx, new Map([[folder, { mirror: mirrorOf("d", "d", "folder", folder) }]]))],
  ["T7", "the blob has no row", (tx) => tx.blobs.remove(blobId(1))],
  ["T7", "bytes of an item that is not there", (tx) => tx.local.put(born, { ...bornRow, content: { from: "cloud" } })],
  ["T8", "a node number from the future", (tx) => tx.meta.put("nextNode", 3)],
  ["T8", "a blob number from the future", (tx) => tx.meta.put("nextBlob", 1)],
  ["L1", "a record is not in the index", (tx) => tx.nodeOps.remove([born, 1])],
  ["L1", "the index names no record", (tx) => tx.nodeOps.put([file, 1], true)],
  ["L2", "a record number from the future", (tx) => tx.meta.put("nextOp", 1)],
  ["L3", "a record that does not parse", (tx) => tx.ops.put(opId(1), { seq: 1 } as unknown as OpRecord)],
];

for (const [invariant, how, act] of breaks)
  test(`${invariant} is found: ${how}`, () => {
    const store = sound();
    store.transact(act);
    const found = checkStore(store.read).map((problem) => problem.invariant);
    assert.ok(found.includes(invariant), `${invariant} in ${found.join(" ")}`);
  });

test("a large store is checked in steps that hold nothing while it changes", () => {
  const store = sound();
  store.transact((tx) => {
    tx.meta.put("nextNode", 10_000);
    for (let n = 100; n < 2_600; n++)
      changeTrees(tx, new Map([[itemKey(n), { mirror: mirrorOf(`id${n}`, `name ${n}`, "file", folder) }]]));
  });
  let steps = 0;
  for (const problems of checkSlices(store.read)) {
    assert.deepEqual(problems, []);
    steps++;
    const leaving = itemKey(100 + steps * 37);
    store.transact((tx) => changeTrees(tx, new Map([[leaving, { mirror: null }]])));
  }
  assert.ok(steps > 12);
});
