/** Small calls that come together go together; answers reach their callers; lost answers are not mistaken for refusals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ok } from "../../src/base/result.ts";
import type { BatchCall, Drive } from "../../src/drive/drive.ts";
import { gather } from "../../src/flusher/gather.ts";
import { itemId } from "../../src/model/ids.ts";
import { BATCH_CALLS_MAX } from "../../src/model/limits.ts";
import { fakeDrive } from "../support/fake-drive.ts";

const never = new AbortController().signal;

/** The drive with another `batch`. */
function withBatch(drive: Drive, batch: NonNullable<Drive["batch"]>): Drive {
  return new Proxy(drive, {
    get(target, key) {
      if (key === "batch") return batch;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function counting(drive: Drive) {
  const sizes: number[] = [];
  const wrapped = withBatch(drive, (calls: readonly BatchCall[]) => {
    sizes.push(calls.length);
    return drive.batch!(calls);
  });
  return { wrapped, sizes };
}

test("gather: one call alone is a plain request, many become batches, each caller gets its own answer", async () => {
  const drive = fakeDrive({ clock: manualClock(), random: seededRandom(1) });
  const { wrapped, sizes } = counting(drive);
  const calls = gather(wrapped, never);
  const alone = await calls({ call: "createFolder", parent: drive.cloud.rootId, name: "alone" });
  assert.ok(alone.ok && alone.value?.name === "alone");
  assert.deepEqual(sizes, []);
  const names = Array.from({ length: 45 }, (_, i) => `n${i}`);
  const made = await Promise.all(
    names.map((name) => calls({ call: "createFolder", parent: drive.cloud.rootId, name })),
  );
  assert.deepEqual(
    made.map((answer) => answer.ok && answer.value?.name),
    names,
  );
  assert.deepEqual(sizes, [BATCH_CALLS_MAX, BATCH_CALLS_MAX, 5]);
});

test("gather: a refusal of one call is the answer of that call only", async () => {
  const drive = fakeDrive({ clock: manualClock(), random: seededRandom(2) });
  const calls = gather(drive, never);
  drive.cloud.as("web").mkdir("taken");
  const [first, second, third] = await Promise.all([
    calls({ call: "createFolder", parent: drive.cloud.rootId, name: "free" }),
    calls({ call: "createFolder", parent: drive.cloud.rootId, name: "taken" }),
    calls({ call: "remove", id: itemId("nobody"), seen: undefined }),
  ]);
  assert.ok(first?.ok);
  assert.ok(second && !second.ok && second.fault.kind === "nameTaken");
  assert.ok(third && !third.ok && third.fault.kind === "notFound");
});

test("gather: an answer left out of a batch is unclear", async () => {
  const drive = fakeDrive({ clock: manualClock(), random: seededRandom(3) });
  const short = withBatch(drive, async () => [ok(undefined)]);
  const calls = gather(short, never);
  const answers = await Promise.all(
    ["a", "b"].map((name) => calls({ call: "createFolder", parent: drive.cloud.rootId, name })),
  );
  assert.ok(answers[1] && !answers[1].ok && answers[1].fault.unclear);
});
