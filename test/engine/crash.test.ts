/**
 * The process dies at every point: before and after every request, answer, commit and barrier. Whatever the point, the next process
 * ends with everything in the cloud exactly once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device } from "./device.ts";
import { World } from "./world.ts";
import { parkedOriginal } from "../../src/model/name.ts";

const MEDIUM = Buffer.alloc(5 * 1024 * 1024, "medium ");

interface Scenario {
  readonly name: string;
  before?(device: Device): Promise<void>;
  act(device: Device): Promise<void>;
  readonly after: readonly string[];
  readonly folderCTags?: boolean;
}

const base = async (device: Device): Promise<void> => {
  await device.mkdir("d");
  for (const path of ["a", "b", "d/1", "d/2"]) await device.write(path, path);
};

const SCENARIOS: readonly Scenario[] = [
  {
    name: "creates",
    async act(device) {
      await device.mkdir("n");
      await device.write("n/x", "x");
      await device.write("n/empty", "");
    },
    after: ["n", "n/empty=", "n/x=x"],
  },
  {
    name: "a session",
    act: (device) => device.write("m", MEDIUM),
    after: [`m=${MEDIUM.length} bytes`],
  },
  {
    name: "edits and moves",
    before: base,
    async act(device) {
      await device.write("a", "a2");
      await device.rename("b", "d/b");
      await device.rename("d/1", "one");
      await device.touch("d/2", 1_000_000_000);
    },
    after: ["a=a2", "d", "d/2=d/2", "d/b=b", "one=d/1"],
  },
  {
    name: "a swap",
    before: base,
    async act(device) {
      await device.rename("a", "t");
      await device.rename("b", "a");
      await device.rename("t", "b");
    },
    after: ["a=b", "b=a", "d", "d/1=d/1", "d/2=d/2"],
  },
  ...[true, false].map((folderCTags) => ({
    name: `deletes, folder tags ${folderCTags}`,
    before: base,
    async act(device: Device) {
      await device.remove("a");
      await device.remove("d");
    },
    after: ["b=b"],
    folderCTags,
  })),
];

function shown(world: World): string[] {
  return world.cloud.tree().map(({ path, bytes }) => {
    if (bytes === undefined) return path;
    return `${path}=${bytes.length > 1000 ? `${bytes.length} bytes` : Buffer.from(bytes).toString()}`;
  });
}

async function run(scenario: Scenario, how: "kill" | "powerCut", point: number): Promise<boolean> {
  const world = new World(`${scenario.name}-${how}-${point}`, { folderCTags: scenario.folderCTags ?? false });
  const device = world.device("laptop");
  await world.quiet();
  await scenario.before?.(device);
  await world.quiet();
  await scenario.act(device);
  await device.store.barrier();
  device.crashAt(point, how);
  const flushed = device.flusher.sync();
  flushed.catch(() => undefined);
  await world.pass(20_000);
  const crashed = device.crashes > 0;
  device.crashAt(Infinity, how);
  await world.quiet();
  assert.deepEqual(shown(world), scenario.after, `the cloud after a ${how} at point ${point} of ${scenario.name}`);
  const { intents, ops, sessions, parks, local } = device.store.read;
  const left = { intents, ops, sessions, parks, local };
  for (const [name, table] of Object.entries(left)) assert.equal(table.count, 0, `${name} after point ${point}`);
  for (const [blob, row] of device.store.read.blobs.range()) assert.equal(row.state, "pushed", `blob ${blob}`);
  for (const row of world.cloud.tree()) assert.equal(world.cloud.versions(row.item.id).length <= 2, true);
  await world.stop();
  return crashed;
}

for (const scenario of SCENARIOS)
  for (const how of ["kill", "powerCut"] as const)
    test(`crash: ${how} at every point of ${scenario.name}`, async () => {
      let points = 0;
      for (let point = 1; await run(scenario, how, point); point++) points = point;
      assert.ok(points >= 8, `the scenario has points to die at (${points})`);
    });

test("crash: an item that is deleted here and edited there while it carries a parking name gets its name back", async () => {
  let parked = 0;
  for (let point = 1, crashed = true; crashed; point++) {
    const world = new World(`parked-${point}`);
    const device = world.device("laptop");
    await world.quiet();
    await base(device);
    await world.quiet();
    await device.rename("a", "t");
    await device.rename("b", "a");
    await device.rename("t", "b");
    device.crashAt(point, "kill");
    device.crashed = () => void (device.drive.online = false);
    device.flusher.sync().catch(() => undefined);
    await world.pass(1_000);
    crashed = device.crashes > 0;
    device.crashAt(Infinity, "kill");
    const row = world.cloud.tree().find(({ path }) => parkedOriginal(path) !== undefined);
    if (row) {
      parked++;
      await device.unlink(Buffer.from(row.bytes ?? []).toString() === "a" ? "b" : "a");
      world.cloud.as("web").put(row.path, "edited there");
    }
    device.drive.online = true;
    await world.quiet();
    const paths = world.cloud.tree().map(({ path }) => path);
    assert.deepEqual(
      paths.filter((path) => parkedOriginal(path) !== undefined),
      [],
      `a death at point ${point} leaves no parking name`,
    );
    if (row) assert.ok(shown(world).some((text) => text.endsWith("=edited there")));
    await world.stop();
  }
  assert.ok(parked >= 3, `it died ${parked} times while a name was parked`);
});
