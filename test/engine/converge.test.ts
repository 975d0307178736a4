/** Whole worlds from a few seeds (test/world plays thousands): see test/world/scenario.ts for what happens and what must hold. */
import { test } from "node:test";
import { play } from "../world/scenario.ts";

for (const cloud of ["fake", "sim"] as const)
  test(`converge: some seeds (${cloud})`, async () => {
    for (let seed = 1; seed <= 12; seed++) await play({ seed, cloud });
  });
