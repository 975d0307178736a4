/** Rows that were read lately are what the table says: after changes, failed transactions, and many other rows. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { itemKey } from "../../src/model/ids.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import { recentRows } from "../../src/store/recent-rows.ts";

test("recent rows: a failed transaction leaves nothing of what it read", async () => {
  const dir = mkdtempSync(join(tmpdir(), "recent-rows-"));
  try {
    const opened = await openLmdbStore({ dir, bootId: "boot", clock: manualClock(), isReadable: async () => true });
    assert.ok(opened.ok);
    const { store } = opened.value;
    const node = itemKey(7);
    assert.equal(store.read.facts.get(node), undefined);
    store.transact((tx) => tx.facts.put(node, { mode: 0o600 }));
    assert.deepEqual(store.read.facts.get(node), { mode: 0o600 });
    assert.throws(() =>
      store.transact((tx) => {
        tx.facts.put(node, { mode: 0o644 });
        assert.deepEqual(tx.facts.get(node), { mode: 0o644 });
        tx.facts.put(itemKey(8), { mode: 0o644 });
        assert.deepEqual(tx.facts.get(itemKey(8)), { mode: 0o644 });
        throw new Error("no");
      }),
    );
    assert.deepEqual(store.read.facts.get(node), { mode: 0o600 });
    assert.equal(store.read.facts.get(itemKey(8)), undefined);
    store.transact((tx) => tx.facts.remove(node));
    assert.equal(store.read.facts.get(node), undefined);
    await store.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("recent rows: bounded, and a row that is dropped is read again, of whichever generation", () => {
  const rows = recentRows();
  let reads = 0;
  const read = (): object => ({ read: ++reads });
  const first = rows.get(0, read);
  for (let key = 1; key < 1_500; key++) rows.get(key, read);
  assert.equal(rows.get(0, read), first, "the older generation is still known");
  rows.drop(0);
  assert.notEqual(rows.get(0, read), first);
  const before = reads;
  for (let key = 20_000; key < 60_000; key++) rows.get(key, () => undefined);
  rows.get(1, read);
  assert.equal(reads, before + 1, "what was not asked for in a long time went");
});
