/**
 * Devices, somebody in the browser, a lagging feed, lost answers, dead networks, kill -9 and power cuts, from a seed. At the end every
 * device shows what the cloud has; every content that nobody did away with who saw it is there, once; nothing is left behind.
 *
 * One seed: CONVERGE_SEEDS=17-17 node --import tsx --test test/engine/converge.test.ts
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "../../src/base/random.ts";
import type { FaultKind } from "../../src/model/fault.ts";
import { parkedOriginal } from "../../src/model/name.ts";
import { actHere, actThere, Ledger } from "./act.ts";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

const [FIRST, LAST] = (process.env["CONVERGE_SEEDS"] ?? "1-60").split("-").map(Number) as [number, number];
const STEPS = 30;

const CHANGING = ["createFolder", "update", "remove", "upload"] as const;
const FAULTS: readonly FaultKind[] = [
  "unavailable",
  "timedOut",
  "offline",
  "garbled",
  "throttled",
  "locked",
  "changed",
];

function worldOf(seed: number): { world: World; devices: Device[]; random: Random } {
  const world = new World(`converge-${seed}`, {
    lagMs: seed % 3 === 0 ? 20_000 : 0,
    shuffle: seed % 2 === 0,
    duplicates: seed % 4 === 0 ? 0.3 : 0,
    folderCTags: seed % 5 === 0,
    tombstonesBelow: seed % 2 === 1,
    pageItems: seed % 7 === 0 ? 3 : 200,
  });
  const devices = ["ann", "bob"].slice(0, seed % 6 === 0 ? 1 : 2).map((name) => world.device(name));
  return { world, devices, random: world.random.split("persons") };
}

/** Something goes wrong, or time passes. */
async function disturb(world: World, device: Device, ledger: Ledger, random: Random): Promise<string> {
  const kind = random.below(12);
  if (kind < 5) {
    const ms = random.pick([50, 1_000, 4_000, 40_000]);
    await world.pass(ms);
    return `${ms} ms pass`;
  }
  if (kind === 5) {
    device.drive.online = !device.drive.online;
    return `${device.name} is ${device.drive.online ? "online" : "offline"}`;
  }
  if (kind < 9) {
    const fault = random.pick(FAULTS);
    const moment = fault === "changed" || fault === "locked" ? "before" : random.pick(["before", "after"] as const);
    device.drive.fail({ call: CHANGING, count: 1 + random.below(2), moment, fault });
    return `${device.name} will see ${fault} ${moment}`;
  }
  if (kind === 9) {
    await world.wait(device.store.barrier());
    ledger.synced(device.name);
    return `${device.name} syncs its disk`;
  }
  if (kind === 10) {
    device.kill();
    return `${device.name} is killed`;
  }
  device.powerCut(random.below(2) === 0 ? random : undefined);
  ledger.lostPower(device.name);
  return `${device.name} loses power`;
}

async function run(seed: number): Promise<void> {
  const { world, devices, random } = worldOf(seed);
  const ledger = new Ledger();
  const trace: string[] = [];
  try {
    await world.quiet();
    for (let step = 0; step < STEPS; step++) {
      const device = random.pick(devices);
      const kind = random.below(10);
      // A power cut before the first sync of the disk leaves a device that knows nothing; offline it rightly refuses to act.
      const knows = device.store.read.meta.get("enumerated") === true;
      if (kind < 5 && knows) trace.push(await actHere(world, device, ledger, random));
      else if (kind < 6) trace.push(actThere(world, ledger, random));
      else trace.push(await disturb(world, device, ledger, random));
      if (random.below(3) === 0) await world.turn();
    }
    for (const { drive } of devices) {
      drive.online = true;
      drive.clearFaults();
    }
    await world.pass(200_000);
    await world.quiet(40);
    // A feed that tells only the deletion of a folder forgets what was moved into it just before: the audit finds that.
    for (const device of devices) assert.ok((await world.wait(device.puller.audit())).ok);
    await world.quiet(40);
    await check(world, devices, ledger);
    await world.stop();
  } catch (error) {
    const story = trace.filter(Boolean).join("\n  ");
    const replay = `CONVERGE_SEEDS=${seed}-${seed} node --import tsx --test test/engine/converge.test.ts`;
    const logs = devices.map((device) => device.log.slice(-12).join("\n    ")).join("\n  --\n    ");
    throw new Error(`seed ${seed}\n  ${story}\n  log:\n    ${logs}\n  replay: ${replay}`, { cause: error });
  }
}

async function check(world: World, devices: readonly Device[], ledger: Ledger): Promise<void> {
  const cloud = new Map<string, string>();
  const count = new Map<string, number>();
  for (const { path, bytes } of world.cloud.tree()) {
    const text = bytes === undefined ? "/" : Buffer.from(bytes).toString();
    cloud.set(path, text);
    if (bytes !== undefined) count.set(text, (count.get(text) ?? 0) + 1);
  }
  for (const device of devices) {
    const tree = await world.wait(device.tree());
    assert.deepEqual(tree, cloud, `${device.name} shows what the cloud has`);
    const { intents, ops, sessions, parks, local } = device.store.read;
    for (const [name, table] of Object.entries({ intents, ops, sessions, parks, local }))
      assert.equal(table.count, 0, `${device.name}: ${name} are empty`);
  }
  for (const path of cloud.keys()) assert.equal(parkedOriginal(path.split("/").at(-1)!), undefined, path);
  for (const text of ledger.made)
    if (!ledger.destroyed.has(text)) assert.equal(count.get(text) ?? 0, 1, `"${text}" is there once`);
  for (const [text, copies] of count) {
    assert.ok(ledger.made.has(text), `nobody wrote "${text}"`);
    assert.equal(copies, 1, `"${text}" is there once`);
  }
}

test(`converge: seeds ${FIRST} to ${LAST}`, async () => {
  const failures: unknown[] = [];
  for (let seed = FIRST; seed <= LAST; seed++) await run(seed).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} seeds fail`);
});
