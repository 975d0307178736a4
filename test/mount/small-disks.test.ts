/**
 * Folders on unusual disks: without extended attributes, and full. What each file belongs to is kept beside it then, and told; a full
 * disk refuses writes before anything is lost, reads go on, and with room again everything goes on without a restart.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { eventually, startMount, type Mount, type MountWishes } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
const noise = (size: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed * 13 + (i >> 8)) & 255));

/** Needs the right to mount. */
const canMount = ((): boolean => {
  const dir = mkdtempSync(join(tmpdir(), "can-mount-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", dir]).status === 0;
  if (mounted) spawnSync("umount", [dir]);
  rmSync(dir, { recursive: true });
  return mounted;
})();
const skip = canMount ? false : "no right to mount";

before(async () => {
  sim = await startSim();
});

after(async () => {
  await sim?.stop();
});

/** A mount whose state or cache folder is a disk of its own. */
async function on(
  disks: Readonly<Partial<Record<"state" | "cache", readonly string[]>>>,
  wishes: MountWishes,
  how: (mount: Mount) => Promise<void>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "onedrive-small-"));
  const mounted: string[] = [];
  let mount: Mount | undefined;
  try {
    for (const [folder, args] of Object.entries(disks)) {
      mkdirSync(join(home, folder));
      execFileSync("mount", [...args, "none", join(home, folder)]);
      mounted.push(join(home, folder));
    }
    mount = await startMount(sim, { ...wishes, home });
    await how(mount);
  } finally {
    await mount?.kill(); // before its disks go
    for (const folder of mounted) spawnSync("umount", ["-l", folder]);
    await mount?.dispose();
    rmSync(home, { recursive: true, force: true });
  }
}

async function status(mount: Mount): Promise<{ reasons: readonly string[]; enumerated: boolean }> {
  return JSON.parse((await mount.ctl("status", mount.dir, "--json")).out) as { reasons: string[]; enumerated: boolean };
}

const RAMFS = ["-t", "ramfs"];

test(
  "without extended attributes identity is kept beside each file, told once, and a lost index is built anew from it",
  { skip },
  async () => {
    await sim.mkdir("plain");
    for (let i = 0; i < 5; i++) await sim.put(`plain/${i}`, noise(50_000, i));
    await on({ state: RAMFS, cache: RAMFS }, { options: { write_back: "600", flush_timeout: "0" } }, async (mount) => {
      await eventually("the drive is read", async () => (await status(mount)).enumerated);
      for (let i = 0; i < 5; i++) assert.ok(readFileSync(mount.path("plain", String(i))).equals(noise(50_000, i)));
      writeFileSync(mount.path("plain/mine"), "mine");
      writeFileSync(mount.path("plain/2"), "edited");
      await delay(2500);
      assert.equal((await status(mount)).reasons.filter((reason) => /no extended attributes/.test(reason)).length, 1);
      assert.equal(mount.stderr().match(/no extended attributes/g)?.length, 1, mount.stderr());
      await mount.kill();
      rmSync(join(mount.home, "state/mount.onedrive/default/store"), { recursive: true });
      await sim.clearRequests();
      await mount.start();
      await eventually("the edits are back", () => {
        const names = readdirSync(mount.path("plain"));
        return names.includes("mine") && readFileSync(mount.path("plain/2"), "utf8") === "edited";
      });
      for (const i of [0, 1, 3, 4]) assert.ok(readFileSync(mount.path("plain", String(i))).equals(noise(50_000, i)));
      assert.deepEqual(
        (await sim.requests()).filter(({ path }) => path.includes("/_dl/")),
        [],
      );
      assert.equal((await mount.ctl("sync", mount.dir)).code, 0);
      await mount.settled();
      assert.equal((await sim.get("plain/2")).toString(), "edited");
      const checked = await mount.ctl("check", mount.dir);
      assert.equal(checked.code, 0, checked.out);
    });
  },
);

test("the cache's disk is full: everything can be read all the same", { skip }, async () => {
  const bytes = noise(12_000_000, 3);
  await sim.put("large.bin", bytes);
  await sim.put("small.txt", "small");
  await on({ cache: ["-t", "tmpfs", "-o", "size=2m"] }, {}, async (mount) => {
    await eventually("the drive is read", async () => (await status(mount)).enumerated);
    assert.ok(readFileSync(mount.path("large.bin")).equals(bytes));
    assert.equal(readFileSync(mount.path("small.txt"), "utf8"), "small");
    writeFileSync(mount.path("written meanwhile.txt"), "written");
    await mount.settled();
    assert.equal((await sim.get("written meanwhile.txt")).toString(), "written");
  });
});

test(
  "the state's disk is full: writes get ENOSPC, what was closed is kept, and with room again all goes on",
  { skip },
  async () => {
    await on({ state: ["-t", "tmpfs", "-o", "size=24m"] }, {}, async (mount) => {
      await eventually("the drive is read", async () => (await status(mount)).enumerated);
      mkdirSync(mount.path("full"));
      writeFileSync(mount.path("full/before.txt"), "before");
      await mount.settled();
      const filler = join(mount.home, "state/filler");
      const fill = openSync(filler, "w");
      try {
        for (const piece of [1_000_000, 4_096])
          for (let wrote = piece; wrote === piece;) {
            try {
              wrote = writeSync(fill, Buffer.alloc(piece));
            } catch (error) {
              assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
              wrote = 0;
            }
          }
      } finally {
        closeSync(fill);
      }
      const kept: [string, Buffer][] = [];
      let refused = 0;
      for (let i = 0; i < 20; i++) {
        try {
          writeFileSync(mount.path(`full/${i}`), noise(100_000, i));
          kept.push([`full/${i}`, noise(100_000, i)]);
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC", String(error));
          refused++;
        }
      }
      assert.ok(refused > 0);
      assert.equal(readFileSync(mount.path("full/before.txt"), "utf8"), "before");
      await delay(2000);
      rmSync(filler);
      await eventually("it can be written again", () => {
        try {
          writeFileSync(mount.path("full/after.txt"), "after");
          return true;
        } catch {
          return false;
        }
      });
      await mount.settled(90);
      assert.equal((await sim.get("full/after.txt")).toString(), "after");
      for (const [path, bytes] of kept) assert.ok((await sim.get(path)).equals(bytes), path);
      process.stderr.write(`full state disk: ${kept.length} kept, ${refused} refused\n`);
      assert.equal((await mount.ctl("check", mount.dir)).code, 0, (await mount.ctl("check", mount.dir)).out);
    });
  },
);
