/**
 * One seed, one world: clients, somebody in the browser, everything that can go wrong, then quiet. At the end every client shows what
 * the cloud has; every content that nobody did away with who saw it is there once; every item that nobody deleted lives under its id;
 * no parking name, record, intent or park is left.
 *
 * Every step draws from a stream of its own, so leaving steps out does not change what the others draw: that is what makes a failing
 * scenario small (shrink.ts). Two clouds: `fake` (the fake drive, fast) and `sim` (the product's own drive against the simulator's state
 * machine, without sockets).
 */
import assert from "node:assert/strict";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { parkedOriginal } from "../../src/model/name.ts";
import type { ProfileName } from "../../src/sim/profile.ts";
import { actHere, actThere, Ledger } from "../engine/act.ts";
import { Refused, type Device } from "../engine/device.ts";
import { SimWorld } from "../engine/sim-world.ts";
import { World } from "../engine/world.ts";
import { fakeTrouble, simTrouble, type Trouble } from "./trouble.ts";

export interface Scenario {
  readonly seed: number;
  readonly cloud: "fake" | "sim";
  /** The steps that are taken, of 0 to STEPS - 1; all when left out. */
  readonly steps?: readonly number[];
  /** Something is taken away behind everybody's back at the end: the scenario must fail. */
  readonly sabotage?: boolean;
}

export const STEPS = 50;
const CLIENTS = ["ann", "bob", "cid"];
const PROFILES: readonly ProfileName[] = ["personal", "personal-old", "business"];

interface Playing {
  readonly world: World;
  readonly devices: readonly Device[];
  readonly ledger: Ledger;
  readonly trouble: Trouble;
  /** Ids that some client or the browser knew. */
  readonly known: Map<string, string>;
}

export class ScenarioFailed extends Error {}

/** Throws ScenarioFailed with the story when anything does not hold. */
export async function play(scenario: Scenario): Promise<void> {
  const story: string[] = [];
  const playing = open(scenario);
  try {
    await take(scenario, playing, story);
    await end(scenario, playing);
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const logs = playing.devices.map(({ name, log }) => `${name}: ${log.slice(-8).join(" | ")}`);
    throw new ScenarioFailed(`${why}\n  story:\n    ${story.join("\n    ")}\n  logs:\n    ${logs.join("\n    ")}`, {
      cause: error,
    });
  }
}

function open({ seed, cloud }: Scenario): Playing {
  const random = seededRandom(`world-${seed}`).split("kind of world");
  const world =
    cloud === "fake"
      ? new World(`world-${seed}`, knobsFrom(random))
      : new SimWorld(`world-${seed}`, random.pick(PROFILES));
  const count = random.pick([1, 2, 2, 3, 3, 3, 3, 3]);
  // In one world of five every plan is made in turns with everything else, a few steps at a time.
  const planning = seed % 5 === 1 ? { planning: { atOnce: 0, perTurn: 1 + (seed % 7) } } : {};
  const devices = CLIENTS.slice(0, count).map((name) => world.device(name, planning));
  const ledger = new Ledger();
  for (const device of devices) device.crashed = (how) => how === "powerCut" && ledger.lostPower(device.name);
  const trouble = world instanceof SimWorld ? simTrouble(world) : fakeTrouble(world);
  return { world, devices, ledger, trouble, known: new Map() };
}

function knobsFrom(random: Random): ConstructorParameters<typeof World>[1] {
  const oneIn = (n: number): boolean => random.below(n) === 0;
  return {
    lagMs: oneIn(3) ? 20_000 : 0,
    shuffle: oneIn(2),
    duplicates: oneIn(4) ? 0.3 : 0,
    folderCTags: oneIn(3),
    tombstonesBelow: oneIn(2),
    lostTombstones: oneIn(8) ? 0.3 : 0,
    pageItems: oneIn(6) ? 3 : 200,
    feedOmitsHash: oneIn(10),
  };
}

async function take(scenario: Scenario, playing: Playing, story: string[]): Promise<void> {
  const { world } = playing;
  await world.quiet();
  for (const step of scenario.steps ?? Array.from({ length: STEPS }, (_, at) => at)) {
    const told = await one(playing, world.random.split(`step/${step}`));
    if (told !== "") story.push(`${step}: ${told}`);
    for (const { id, createdBy } of world.view.tree()) noteKnown(playing, id, createdBy);
  }
}

/** An item counts as known when the browser made it, or its maker has had the answer. */
function noteKnown({ devices, known }: Playing, id: string, createdBy: string): void {
  const maker = devices.find(({ name }) => name === createdBy);
  if (maker?.isDown) return;
  if (!maker || maker.store.read.ids.get(id as never) !== undefined) known.set(id, createdBy);
}

async function one(playing: Playing, random: Random): Promise<string> {
  const { world, devices, ledger } = playing;
  while (devices.some((each) => each.isDown)) await world.turn();
  const device = random.pick(devices);
  const kind = random.below(20);
  // A power cut before the first sync of the disk leaves a device that knows nothing; offline it rightly refuses to act.
  const knows = device.store.read.meta.get("enumerated") === true;
  let told = "";
  if (kind < 9 && knows) told = await attempt(playing, device, () => actHere(world, device, ledger, random));
  else if (kind < 11) told = actThere(world, ledger, random);
  else told = await disturb(playing, device, random);
  if (random.below(3) === 0) await world.turn();
  return told;
}

