/** stress-ng's stressors of a file system one after the other, four processes each, then all at once. (STRESS_SECONDS) */
import { test } from "node:test";
import { stressMount } from "../support/stress-mount.ts";
import { stressors } from "../support/stressors.ts";

const seconds = Number(process.env["STRESS_SECONDS"] ?? 4);

test(`stressors: each of stress-ng's for files, ${seconds} s, then all`, () =>
  stressMount([...stressors().map((name) => [name]), stressors()], { seconds, instances: 4 }));
