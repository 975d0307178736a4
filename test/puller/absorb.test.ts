/** A batch that cannot be applied is read further as long as that teaches something, and dropped when it does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Apply, Batch, Incomplete } from "../../src/apply/apply.ts";
import { manualClock } from "../../src/base/clock.ts";
import { failed, ok, type Result } from "../../src/base/result.ts";
import type { Fault } from "../../src/model/fault.ts";
import { blobId, itemId, type ItemId } from "../../src/model/ids.ts";
import { REPAIR_ROUNDS_MAX } from "../../src/model/limits.ts";
import { absorber } from "../../src/puller/absorb.ts";
import type { Pulling } from "../../src/puller/pulling.ts";

const DONE = ok({ conflicts: [], nodes: [], entries: [], renewed: [], adopt: [] });

function parts(batch: (batch: Batch) => ReturnType<Apply["batch"]>) {
  const seen = { batches: 0, reads: [] as ItemId[], freezes: 0, faults: 0 };
  const item = async (id: ItemId): Promise<Result<object, Fault>> => {
    seen.reads.push(id);
    return ok({ id, parentId: itemId("root"), name: id, kind: "folder", size: 0, mtime: 0, birth: 0 });
  };
  const freeze = async (blob: number): Promise<Result<object, Fault>> => {
    seen.freezes++;
    return ok({ blob });
  };
  const pulling = {
    apply: { batch: (given: Batch) => (seen.batches++, batch(given)) },
    drive: { item },
    content: { freeze, adopt: async () => undefined },
    clock: manualClock(),
    log: { fault: () => void seen.faults++, trace: () => undefined },
    applied: () => undefined,
    heard: <T>(answer: T): T => answer,
  };
  return { seen, absorb: absorber(pulling as unknown as Pulling) };
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
