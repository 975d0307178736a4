/** The log of operations: order, coalescing, acknowledging, states. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { blobId, itemKey, opId, ROOT } from "../../src/model/ids.ts";
import { all, append, dropNode, ofNode, pendingCount, setStatus, settledAt, touch } from "../../src/oplog/oplog.ts";
import type { Op, OpState } from "../../src/op/op.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import type { Reader } from "../../src/store/store.ts";

const node = itemKey(5);
const other = itemKey(6);
const write = (blob: number, seen?: string): Op => {
  const op = { type: "writeContent", node, blob: blobId(blob) } as const;
  return seen === undefined ? op : { ...op, seen };
};
const move = (from: string, name: string): Op => ({
  type: "move",
  node,
  parent: ROOT,
  name,
  fromParent: ROOT,
  fromName: from,
});

/** L1: nodeOps is exactly the index of ops. L2: numbers grow and are never given twice. */
function assertInvariants(read: Reader): void {
  const records = [...read.ops.range()];
  const index = [...read.nodeOps.range()].map(([[key, seq]]) => `${key}/${seq}`).sort();
  assert.deepEqual(index, records.map(([seq, record]) => `${record.op.node}/${seq}`).sort());
  for (const [seq, record] of records) {
    assert.equal(record.seq, seq);
    assert.ok(seq < ((read.meta.get("nextOp") as number | undefined) ?? 1));
  }
}

test("records are kept in order, by node and together", () => {
  const store = memoryStore();
  store.transact((tx) => {
    append(tx, { type: "createFolder", node: other, parent: ROOT, name: "d" }, 1);
    append(tx, { type: "createFile", node, parent: ROOT, name: "f" }, 2);
    append(tx, write(1), 3);
  });
  assert.deepEqual(
    [...all(store.read)].map((record) => record.seq),
    [1, 2, 3],
  );
  assert.deepEqual(
    ofNode(store.read, node).map((record) => record.op.type),
    ["createFile", "writeContent"],
  );
  assert.equal(pendingCount(store.read), 3);
  assertInvariants(store.read);
});

test("a second save takes the place of the first and keeps the older version it builds on (K1)", () => {
  const store = memoryStore();
  store.transact((tx) => {
    append(tx, write(1, "c:1"), 1);
    append(tx, { type: "setMetadata", node, mtime: 7 }, 2);
    append(tx, write(2, "blob:1"), 3);
    append(tx, { type: "setMetadata", node, mtime: 8 }, 4);
  });
  const records = ofNode(store.read, node);
  assert.deepEqual(
    records.map((record) => record.op),
    [write(2, "c:1"), { type: "setMetadata", node, mtime: 8 }],
  );
  assert.deepEqual(
    records.map((record) => record.at),
    [3, 4],
  );

  const born = memoryStore();
  born.transact((tx) => {
    append(tx, write(1), 1);
    append(tx, write(2, "blob:1"), 2);
  });
  assert.deepEqual(ofNode(born.read, node)[0]?.op, write(2));
  assertInvariants(store.read);
});

test("a second move is one move from where the first began, and counts as the later one (K2)", () => {
  const store = memoryStore();
  store.transact((tx) => {
    append(tx, move("a", "b"), 1);
    append(tx, { type: "deleteFile", node: other }, 2);
    append(tx, move("b", "c"), 3);
  });
  assert.deepEqual(
    [...all(store.read)].map((record) => [record.seq, record.op.type]),
    [
      [2, "deleteFile"],
      [3, "move"],
    ],
  );
  assert.deepEqual(ofNode(store.read, node)[0]?.op, move("a", "c"));
  assertInvariants(store.read);
});

test("a record that is under way, parked or held is not rewritten", () => {
  for (const status of [
    { state: "inflight" },
    { state: "parked", reason: "r" },
    { state: "held", reason: "r" },
  ] as OpState[]) {
    const store = memoryStore();
    store.transact((tx) => {
      const seq = append(tx, write(1, "c:1"), 1);
      setStatus(tx, seq, status);
      append(tx, write(2, "blob:1"), 2);
      append(tx, write(3, "blob:2"), 3);
    });
    assert.deepEqual(
      ofNode(store.read, node).map((record) => record.op),
      [write(1, "c:1"), write(3, "blob:1")],
    );
    assertInvariants(store.read);
  }
});

