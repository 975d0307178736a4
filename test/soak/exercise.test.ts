/** 20,000 random reads, writes, cuts and mappings on a mount with eviction, kills and remounts: never a wrong byte. (SEED, STEPS) */
import { test } from "node:test";
import { exerciseMount } from "../support/exercise-mount.ts";

const seed = process.env["SEED"] ?? "1";
const steps = Number(process.env["STEPS"] ?? 20_000);

test(`exercise: ${steps} steps on a mount, every byte right (SEED=${seed})`, async (t) => {
  const counts = await exerciseMount(seed, steps);
  t.diagnostic([...counts].map(([act, count]) => `${act} ${count}`).join(", "));
});
