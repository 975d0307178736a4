/** Small scope, exhaustive: every pair of histories of one act a side, and a few thousand of those of two (all of them: test/soak). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { counts } from "../world/check-merge.ts";
import { BASES, Pairs } from "../world/pairs.ts";

for (const [name, acts, most] of Object.keys(BASES).flatMap((base) => [
  [base, 1, Infinity] as const,
  [base, 2, Number(process.env["MERGE_PAIRS"] ?? 2_500)] as const,
]))
  test(`pairs of up to ${acts} acts a side keep merge S1, merge S2, merge S3, merge S4, merge S5, merge A2, merge A4: ${name}`, (context) => {
    const count = counts();
    const pairs = new Pairs(name, acts);
    for (let n = 0; n < Math.min(pairs.count, most); n++) assert.equal(pairs.check(n, count), undefined);
    context.diagnostic(`${JSON.stringify(count)} of ${pairs.count}`);
    if (acts === 1) assert.ok(count.merges > 2_000);
  });
