/** What happens at start before anything else: the store believed or restored, and what is said about it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failed, ok } from "../../src/base/result.ts";
import { itemKey, opId, ROOT } from "../../src/model/ids.ts";
import type { OpRecord } from "../../src/op/op.ts";
import { append } from "../../src/oplog/oplog.ts";
import { openState } from "../../src/recover/recover.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import type { Recovered } from "../../src/store/store.ts";

const opening = (how: Recovered["how"], lost?: string) => {
  const store = memoryStore();
  const recovered: Recovered = { how, commit: 3, ...(lost === undefined ? {} : { lost }) };
  return { store, open: async () => ok({ store, recovered, reconciled: async () => undefined }) };
};

test("an ordinary start and a start after a kill have nothing to say", async () => {
  for (const how of ["fresh", "clean", "afterKill"] as const) {
    const { store, open } = opening(how);
    store.transact((tx) => append(tx, { type: "createFolder", node: itemKey(2), parent: ROOT, name: "d" }, 1));
    const state = await openState("/nowhere", open);
    assert.ok(state.ok);
    assert.equal(state.value.store, store);
    assert.deepEqual(state.value.report, []);
  }
});

test("a restore is told, with what it could not bring back", async () => {
  const whole = await openState("/nowhere", opening("restored").open);
  assert.ok(whole.ok && whole.value.report.length === 1);
  const torn = await openState("/nowhere", opening("restored", "journal-1 was not written completely").open);
  assert.match((torn.ok && torn.value.report[0]) || "", /restored.*journal-1 was not written completely/);
});

test("a record that cannot be read is told and left where it is", async () => {
  const { store, open } = opening("clean");
  const broken = { seq: opId(1), op: { type: "explode", node: 2 }, at: 1, status: { state: "pending" }, tries: 0 };
  store.transact((tx) => tx.ops.put(opId(1), broken as unknown as OpRecord));
  const state = await openState("/nowhere", open);
  assert.match((state.ok && state.value.report[0]) || "", /operation 1 .*explode/);
  assert.equal(store.read.ops.count, 1);
});

test("a store that cannot be opened is passed on", async () => {
  const fault = { kind: "newer", why: "w" } as const;
  assert.deepEqual(await openState("/nowhere", async () => failed(fault)), { ok: false, fault });
});
