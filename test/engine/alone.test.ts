/** A person alone never has a conflict, whatever answers are lost: see alone.ts. Here a few seeds, in the soak hundreds. */
import { test } from "node:test";
import { runAlone } from "./alone.ts";

for (const cloud of ["fake", "sim"] as const)
  test(`alone: nothing is lost, doubled or in conflict, whatever answers are lost (${cloud})`, async () => {
    const chances = { refused: 0.05, lostAfter: 0.2, lostBefore: 0.05, killed: 0.06 };
    for (let seed = 1; seed <= 6; seed++) await runAlone({ seed: `alone-${seed}`, steps: 40, cloud, ...chances });
  });

test("alone: the same when the feed lags behind and repeats itself", async () => {
  const chances = { refused: 0.05, lostAfter: 0.2, lostBefore: 0.05, killed: 0.06 };
  const knobs = { lagMs: 5_000, duplicates: 0.3, shuffle: true };
  for (let seed = 1; seed <= 6; seed++) await runAlone({ seed: `lag-${seed}`, steps: 40, knobs, ...chances });
});
