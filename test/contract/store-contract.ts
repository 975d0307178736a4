/** What every Store promises (P1 to P5 of store.ts), run on each implementation through a fixture that can end its process. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { folded, itemId, itemKey, opId } from "../../src/model/ids.ts";
import type { Facts, MirrorItem } from "../../src/model/item.ts";
import type { Reader, Store } from "../../src/store/store.ts";

export interface StoreUnderTest {
  store: Store;
  /** Ends the process by kill -9, by a power cut, or after `close`; `store` is then what the next process opens. */
  next(how: "kill" | "powerCut" | "closed"): Promise<void>;
  dispose(): Promise<void>;
}

const ONE = itemKey(1);
const slot = (parent: number, name: string) => [itemKey(parent), folded(name)] as const;

export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  const run = (what: string, body: (under: StoreUnderTest) => Promise<void>): void => {
    test(what, async () => {
      const under = await make();
      try {
        await body(under);
      } finally {
        await under.dispose();
      }
    });
  };

  describe(`${name} keeps the contract of a store`, () => {
    run("a snapshot stays as it was while the tables change, over awaits, and ends once", async ({ store }) => {
      const put = (from: number, to: number, name: string): void =>
        store.transact((tx) => {
          for (let n = from; n < to; n++) tx.localSlots.put(slot(1, `${name}${n}`), itemKey(n));
        });
      put(10, 40, "a");
      const snapshot = store.snapshot();
      const [first] = snapshot.read.localSlots.range();
      put(40, 60, "a");
      store.transact((tx) => {
        tx.localSlots.remove(slot(1, "a10"));
        tx.localSlots.put(slot(1, "a11"), itemKey(99));
      });
      await store.barrier();
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(first, [slot(1, "a10"), 10]);
      assert.equal(snapshot.read.localSlots.get(slot(1, "a10")), 10);
      assert.equal(snapshot.read.localSlots.get(slot(1, "a11")), 11);
      assert.equal(snapshot.read.localSlots.get(slot(1, "a50")), undefined);
      assert.equal([...snapshot.read.localSlots.range()].length, 30);
      assert.equal(snapshot.read.localSlots.count, 30);
      assert.equal(store.read.localSlots.count, 49);
      snapshot.end();
      snapshot.end();
      assert.throws(() => snapshot.read.localSlots.get(slot(1, "a10")));
      assert.equal(store.read.localSlots.get(slot(1, "a11")), 99);
    });

    run("rows come back as they were put, with absent fields absent and bytes as bytes", async ({ store }) => {
      const item: MirrorItem = {
        id: itemId("A!1"),
        parent: ONE,
        name: 'Grüße \u{1f600} \ud800 \\ " \n',
        kind: "file",
        size: 2 ** 40,
        mtime: -5,
        birth: 0,
        hash: "h",
      };
      const facts: Facts = {
        mode: 0,
        mtime: { s: -1, n: 5 },
        xattrs: { "user.a": new Uint8Array([0, 255]), "user.b": new Uint8Array() },
      };
      store.transact((tx) => {
        tx.mirror.put(itemKey(7), item);
        tx.facts.put(itemKey(7), facts);
        tx.meta.put("quota", { total: 1, used: [1, null, "x"] });
        tx.localSlots.put(slot(1, "x"), 0);
        tx.local.put(itemKey(8), { gone: true });
      });
      assert.deepEqual(store.read.mirror.get(itemKey(7)), item);
      assert.deepEqual(store.read.facts.get(itemKey(7)), facts);
      assert.ok(store.read.facts.get(itemKey(7))?.xattrs?.["user.a"] instanceof Uint8Array);
      assert.deepEqual(store.read.meta.get("quota"), { total: 1, used: [1, null, "x"] });
      assert.equal(store.read.localSlots.get(slot(1, "x")), 0);
      assert.deepEqual(store.read.local.get(itemKey(8)), { gone: true });
      assert.equal(store.read.mirror.get(itemKey(9)), undefined);
    });

    run("a row handed out or put is not shared with its table", async ({ store }) => {
      const ranges = [0, 5];
      const row = { version: "v", size: 5, ranges, durable: false, usedAt: 1 };
      store.transact((tx) => tx.cached.put(ONE, row));
      ranges.push(7);
      row.size = 99;
      assert.deepEqual(store.read.cached.get(ONE), {
        version: "v",
        size: 5,
        ranges: [0, 5],
        durable: false,
        usedAt: 1,
      });
    });

    run("ranges go in key order, both ways, with bounds and limits", async ({ store }) => {
      const names = ["", "a", "a\u0000", "aa", "b", "é", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"];
      store.transact((tx) => {
        for (const [i, text] of names.toReversed().entries()) tx.mirrorSlots.put(slot(5, text), itemKey(i + 1));
        for (const parent of [4, 6, 300]) tx.mirrorSlots.put(slot(parent, "z"), ONE);
        for (const key of [1, 2, 255, 256, 65_536, 2 ** 32, 2 ** 40]) tx.listed.put(itemKey(key), key);
        for (const seq of [1, 9, 10, 300]) tx.nodeOps.put([itemKey(5), seq], true);
      });
      const keys = (range: Parameters<Reader["mirrorSlots"]["range"]>[0]): string[] =>
        [...store.read.mirrorSlots.range(range)].map(([key]) => `${key[0]}/${key[1]}`);
      const five = names.map((text) => `5/${text}`);
      assert.deepEqual(keys({}), ["4/z", ...five, "6/z", "300/z"]);
      assert.deepEqual(keys({ reverse: true }), ["4/z", ...five, "6/z", "300/z"].toReversed());
      assert.deepEqual(keys({ start: slot(5, ""), end: slot(6, "") }), five);
      assert.deepEqual(keys({ start: slot(5, ""), end: slot(6, ""), reverse: true }), five.toReversed());
      assert.deepEqual(keys({ start: slot(5, "a"), end: slot(5, "b") }), ["5/a", "5/a\u0000", "5/aa"]);
      assert.deepEqual(keys({ start: slot(5, "a"), end: slot(5, "b"), reverse: true, limit: 2 }), [
        "5/aa",
        "5/a\u0000",
      ]);
      assert.deepEqual(keys({ start: slot(5, "ab"), limit: 1 }), ["5/b"]);
      assert.deepEqual(keys({ end: slot(5, "a0"), reverse: true, limit: 1 }), ["5/a\u0000"]);
      assert.deepEqual(keys({ start: slot(9, ""), end: slot(8, "") }), []);
      assert.deepEqual(keys({ limit: 0 }), []);
      const numbers = [...store.read.listed.range({ start: itemKey(2), end: itemKey(2 ** 40) })].map(([key]) => key);
      assert.deepEqual(numbers, [2, 255, 256, 65_536, 2 ** 32]);
      assert.deepEqual(
        [...store.read.nodeOps.range({ start: [itemKey(5), 9] })].map(([key]) => key[1]),
        [9, 10, 300],
      );
      assert.equal(store.read.mirrorSlots.count, names.length + 3);
    });

    run("an iteration is a snapshot: changes during it do not show", async ({ store }) => {
      store.transact((tx) => {
        for (let i = 1; i <= 100; i++) tx.listed.put(itemKey(i), i);
      });
      store.transact((tx) => {
        const seen: number[] = [];
        for (const [key, value] of tx.listed.range()) {
          seen.push(value);
          tx.listed.remove(key);
          tx.listed.put(itemKey(1000 + key), 1000 + value);
          tx.listed.put(itemKey(50), 5_000);
        }
        assert.deepEqual(
          seen,
          Array.from({ length: 100 }, (_, i) => i + 1),
        );
      });
      const outside = store.read.listed.range({ reverse: true })[Symbol.iterator]();
      assert.equal(outside.next().value?.[1], 1100);
      store.transact((tx) => tx.listed.remove(itemKey(1099)));
      assert.equal(outside.next().value?.[1], 1099);
    });

    run("P1: a transaction that throws changes nothing, not even when the exception came late", async ({ store }) => {
      store.transact((tx) => tx.listed.put(ONE, 1));
      assert.throws(
        () =>
          store.transact((tx) => {
            tx.listed.put(ONE, 2);
            tx.listed.put(itemKey(2), 2);
            assert.equal(tx.listed.get(ONE), 2);
            assert.equal(store.read.listed.get(ONE), 2);
            throw new RangeError("no");
          }),
        RangeError,
      );
      assert.equal(store.read.listed.get(ONE), 1);
      assert.equal(store.read.listed.count, 1);
    });

    run("transactions return values, do not nest, do not wait, and their writer ends with them", async ({ store }) => {
      assert.equal(
        store.transact(() => 42),
        42,
      );
      assert.throws(() => store.transact(() => store.transact(() => 1)), { name: "Defect" });
      assert.throws(() => store.transact((tx) => (tx.listed.put(ONE, 1), Promise.resolve())), { name: "Defect" });
      assert.equal(store.read.listed.get(ONE), undefined);
      let kept: Parameters<Parameters<Store["transact"]>[0]>[0] | undefined;
      store.transact((tx) => void (kept = tx));
      assert.throws(() => kept?.listed.put(ONE, 1), { name: "Defect" });
      assert.throws(() => store.transact((tx) => tx.listed.put(itemKey(3), Number.NaN)), { name: "Defect" });
      assert.throws(() => store.transact((tx) => tx.mirrorSlots.put(slot(1, "\ud800"), ONE)), { name: "Defect" });
      assert.equal(store.read.listed.count + store.read.mirrorSlots.count, 0);
    });

    run("removing what is not there is fine; putting again replaces", async ({ store }) => {
      store.transact((tx) => {
        tx.ids.remove(itemId("none"));
        tx.ids.put(itemId("a"), ONE);
        tx.ids.put(itemId("a"), itemKey(2));
      });
      assert.equal(store.read.ids.get(itemId("a")), 2);
      assert.equal(store.read.ids.get(itemId("A")), undefined);
      assert.equal(store.read.ids.count, 1);
    });

    run("P2: kill -9 after a transaction loses nothing of it", async (under) => {
      for (let i = 1; i <= 20; i++) under.store.transact((tx) => tx.listed.put(itemKey(i), i));
      await under.next("kill");
      assert.equal(under.store.read.listed.count, 20);
      under.store.transact((tx) => tx.listed.put(itemKey(21), 21));
      await under.next("kill");
      assert.equal(under.store.read.listed.count, 21);
    });

    run("P3: a power cut after a barrier loses nothing committed before it was called", async (under) => {
      under.store.transact((tx) => tx.listed.put(ONE, 1));
      const first = under.store.barrier();
      under.store.transact((tx) => tx.listed.put(itemKey(2), 2));
      await Promise.all([first, under.store.barrier(), under.store.barrier()]);
      await under.next("powerCut");
      assert.deepEqual(
        [...under.store.read.listed.range()].map(([, value]) => value),
        [1, 2],
      );
    });

    run("P3: also after a kill, and after a power cut before", async (under) => {
      under.store.transact((tx) => tx.listed.put(ONE, 1));
      await under.next("kill");
      under.store.transact((tx) => tx.listed.put(itemKey(2), 2));
      await under.store.barrier();
      await under.next("powerCut");
      assert.equal(under.store.read.listed.count, 2);
      under.store.transact((tx) => tx.listed.remove(ONE));
      await under.store.barrier();
      await under.next("powerCut");
      assert.deepEqual([...under.store.read.listed.range()], [[2, 2]]);
    });

    run("P4: after a power cut the store shows a committed state", async (under) => {
      for (let i = 1; i <= 30; i++) {
        under.store.transact((tx) => {
          tx.listed.put(ONE, i);
          tx.listed.put(itemKey(2), i);
        });
        if (i === 10) await under.store.barrier();
      }
      await under.next("powerCut");
      const one = under.store.read.listed.get(ONE);
      assert.ok(one !== undefined && one >= 10);
      assert.equal(under.store.read.listed.get(itemKey(2)), one);
    });

    run("P5: a barrier waits for its hooks, and one that fails makes nothing durable", async (under) => {
      const order: string[] = [];
      let broken = false;
      under.store.beforeBarrier(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        if (broken) throw new Error("the bytes cannot be synced");
        order.push("hook");
      });
      under.store.transact((tx) => tx.listed.put(ONE, 1));
      await under.store.barrier().then(() => order.push("barrier"));
      assert.deepEqual(order, ["hook", "barrier"]);
      broken = true;
      under.store.transact((tx) => tx.listed.put(itemKey(2), 2));
      await assert.rejects(under.store.barrier(), /cannot be synced/);
      await under.next("powerCut");
      assert.equal(under.store.read.listed.count, 1);
    });

    run("close makes everything durable", async (under) => {
      under.store.transact((tx) => tx.ops.put(opId(1), OP));
      await under.store.close();
      await under.next("closed");
      assert.deepEqual(under.store.read.ops.get(opId(1)), OP);
    });
  });
}

const OP = {
  seq: opId(1),
  op: { type: "createFolder", node: itemKey(2), parent: ONE, name: "x" },
  at: 5,
  status: { state: "held", reason: "r" },
  tries: 0,
} as const;
