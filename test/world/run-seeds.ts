/** Whole worlds from seeds on all cores, as a test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onEveryCore } from "./both-cores.ts";
import type { SeedsDone, SeedsWork } from "./seeds-job.ts";

export interface Seeds {
  readonly first: number;
  readonly count: number;
  /** No new seed is begun after that. */
  readonly seconds?: number;
}

export function testSeeds({ first, count, seconds = 86_400 }: Seeds): void {
  test("whole worlds from seeds keep merge S1, merge S2, merge S3, merge S7 and apply B10", async (context) => {
    const job = new URL("./seeds-job.ts", import.meta.url);
    const began = performance.now();
    const done = await onEveryCore<SeedsWork, SeedsDone>(job, (core, cores) => ({
      first,
      count,
      core,
      cores,
      seconds,
    }));
    const sum = (of: (each: SeedsDone) => number): number => done.reduce((total, each) => total + of(each), 0);
    const [fake, sim] = [sum((each) => each.fake), sum((each) => each.sim)];
    const took = Math.round((performance.now() - began) / 1000);
    context.diagnostic(`${fake + sim} seeds from ${first} on (${fake} fake drive, ${sim} simulator) in ${took} s`);
    assert.equal(done.flatMap((each) => each.failures).join("\n\n"), "");
    assert.ok(fake + sim > 0);
  });
}
