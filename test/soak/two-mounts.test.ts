/**
 * The same as test/mount/two-mounts.test.ts for longer and with every fault of the service that passes, lost answers included:
 * SEED, SEEDS and OPERATIONS choose.
 */
import { test } from "node:test";
import { playTwoMounts } from "../support/two-mounts.ts";

const first = Number(process.env["SEED"] ?? 1);
const seeds = Number(process.env["SEEDS"] ?? 1);
const operations = Number(process.env["OPERATIONS"] ?? 2_000);

const FAULTS = [
  { kind: "lost", when: "before" },
  { kind: "lost", when: "after" },
  { kind: "status", status: 503 },
  { kind: "status", status: 429, retryAfter: 1 },
  { kind: "cut", direction: "down", bytes: 10 },
  { kind: "empty" },
  { kind: "precondition" },
  { kind: "delta-lag", seconds: 2 },
  { kind: "delta-duplicate" },
  { kind: "delta-shuffle" },
  { kind: "delta-stale" },
  { kind: "delta-child-first" },
  { kind: "etag-bump", seconds: 1 },
];

for (let seed = first; seed < first + seeds; seed++)
  test(`two mounts: ${operations} random acts with every fault (SEED=${seed})`, async (t) => {
    const { contents, kills, copies } = await playTwoMounts({ seed, operations, faults: FAULTS });
    t.diagnostic(`${contents} contents, ${kills} kills, ${copies} conflict copies`);
  });
