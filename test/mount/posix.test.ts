/** The POSIX cases on real mounts, through each host: the kernel's own caches, locks and checks lie between the calls and the vfs here. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { cases } from "../posix/cases.ts";
import { realFolder } from "../posix/real-folder.ts";
import { hostNames, type HostName } from "../support/host-process.ts";
import { startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

for (const name of hostNames) describe(`posix: a mount through the ${name} host`, () => suite(name));

function suite(host: HostName): void {
  let sim: Sim;
  let mount: Mount;
  before(async () => {
    sim = await startSim();
    mount = await startMount(sim, { options: { host, write_back: "60" } });
  });
  after(async () => {
    await mount.dispose();
    await sim.stop();
  });

  for (const [number, { name, run }] of cases.entries())
    it(name, async () => {
      const folder = mount.path(String(number));
      await mkdir(folder);
      await run(realFolder(folder));
    });

  it("the daemon said nothing meanwhile", () => assert.equal(mount.stderr(), ""));
}
