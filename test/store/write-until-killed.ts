/** A process that commits for ever and says the number of each commit after it returned; killed by its parent. */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { itemKey } from "../../src/model/ids.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";

const [, , dir = "", bootId = "", barriers = ""] = process.argv;
const opened = await openLmdbStore({ dir, bootId, clock: systemClock });
if (!opened.ok) throw new Error(opened.fault.why);
const { store } = opened.value;
let number = store.read.listed.get(itemKey(1)) ?? 0;

const burst = (): void => {
  for (let i = 0; i < 50; i++) {
    number++;
    store.transact((tx) => {
      for (let key = 1; key <= 3; key++) tx.listed.put(itemKey(key), number);
      tx.facts.put(itemKey((number % 500) + 1), { mode: 1, xattrs: { a: new Uint8Array(number % 3_000) } });
    });
    say(number);
  }
  if (barriers === "barriers") void store.barrier();
  setImmediate(burst);
};
burst();

/** The pipe may be full while the parent is busy with something else. */
function say(done: number): void {
  for (;;)
    try {
      return void writeSync(1, `${done}\n`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
}