test("creates and deletes are never merged", () => {
  const store = memoryStore();
  store.transact((tx) => {
    for (let i = 0; i < 2; i++) append(tx, { type: "createFile", node, parent: ROOT, name: "f" }, i);
    for (let i = 0; i < 2; i++) append(tx, { type: "deleteFile", node }, i);
  });
  assert.equal(pendingCount(store.read), 4);
});

test("touch moves the settle window of the last record; without one nothing happens", () => {
  const store = memoryStore();
  store.transact((tx) => {
    append(tx, move("a", "b"), 1);
    append(tx, write(1), 2);
    touch(tx, node, 9);
    touch(tx, other, 9);
  });
  assert.deepEqual(
    ofNode(store.read, node).map((record) => record.at),
    [1, 9],
  );
  assert.equal(settledAt(store.read, node), 9);
  assert.equal(settledAt(store.read, other), undefined);
});

test("a failed try is counted and kept for a person", () => {
  const store = memoryStore();
  const seq = store.transact((tx) => append(tx, write(1), 1));
  store.transact((tx) => setStatus(tx, seq, { state: "pending" }, "no room in the cloud"));
  store.transact((tx) => setStatus(tx, seq, { state: "inflight" }));
  const [record] = ofNode(store.read, node);
  assert.deepEqual([record?.tries, record?.lastFault, record?.status.state], [1, "no room in the cloud", "inflight"]);
  assert.throws(() => store.transact((tx) => setStatus(tx, opId(99), { state: "pending" })), { name: "Defect" });
});

test("what was acknowledged goes, what came later stays", () => {
  const store = memoryStore();
  const sent = store.transact((tx) => {
    const seq = append(tx, write(1), 1);
    setStatus(tx, seq, { state: "inflight" });
    append(tx, write(2), 2);
    append(tx, { type: "deleteFile", node: other }, 3);
    return seq;
  });
  store.transact((tx) => dropNode(tx, node, sent));
  assert.deepEqual(
    ofNode(store.read, node).map((record) => record.op),
    [write(2)],
  );
  store.transact((tx) => dropNode(tx, node));
  assert.deepEqual(ofNode(store.read, node), []);
  assert.equal(pendingCount(store.read), 1);
  assertInvariants(store.read);
});

test("an operation that is not well-formed is not recorded", () => {
  const store = memoryStore();
  assert.throws(() => store.transact((tx) => append(tx, { type: "createFile", node, parent: ROOT, name: "a/b" }, 1)), {
    name: "Defect",
  });
  assert.equal(pendingCount(store.read), 0);
});

test("numbers are never given twice and the index stays exact, whatever happens", () => {
  const key = fc.constantFrom(node, other);
  const act = fc.oneof(
    fc.record({ act: fc.constant("write" as const), key, n: fc.nat(3) }),
    fc.record({ act: fc.constant("move" as const), key, n: fc.nat(3) }),
    fc.record({ act: fc.constant("delete" as const), key, n: fc.nat(3) }),
    fc.record({ act: fc.constant("send" as const), key, n: fc.nat(3) }),
    fc.record({ act: fc.constant("drop" as const), key, n: fc.nat(12) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 25 }), (acts) => {
      const store = memoryStore();
      const given = new Set<number>();
      for (const each of acts) {
        const { key: at } = each;
        store.transact((tx) => {
          const before = new Set([...all(tx)].map((record) => record.seq));
          if (each.act === "write") append(tx, { type: "writeContent", node: at, blob: blobId(each.n + 1) }, 1);
          if (each.act === "move")
            append(
              tx,
              { type: "move", node: at, parent: ROOT, name: `n${each.n}`, fromParent: ROOT, fromName: "x" },
              1,
            );
          if (each.act === "delete") append(tx, { type: "deleteFile", node: at }, 1);
          if (each.act === "send")
            for (const record of ofNode(tx, at)) setStatus(tx, record.seq, { state: "inflight" });
          if (each.act === "drop") dropNode(tx, at, each.n);
          for (const { seq } of all(tx)) {
            if (before.has(seq)) continue;
            assert.ok(!given.has(seq));
            given.add(seq);
          }
        });
        assertInvariants(store.read);
      }
    }),
    { numRuns: 150 },
  );
});
