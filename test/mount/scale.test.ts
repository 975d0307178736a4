/** A drive of 100,000 items: the first listing does not wait for the enumeration, and memory stays small. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { eventually, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim("--populate", "1000x100x100");
  mount = await startMount(sim);
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

interface Status {
  readonly items: number;
  readonly enumerated: boolean;
}

const status = async (): Promise<Status> => JSON.parse((await mount.ctl("status", mount.dir, "--json")).out) as Status;
const anonymousMiB = (): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${mount.pid}/status`, "utf8"))![1]) / 1024;

test("scale: the root is listed while the tree is still being read, and 100,000 items fit", async () => {
  const began = Date.now();
  assert.equal(readdirSync(mount.dir).length, 1000);
  console.log(`first ls of the root: ${Date.now() - began} ms after the mount`);
  await eventually("the whole tree is known", async () => (await status()).enumerated, 120_000);
  assert.ok((await status()).items >= 100_000);
  const mib = anonymousMiB();
  console.log(`RssAnon after reading 100,000 items: ${mib.toFixed(0)} MiB`);
  assert.ok(mib < 200, `RssAnon ${mib} MiB`);
});

test("scale: a remount serves the whole tree from disk, also with the network down", async () => {
  await mount.unmount();
  await sim.network(false);
  const began = Date.now();
  await mount.start();
  console.log(`remount with 100,000 items: ${Date.now() - began} ms`);
  assert.equal(readdirSync(mount.dir).length, 1000);
  assert.equal(readdirSync(mount.path(readdirSync(mount.dir)[500]!)).length, 100);
});
