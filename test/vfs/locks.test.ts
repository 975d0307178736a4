/** Byte range and whole-file locks: who stands in whose way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ROOT } from "../../src/model/ids.ts";
import { makeLocks } from "../../src/vfs/locks.ts";
import type { Lock } from "../../src/vfs/vfs.ts";

const lock = (kind: Lock["kind"], start: number, end: number, owner = 1): Lock => ({
  kind,
  start,
  end,
  owner,
  pid: owner,
});
const had = (answer: unknown): boolean => (answer as { ok: boolean }).ok;

describe("vfs/locks", () => {
  it("agree with a model that has one cell for every byte", () => {
    const action = fc.record({
      owner: fc.integer({ min: 1, max: 3 }),
      kind: fc.constantFrom("read" as const, "write" as const, "unlock" as const),
      start: fc.integer({ min: 0, max: 11 }),
      length: fc.integer({ min: 1, max: 6 }),
      leave: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
        const locks = makeLocks();
        const cells = Array.from({ length: 20 }, () => new Map<number, "read" | "write">());
        for (const { owner, kind, start, length, leave } of actions) {
          const range = cells.slice(start, start + length);
          const barred = range.some((cell) =>
            [...cell].some(([who, what]) => who !== owner && (what === "write" || kind === "write")),
          );
          const expected = kind === "unlock" || !barred;
          assert.equal(had(locks.setlk(ROOT, lock(kind, start, start + length - 1, owner), false)), expected);
          if (expected)
            for (const cell of range)
              if (kind === "unlock") cell.delete(owner);
              else cell.set(owner, kind);
          if (leave) {
            locks.unlockAll(ROOT, owner);
            for (const cell of cells) cell.delete(owner);
          }
          for (const [at, cell] of cells.entries())
            for (const who of [1, 2, 3]) {
              const answer = locks.getlk(ROOT, lock("write", at, at, who));
              assert.ok(answer.ok);
              assert.equal(
                answer.value.kind === "unlock",
                [...cell.keys()].every((other) => other === who),
              );
            }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("waiters get their turn in order, when the range is free", async () => {
    const locks = makeLocks();
    const order: string[] = [];
    assert.ok(had(locks.setlk(ROOT, lock("write", 0, Infinity, 1), true)));
    const second = Promise.resolve(locks.setlk(ROOT, lock("write", 5, 9, 2), true)).then(() => order.push("second"));
    const third = Promise.resolve(locks.setlk(ROOT, lock("write", 7, 7, 3), true)).then(() => order.push("third"));
    locks.setlk(ROOT, lock("unlock", 0, 6, 1), false);
    await Promise.resolve();
    assert.deepEqual(order, []);
    locks.unlockAll(ROOT, 1);
    await second;
    assert.deepEqual(order, ["second"]);
    locks.unlockAll(ROOT, 2);
    await third;
    assert.deepEqual(order, ["second", "third"]);
  });

  it("a wait ends with its signal and leaves nothing behind", async () => {
    const locks = makeLocks();
    const stop = new AbortController();
    locks.setlk(ROOT, lock("write", 0, 9, 1), false);
    const waiting = Promise.resolve(locks.setlk(ROOT, lock("read", 3, 3, 2), true, stop.signal));
    stop.abort();
    const answer = await waiting;
    assert.ok(!answer.ok && answer.fault.kind === "interrupted");
    const late = await locks.setlk(ROOT, lock("read", 3, 3, 2), true, stop.signal);
    assert.ok(!late.ok && late.fault.kind === "interrupted");
    locks.unlockAll(ROOT, 1);
    const free = locks.getlk(ROOT, lock("write", 0, 9, 3));
    assert.ok(free.ok && free.value.kind === "unlock");
  });

  it("flock and fcntl never meet; a bad range is refused", () => {
    const locks = makeLocks();
    assert.ok(had(locks.setlk(ROOT, lock("write", 0, Infinity, 1), false)));
    assert.ok(had(locks.setlk(ROOT, { ...lock("write", 0, Infinity, 2), flock: true }, false)));
    assert.ok(!had(locks.setlk(ROOT, { ...lock("read", 0, Infinity, 3), flock: true }, false)));
    assert.ok(!had(locks.setlk(ROOT, lock("read", 9, 3), false)));
  });
});
