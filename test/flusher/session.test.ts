/** How long the pieces of an upload are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextFragmentBytes } from "../../src/flusher/session.ts";
import { FRAGMENT_BYTES, FRAGMENT_BYTES_MAX, FRAGMENT_QUANTUM_BYTES } from "../../src/model/limits.ts";

test("flusher/session: fragments grow on a quick line, stay on a slow one, and are what the service takes", () => {
  const on = (bytesPerSecond: number): number[] => {
    const lengths = [FRAGMENT_BYTES];
    for (let i = 0; i < 5; i++)
      lengths.push(nextFragmentBytes(lengths.at(-1)!, 20 + (lengths.at(-1)! / bytesPerSecond) * 1000));
    return lengths;
  };
  assert.ok(on(100_000_000).at(-1)! > 5 * FRAGMENT_BYTES);
  assert.ok(
    on(1e9).every((length, i, all) => i === 0 || length <= 2 * all[i - 1]!),
    "by steps",
  );
  assert.deepEqual(new Set(on(2_000_000)), new Set([FRAGMENT_BYTES]));
  for (const speed of [1e5, 3e7, 6e7, 1e8, 1e9])
    for (const length of on(speed)) {
      assert.equal(length % FRAGMENT_QUANTUM_BYTES, 0);
      assert.ok(length >= FRAGMENT_BYTES && length <= FRAGMENT_BYTES_MAX && length < 60 * 1024 * 1024);
    }
  assert.equal(nextFragmentBytes(FRAGMENT_BYTES, 0), 2 * FRAGMENT_BYTES, "a clock that stands still");
});
