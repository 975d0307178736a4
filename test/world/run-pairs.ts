/** The pairs of two acts a side on all cores, as a test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onEveryCore } from "./both-cores.ts";
import { BASES } from "./pairs.ts";
import type { PairsDone, PairsWork } from "./pairs-job.ts";

/** `seconds` for each of the trees; undefined: all pairs. */
export function testPairs(seconds?: number): void {
  for (const base of Object.keys(BASES))
    test(`pairs of up to two acts a side keep merge S1, merge S2, merge S3, merge S4, merge S5, merge A2, merge A4: ${base}`, async (context) => {
      const job = new URL("./pairs-job.ts", import.meta.url);
      const done = await onEveryCore<PairsWork, PairsDone>(job, (core, cores) => ({
        base,
        core,
        cores,
        seconds: seconds ?? 86_400,
      }));
      const wrong = done.map((each) => each.wrong).filter((each) => each !== undefined);
      const sum = (of: (each: PairsDone) => number): number => done.reduce((total, each) => total + of(each), 0);
      const all = done[0]?.of ?? 0;
      context.diagnostic(`${sum((each) => each.merges)} of ${all} pairs, ${sum((each) => each.crashes)} crashes`);
      assert.deepEqual(wrong, []);
      if (seconds === undefined)
        assert.equal(
          sum((each) => each.merges),
          all,
          "every pair",
        );
    });
}
