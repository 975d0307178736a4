/** stress-ng's stressors of a file system, all at the same time for a few seconds (one after the other in test/soak/stressors.test.ts). */
import { test } from "node:test";
import { programExists } from "../support/mount-process.ts";
import { stressMount } from "../support/stress-mount.ts";
import { stressors } from "../support/stressors.ts";

test("stressors: all of stress-ng's for files at once, as on tmpfs", { skip: !programExists("stress-ng") }, () =>
  stressMount([stressors()], { seconds: 5, instances: 1 }),
);
