/** stress-ng on a mount: what passes on tmpfs passes there, and the daemon, its state and the cloud are in order afterwards. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { assertCloudEquals } from "./cloud-equals.ts";
import { startMount } from "./mount-process.ts";
import { startSim } from "./sim-process.ts";
import { stress } from "./stressors.ts";

/** Each group runs at the same time, one group after the other. */
export async function stressMount(
  groups: readonly (readonly string[])[],
  how: { readonly seconds: number; readonly instances: number },
): Promise<void> {
  const tmpfs = mkdtempSync("/dev/shm/onedrive-stress-");
  const sim = await startSim();
  const mount = await startMount(sim);
  try {
    mkdirSync(mount.path("stress"));
    mkdirSync(mount.path("kept"));
    for (const names of groups) {
      const oracle = await stress(tmpfs, names, { ...how, seconds: 1 });
      assert.equal(oracle.code, 0, `on tmpfs: ${names.join(" ")}: ${oracle.out}${oracle.err}`);
      const ran = await stress(mount.path("stress"), names, how);
      assert.equal(ran.code, 0, `on the mount: ${names.join(" ")}: ${ran.out}${ran.err}${mount.stderr()}`);
      assert.deepEqual(readdirSync(mount.path("stress")), [], `${names.join(" ")} removed everything`);
    }
    const released = await mount.ctl("release", mount.dir);
    assert.equal(released.code, 0, released.err);
    await mount.settled(120);
    const check = await mount.ctl("check", "--cloud", mount.dir);
    assert.equal(check.code, 0, check.out + check.err);
    await assertCloudEquals(sim, mount.dir);
    assert.equal(mount.stderr().replace(/^mount\.onedrive: \d+ deletions are held: .*\n/gm, ""), "");
    assert.equal(await mount.unmount(), 0);
  } finally {
    await mount.dispose();
    await sim.stop();
    rmSync(tmpfs, { recursive: true, force: true });
  }
}
