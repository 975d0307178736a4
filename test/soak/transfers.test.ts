/** 500 MiB up and down with kill -9 at 40 random points: resumed, at most one fragment sent twice for each kill, hash right. (SEED, MIB, KILLS) */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { FRAGMENT, killedDownload, killedUpload, MIB } from "../support/transfers.ts";

const seed = process.env["SEED"] ?? "1";
const mib = Number(process.env["MIB"] ?? 500);
const kills = Number(process.env["KILLS"] ?? 40);

for (const [what, transfer] of [
  ["upload", killedUpload],
  ["download", killedDownload],
] as const)
  test(`transfers: ${what} of ${mib} MiB, killed ${kills} times (SEED=${seed})`, async (t) => {
    const moved = await transfer({ mib, kills, random: seededRandom(`${what} ${seed}`), lifeMs: 500 });
    t.diagnostic(JSON.stringify({ ...moved, extraMib: moved.bytes / MIB - mib }));
    assert.ok(moved.bytes <= mib * MIB + moved.kills * FRAGMENT, `${moved.bytes} bytes moved`);
    if (what === "upload") assert.equal(moved.sessions, 1);
  });
