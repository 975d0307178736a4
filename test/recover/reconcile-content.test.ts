/** After a power cut: what the log says of bytes that are not all there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sendAsItIs, standingOf } from "../../src/flusher/op-states.ts";
import { blobId, itemKey, ROOT } from "../../src/model/ids.ts";
import { decodeRecord } from "../../src/op/codec.ts";
import { append } from "../../src/oplog/oplog.ts";
import { reconcileContent } from "../../src/recover/reconcile-content.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import type { Writer } from "../../src/store/store.ts";
import { changeTrees, viewLocal } from "../../src/store/tree.ts";

const [node, blob] = [itemKey(2), blobId(1)];

/** A file written here, then given a time and another name, as tar and rsync do. */
function written() {
  const store = memoryStore();
  store.transact((tx) => {
    const content = { from: "blob", blob, size: 1000 } as const;
    changeTrees(tx, new Map([[node, { local: { kind: "file", parent: ROOT, name: "f", mtime: 1, content } }]]));
    tx.blobs.put(blob, { node, size: 0, state: "open" });
    append(tx, { type: "createFile", node, parent: ROOT, name: "t" }, 0);
    append(tx, { type: "writeContent", node, blob }, 1);
    append(tx, { type: "setMetadata", node, mtime: 1 }, 2);
    append(tx, { type: "move", node, parent: ROOT, name: "f", fromParent: ROOT, fromName: "t" }, 3);
    tx.meta.put("restored", true);
  });
  return store;
}

function otherBytes(tx: Writer): void {
  const content = { from: "blob", blob: blobId(2), size: 1 } as const;
  changeTrees(tx, new Map([[node, { local: { kind: "file", parent: ROOT, name: "f", mtime: 1, content } }]]));
  append(tx, { type: "writeContent", node, blob: blobId(2) }, 12);
}

test("bytes that a power cut took are not pushed, whatever was done to the file after they were written", () => {
  for (const recovered of [
    { open: [{ blob, node, length: 400 }], missing: [] },
    { open: [], missing: [blob] },
  ]) {
    const store = written();
    reconcileContent(store, recovered, { powerCut: true, now: 9 });
    assert.equal(standingOf(store.read, node).state, "parked");
    assert.equal(store.read.meta.get("restored"), undefined);
    const damaged = store.read.blobs.get(blob)?.damaged;
    if (recovered.open.length > 0) assert.match(damaged ?? "", /left 400 of its 1000/, "said wherever the bytes go");
    const move = { type: "move", node, parent: ROOT, fromParent: ROOT, fromName: "f" } as const;
    store.transact((tx) => {
      append(tx, { type: "setMetadata", node, mtime: 2 }, 10);
      append(tx, { ...move, name: "g" }, 11);
    });
    for (const [, record] of store.read.ops.range()) assert.ok(decodeRecord(record).ok);
    assert.equal(standingOf(store.read, node).state, "parked", "a touch and a mv bring no bytes back");
    if (recovered.open.length > 0) store.transact((tx) => sendAsItIs(tx, node));
    else store.transact((tx) => otherBytes(tx));
    assert.equal(store.read.blobs.get(blob)?.damaged, undefined);
    assert.equal(standingOf(store.read, node).state, "pending", "a person's word and other bytes let it go");
  }
});

test("bytes written after the last record are no loss", () => {
  const store = written();
  reconcileContent(store, { open: [{ blob, node, length: 1200 }], missing: [] }, { powerCut: true, now: 9 });
  assert.equal(standingOf(store.read, node).state, "pending");
  assert.equal(viewLocal(store.read, node)?.size, 1200);
});
