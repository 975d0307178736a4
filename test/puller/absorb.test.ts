/** A batch that cannot be applied is read further as long as that teaches something, and dropped when it does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Apply, Batch, Incomplete } from "../../src/apply/apply.ts";
import { manualClock } from "../../src/base/clock.ts";
import { failed, ok, type Result } from "../../src/base/result.ts";
import type { Fault } from "../../src/model/fault.ts";
import { blobId, eTag, itemId, itemKey, ROOT, type ItemId } from "../../src/model/ids.ts";
import { REPAIR_ROUNDS_MAX } from "../../src/model/limits.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { absorber } from "../../src/puller/absorb.ts";
import type { Pulling } from "../../src/puller/pulling.ts";

const DONE = ok({ conflicts: [], nodes: [], entries: [], renewed: [], adopt: [] });

function parts(batch: (batch: Batch) => ReturnType<Apply["batch"]>) {
  const seen = { batches: 0, reads: [] as ItemId[], freezes: 0, faults: 0 };
  const item = async (id: ItemId): Promise<Result<object, Fault>> => {
    seen.reads.push(id);
    await new Promise((resolve) => setImmediate(resolve));
    return ok({ id, parentId: itemId("root"), name: id, kind: "folder", size: 0, mtime: 0, birth: 0 });
  };
  const freeze = async (blob: number): Promise<Result<object, Fault>> => {
    seen.freezes++;
    return ok({ blob });
  };
  const store = memoryStore();
  const pulling = {
    apply: {
      batch: (given: Batch) => (seen.batches++, batch(given)),
      *news(changes: Batch["changes"]) {
        yield;
        return changes;
      },
    },
    drive: { item },
    content: { freeze, adopt: async () => undefined },
    clock: manualClock(),
    store,
    log: { fault: () => void seen.faults++, trace: () => undefined },
    applied: () => undefined,
    heard: <T>(answer: T): T => answer,
  };
  return { seen, store, absorb: absorber(pulling as unknown as Pulling) };
}

function incomplete(read: readonly ItemId[], freeze?: Incomplete["freeze"]): ReturnType<Apply["batch"]> {
  return failed({ kind: "incomplete", read, ...(freeze ? { freeze } : {}) });
}

test("puller: answers that contradict each other for ever are dropped after some rounds, and told", async () => {
  const { seen, absorb } = parts(() => incomplete([itemId("a"), itemId("b")]));
  const outcome = await absorb({ changes: [], cursor: "next" });
  assert.ok(!outcome.ok && outcome.fault.kind === "garbled");
  assert.equal(seen.batches, REPAIR_ROUNDS_MAX + 2);
  assert.equal(seen.reads.length, 2 * (REPAIR_ROUNDS_MAX + 2));
  assert.equal(seen.faults, 1);
});

test("puller: a batch in an unknown folder deep down is read up to what is known", async () => {
  const deep = 40;
  const { seen, absorb } = parts(({ read = [] }) =>
    read.length < deep ? incomplete([itemId(`l${read.length}`)]) : DONE,
  );
  assert.ok((await absorb({ changes: [] })).ok);
  assert.equal(seen.reads.length, deep);
});

test("puller: bytes that change faster than they are hashed count as different in the end", async () => {
  let blob = 1;
  const { seen, absorb } = parts(({ unhashed = [] }) =>
    unhashed.length > 0 ? DONE : incomplete([], [blobId(blob++)]),
  );
  assert.ok((await absorb({ changes: [] })).ok);
  assert.equal(seen.freezes, REPAIR_ROUNDS_MAX);
});

test("puller: an answer to a read that the Mirror has moved on from meanwhile is not taken for certain", async () => {
  const certain: (readonly ItemId[])[] = [];
  const id = itemId("f");
  const moveTo = (version: string): void =>
    store.transact((tx) => {
      const file = { id, parent: ROOT, name: "f", kind: "file", size: 1, mtime: 1, birth: 1 } as const;
      changeTrees(tx, new Map([[itemKey(2), { mirror: { ...file, eTag: eTag(version) } }]]));
    });
  const { store, absorb } = parts(({ read = [] }) => {
    certain.push(read);
    if (read.includes(id)) return DONE;
    if (certain.length === 1) setImmediate(() => moveTo("2")); // our own upload is answered while the item is read
    return incomplete([id]);
  });
  store.transact((tx) => {
    const root = { id: itemId("root"), parent: ROOT, name: "", kind: "folder", size: 0, mtime: 0, birth: 0 } as const;
    changeTrees(tx, new Map([[ROOT, { mirror: root }]]));
  });
  moveTo("1");
  assert.ok((await absorb({ changes: [] })).ok);
  assert.deepEqual(certain, [[], [], [id]]);
});