/** An act that its process may not survive. What it was to write is then nobody's promise. */
async function attempt({ world, ledger }: Playing, device: Device, act: () => Promise<string>): Promise<string> {
  const { crashes } = device;
  const before = ledger.made.size;
  let told: string | undefined;
  let error: unknown;
  act().then(
    (value) => (told = value),
    (why: unknown) => (error = why ?? new Error("no reason")),
  );
  while (told === undefined && error === undefined && device.crashes === crashes) await world.pass(100);
  if (device.crashes > crashes) {
    ledger.doubt(before);
    await world.turn();
    return `${device.name} dies in the middle of an act`;
  }
  if (error instanceof Refused && error.fault.kind === "noSpace") {
    ledger.doubt(before);
    return `${device.name} is told that the drive is full`;
  }
  if (error !== undefined) throw error instanceof Error ? error : new Error("an act failed", { cause: error });
  return told ?? "";
}

async function disturb(playing: Playing, device: Device, random: Random): Promise<string> {
  const { world, ledger, trouble } = playing;
  const kind = random.below(15);
  if (kind < 5) {
    const ms = random.pick([50, 1_000, 4_000, 40_000]);
    await world.pass(ms);
    return `${ms} ms pass`;
  }
  if (kind < 10) return trouble.next(device, random);
  if (kind === 10) {
    const { crashes } = device;
    await attempt(playing, device, async () => {
      await device.store.barrier();
      return "synced";
    });
    if (device.crashes === crashes) ledger.synced(device.name);
    return `${device.name} syncs its disk`;
  }
  if (kind === 11) {
    device.kill();
    return `${device.name} is killed`;
  }
  if (kind === 12) {
    device.powerCut(random.below(2) === 0 ? random : undefined);
    ledger.lostPower(device.name);
    return `${device.name} loses power`;
  }
  const how = random.pick(["kill", "powerCut"] as const);
  const point = 1 + random.below(25);
  device.crashAt(point, how);
  return `${device.name} will die (${how}) at point ${point}`;
}

async function end({ sabotage }: Scenario, playing: Playing): Promise<void> {
  const { world, devices, trouble } = playing;
  while (devices.some((each) => each.isDown)) await world.turn();
  trouble.end();
  for (const device of devices) device.crashAt(Infinity, "kill");
  await world.pass(200_000);
  await world.quiet(40);
  retryParked(devices);
  await world.quiet(40);
  // A feed that tells only the deletion of a folder forgets what was moved into it just before: the audit finds that.
  for (const device of devices) assert.ok((await world.wait(device.puller.audit())).ok, `${device.name} audits`);
  await world.quiet(40);
  const [first] = world.view.tree();
  if (sabotage && first) world.view.remove(first.path);
  await world.quiet(40);
  await check(playing, sabotage === true && first === undefined);
  await world.stop();
}

/** What was refused for good while there was trouble is tried again, as a person would. */
function retryParked(devices: readonly Device[]): void {
  for (const { store, flusher } of devices)
    for (const [op, row] of store.read.ops.range()) if (row.status.state === "parked") flusher.retry(op);
}

async function check(playing: Playing, nothingThere: boolean): Promise<void> {
  const { world, devices, ledger, known, trouble } = playing;
  // The create of a file without an answer, the file moved by somebody before a late feed tells of it: it is sent again.
  const wandered = (text: string): boolean => trouble.lateFeed && ledger.wandered.has(text);
  // The create of a file without an answer, whose bytes the service changed before anybody could see them: nobody can tell whose file it
  // is, and both are kept: the service's and ours.
  const disowned = (text: string): boolean => {
    const marked = rows.filter((row) => row.text === text).map((row) => row.marked);
    return trouble.disowns && marked.length === 2 && marked[0] !== marked[1];
  };
  const mayBeTwice = (text: string): boolean => wandered(text) || disowned(text);
  assert.ok(!nothingThere, "nothing to take away");
  const cloud = new Map<string, string>();
  const count = new Map<string, number>();
  const rows = world.view.tree();
  for (const { path, text } of rows) {
    cloud.set(path, text ?? "/");
    if (text !== undefined) count.set(text, (count.get(text) ?? 0) + 1);
  }
  for (const text of ledger.made)
    if (!ledger.destroyed.has(text)) assert.ok(count.has(text), `S1: "${text}" is there once`);
  for (const [text, copies] of count) {
    // A process that dies between making a file and writing to it leaves it empty.
    if (text === "") continue;
    assert.ok(ledger.made.has(text), `nobody wrote "${text}"`);
    if (!mayBeTwice(text)) assert.equal(copies, 1, `S2: "${text}" is there once`);
  }
  const alive = new Set(rows.map(({ id }) => id));
  for (const [id, maker] of known)
    assert.ok(alive.has(id) || ledger.ended.has(id) || ledger.loose.has(maker), `S3: item ${id} lives under its id`);
  for (const path of cloud.keys()) assert.equal(parkedOriginal(path.split("/").at(-1)!), undefined, `S9: ${path}`);
  for (const device of devices) {
    const tree = await world.wait(device.tree());
    assert.deepEqual(
      new Map([...tree].map(([path, text]) => [path, plainly(text)])),
      cloud,
      `C1: ${device.name} shows what the cloud has`,
    );
    const { intents, ops, sessions, parks, local } = device.store.read;
    for (const [name, table] of Object.entries({ intents, ops, sessions, parks, local }))
      assert.equal(table.count, 0, `C2: ${device.name}: ${name} are empty`);
  }
}

function plainly(text: string): string {
  return text.replaceAll(/\n<!-- marked by the service: \d+ -->\n/g, "").replaceAll("<enriched/>", "");
}
