/** Every call is answered exactly once, and a bug stops everything that follows. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { ok } from "../../src/base/result.ts";
import { fault } from "../../src/model/fault.ts";
import type { Reply } from "../../src/vfs/vfs.ts";
import { answer, desk, type Desk } from "../../src/host/fuse-desk.ts";
import { memoryVfs } from "../support/memory-vfs.ts";

const { ENOENT, EIO } = constants.errno;

function newDesk(): { at: Desk; defects: unknown[] } {
  const defects: unknown[] = [];
  const onDefect = (error: unknown): void => void defects.push(error);
  const at = desk(memoryVfs(), { context: () => 0, signal: new AbortController().signal, onDefect });
  return { at, defects };
}

async function answers<T>(at: Desk, ask: () => Reply<T>): Promise<[number, T?][]> {
  const given: [number, T?][] = [];
  answer(at, ask, (result, value) => given.push(value === undefined ? [result] : [result, value]));
  await new Promise((resolve) => setImmediate(resolve));
  return given;
}

test("values, faults and promises of both are answered once", async () => {
  const { at, defects } = newDesk();
  assert.deepEqual(await answers(at, () => ok(7)), [[0, 7]]);
  assert.deepEqual(await answers(at, () => fault("notFound", "")), [[-ENOENT]]);
  assert.deepEqual(await answers(at, async () => ok(8)), [[0, 8]]);
  assert.deepEqual(await answers(at, async () => fault("offline", "")), [[-EIO]]);
  assert.deepEqual(defects, []);
});

test("a bug is EIO, is reported, and after it nothing is asked of the vfs", async () => {
  for (const bug of [
    () => {
      throw new Error("bug");
    },
    () => Promise.reject(new Error("bug")),
  ]) {
    const { at, defects } = newDesk();
    assert.deepEqual(await answers(at, bug), [[-EIO]]);
    assert.equal(defects.length, 1);
    let asked = false;
    const again = await answers(at, () => {
      asked = true;
      return ok();
    });
    assert.deepEqual([again, asked], [[[-EIO]], false]);
  }
});
