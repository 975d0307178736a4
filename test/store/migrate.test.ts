/** Versions of the schema: steps run in order, newer ones are refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { itemKey, opId } from "../../src/model/ids.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { migrate, type Step } from "../../src/store/migrate.ts";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";

const steps: readonly Step[] = [
  { from: 2, run: (tx) => tx.listed.put(itemKey(1), (tx.listed.get(itemKey(1)) ?? 0) * 10) },
  { from: 1, run: (tx) => tx.listed.put(itemKey(1), (tx.listed.get(itemKey(1)) ?? 0) + 1) },
];

test("an empty store gets the present version; the present version stays", () => {
  const store = memoryStore();
  assert.deepEqual(migrate(store), { ok: true, value: SCHEMA_VERSION });
  assert.equal(store.read.meta.get("schema"), SCHEMA_VERSION);
  const before = store.unsynced;
  assert.deepEqual(migrate(store), { ok: true, value: SCHEMA_VERSION });
  assert.equal(store.unsynced, before, "nothing was written");
});

test("steps run in order, in one commit, from whatever version is there", () => {
  for (const [from, expected] of [
    [1, 50],
    [2, 40],
  ] as const) {
    const store = memoryStore();
    store.transact((tx) => {
      tx.meta.put("schema", from);
      tx.listed.put(itemKey(1), 4);
    });
    const before = store.unsynced;
    assert.deepEqual(migrate(store, steps, 3), { ok: true, value: from });
    assert.equal(store.read.listed.get(itemKey(1)), expected);
    assert.equal(store.read.meta.get("schema"), 3);
    assert.equal(store.unsynced, before + 1);
  }
});

test("of moves that version 1 had under way it is remembered what was asked for", () => {
  const store = memoryStore();
  const place = { parent: itemKey(1), name: "new" };
  store.transact((tx) => {
    tx.meta.put("schema", 1);
    for (const [node, state] of [
      [7, "inflight"],
      [8, "pending"],
    ] as const) {
      const op = { type: "move", node: itemKey(node), ...place, fromParent: itemKey(1), fromName: "old" } as const;
      tx.ops.put(opId(node), { seq: opId(node), op, at: 0, status: { state }, tries: 0 });
    }
  });
  assert.deepEqual(migrate(store), { ok: true, value: 1 });
  assert.deepEqual([...store.read.sent.range()], [[7, { asked: [place] }]]);
});

test("a step that fails leaves the old version whole", () => {
  const store = memoryStore();
  store.transact((tx) => {
    tx.meta.put("schema", 1);
    tx.listed.put(itemKey(1), 4);
  });
  const failing: readonly Step[] = [
    ...steps.slice(1),
    {
      from: 2,
      run: () => {
        throw new RangeError("no");
      },
    },
  ];
  assert.throws(() => migrate(store, failing, 3), RangeError);
  assert.equal(store.read.listed.get(itemKey(1)), 4);
  assert.equal(store.read.meta.get("schema"), 1);
});

test("a newer version, a missing step and nonsense are told apart", () => {
  const at = (schema: unknown) => {
    const store = memoryStore();
    store.transact((tx) => tx.meta.put("schema", schema));
    const result = migrate(store, steps.slice(0, 1), 3);
    return result.ok ? "ok" : result.fault.kind;
  };
  assert.equal(at(4), "newer");
  assert.equal(at(1), "corrupt");
  assert.equal(at("one"), "corrupt");
  assert.equal(at(2), "ok");
});
