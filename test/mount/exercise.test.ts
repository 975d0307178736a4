/** Random reads, writes, cuts and mappings on a mount with eviction, kills and remounts: never a wrong byte. The long run is a soak. */
import { test } from "node:test";
import { exerciseMount } from "../support/exercise-mount.ts";

test("exercise: 800 steps on a mount, every byte right", async (t) => {
  const counts = await exerciseMount("short", 800);
  t.diagnostic([...counts].map(([act, count]) => `${act} ${count}`).join(", "));
});
