/** Large files on their way while the daemon is killed, the service is difficult, and the person goes on writing. */
import assert from "node:assert/strict";
import { promises as fs } from "node:fs";
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { noise } from "../contract/content-world.ts";
import { eventually, startMount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";
import { FRAGMENT, fragments, killedDownload, killedUpload, MIB, writeLarge } from "../support/transfers.ts";
import type { Mount } from "../support/mount-process.ts";

/** What a kill may cost a download: what came since the map was written, and what was on its way. */
const FETCHED_AGAIN = 8 * MIB;

test("transfers: an upload of 64 MiB that is killed 5 times goes on where it was, in one session", async (t) => {
  const moved = await killedUpload({ mib: 64, kills: 5, random: seededRandom("up"), lifeMs: 700 });
  t.diagnostic(JSON.stringify(moved));
  assert.equal(moved.sessions, 1);
  assert.ok(moved.bytes <= 64 * MIB + moved.kills * FRAGMENT, `${moved.bytes} bytes were sent`);
});

test("transfers: a download of 64 MiB that is killed 5 times fetches what it has not", async (t) => {
  const moved = await killedDownload({ mib: 64, kills: 5, random: seededRandom("down"), lifeMs: 700 });
  t.diagnostic(JSON.stringify(moved));
  assert.ok(moved.bytes <= 64 * MIB + moved.kills * FETCHED_AGAIN, `${moved.bytes} bytes were fetched`);
});

const troubles: readonly (readonly [string, object])[] = [
  ["a session that is gone (404)", { kind: "not-found-session", route: "session.put", count: 1 }],
  ["an answer that is lost (416 afterwards)", { kind: "lost-after", route: "session.put", count: 1 }],
  ["fragments of which a part is kept", { kind: "mid-fragment", route: "session.put", bytes: 327_680, count: 2 }],
  ["fragments that break off", { kind: "cut-up", route: "session.put", bytes: 3_000_000, count: 2 }],
  ["an address that expired", { kind: "url-expired", route: "session.put", count: 1 }],
  ["503 in the middle", { kind: "status", status: 503, retryAfter: 1, route: "session.put", count: 2 }],
  ["a lock (423)", { kind: "status", status: 423, route: "session.create", count: 1 }],
];

async function withMount(run: (sim: Sim, mount: Mount) => Promise<void>, bandwidth = "60M"): Promise<void> {
  const sim = await startSim("--bandwidth", bandwidth);
  try {
    const mount = await startMount(sim);
    try {
      await run(sim, mount);
    } finally {
      await mount.dispose();
    }
  } finally {
    await sim.stop();
  }
}

test("transfers: an upload gets over whatever the service does to its session", async () => {
  await withMount(async (sim, mount) => {
    for (const [i, [what, trouble]] of troubles.entries()) {
      if (JSON.stringify(trouble).includes("423")) continue; // waits for minutes: see the test of refusals
      const bytes = noise(25 * MIB, i + 1);
      await sim.faults(trouble);
      await fs.writeFile(mount.path(`f${i}`), bytes);
      await mount.settled(90);
      await sim.clearFaults();
      assert.ok((await sim.get(`f${i}`)).equals(bytes), what);
      assert.equal((await sim.versions(`f${i}`)).length, 1, what);
    }
    assert.equal((await sim.tree()).filter(({ folder }) => !folder).length, troubles.length - 1, "nothing is doubled");
  });
});

test("transfers: what is written and cut during an upload is what the cloud has in the end", async () => {
  await withMount(async (sim, mount) => {
    const path = mount.path("large.bin");
    await writeLarge(path, 48);
    await eventually("it goes up", async () => fragments(await sim.requests()).length > 1);
    const file = await fs.open(path, "r+");
    await file.write(Buffer.from("newer"), 0, 5, 20 * MIB);
    await file.truncate(30 * MIB + 5);
    await file.close();
    await mount.settled(90);
    const [here, there] = [await fs.readFile(path), await sim.get("large.bin")];
    assert.equal(there.length, 30 * MIB + 5);
    assert.ok(here.equals(there));
    assert.equal(there.subarray(20 * MIB, 20 * MIB + 5).toString(), "newer");
    assert.equal((await sim.tree()).filter(({ folder }) => !folder).length, 1, "and nothing else");
  }, "20M");
});

test("transfers: an unmount during an upload ends in time, and the next mount goes on", async () => {
  await withMount(async (sim, mount) => {
    await writeLarge(mount.path("large.bin"), 64);
    await eventually("it goes up", async () => fragments(await sim.requests()).length > 1, 60_000);
    const began = Date.now();
    assert.equal(await mount.unmount(), 0);
    assert.ok(Date.now() - began < 15_000, "flush_timeout is kept");
    await mount.start();
    await mount.settled(90);
    const rows = await sim.requests();
    const landed = fragments(rows).filter(({ status }) => status >= 200 && status < 300);
    assert.equal(
      landed.reduce((sum, row) => sum + (row.received ?? 0), 0),
      64 * MIB,
      "no fragment that landed is sent again",
    );
    assert.equal(rows.filter(({ path }) => path.includes("createUploadSession")).length, 1, "one session");
  }, "8M");
});
