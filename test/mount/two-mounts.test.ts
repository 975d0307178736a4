/** Two mounts and a web user do random things on one drive, with faults and kills: at the end all three show the same, nothing is lost. */
import { test } from "node:test";
import { playTwoMounts } from "../support/two-mounts.ts";

const seed = Number(process.env["SEED"] ?? 3);
const operations = Number(process.env["OPERATIONS"] ?? 150);

test(`two mounts: ${operations} random acts of two machines and a web user (SEED=${seed})`, async (t) => {
  const faults = [{ kind: "lost", when: "before" }, { kind: "status", status: 503 }, { kind: "delta-duplicate" }];
  const { contents, kills, copies } = await playTwoMounts({ seed, operations, faults });
  t.diagnostic(`${contents} contents, ${kills} kills, ${copies} conflict copies`);
});
