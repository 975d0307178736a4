/** Many seeds of test/engine/alone.ts: FROM and SEEDS name them, CLOUD (fake, lagging, sim) restricts, TRACE tells what was done. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../engine/alone.ts";

const from = Number(process.env["FROM"] ?? 1);
const seeds = Number(process.env["SEEDS"] ?? 100);
const asked = process.env["CLOUD"];
const LAGGING = { lagMs: 5_000, duplicates: 0.3, shuffle: true };
const CHANCES = [
  { refused: 0.05, lostAfter: 0.3, lostBefore: 0.05, killed: 0.08 },
  { refused: 0.2, lostAfter: 0.1, lostBefore: 0.2, killed: 0.02 },
  { refused: 0, lostAfter: 0.5, lostBefore: 0, killed: 0 },
] as const;

for (const cloud of ["fake", "lagging", "sim"] as const)
  test(`alone: ${seeds} seeds (${cloud})`, { skip: asked !== undefined && asked !== cloud }, async () => {
    const failures: string[] = [];
    for (let seed = from; seed < from + seeds; seed++) {
      const told: string[] = [];
      const knobs = cloud === "lagging" ? { knobs: LAGGING } : {};
      const chances = CHANCES[seed % CHANCES.length] ?? CHANCES[0];
      const options = { seed: `soak-${seed}`, steps: 80, ...knobs, ...chances };
      await runAlone({ ...options, cloud: cloud === "sim" ? "sim" : "fake" }, (line) => told.push(line)).catch(
        (error: unknown) => {
          const story = process.env["TRACE"] ? `\n${told.join("\n")}` : "";
          failures.push(`FROM=${seed} SEEDS=1 CLOUD=${cloud}: ${String((error as Error).message)}${story}`);
        },
      );
    }
    assert.equal(failures.length, 0, failures.join("\n"));
  });
