/**
 * Input that is wrong: a feed that is no tree, ids and names in odd forms, hashes that lie, a record of the log that cannot be read. The
 * mount goes on with everything else, nothing is deleted on a guess, and what strong reads can tell ends up right.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blobId, itemId, opId } from "../../src/model/ids.ts";
import type { CloudChange } from "../../src/model/change.ts";
import type { CloudItem } from "../../src/model/item.ts";
import { occupant } from "../../src/sim/mutate.ts";
import { fakeDrive } from "../support/fake-drive.ts";
import type { Device } from "./device.ts";
import { SimWorld } from "./sim-world.ts";
import { World } from "./world.ts";

type Lie = (changes: readonly CloudChange[]) => readonly CloudChange[];

/** A device on a cloud with /a/f, /b/g and /c, whose feed lies once it is told to, for as long as it is told to. */
async function lyingWorld(): Promise<{ world: World; device: Device; lie: (lie: Lie | undefined) => void }> {
  const world = new World("lies");
  let lie: Lie | undefined;
  const { clock, random, cloud } = world;
  const device = world.device("laptop", {
    connect: () => {
      const drive = fakeDrive({ clock, random, cloud, device: "laptop" });
      const honest = drive.changes.bind(drive);
      drive.changes = async (link, signal) => {
        const page = await honest(link, signal);
        return page.ok && lie ? { ok: true, value: { ...page.value, changes: [...lie(page.value.changes)] } } : page;
      };
      return drive;
    },
  });
  const web = cloud.as("web");
  for (const path of ["a/f", "b/g", "c"]) web.put(path, `bytes of ${path}`);
  await world.quiet();
  return { world, device, lie: (next) => (lie = next) };
}

const itemAt = (world: World, path: string): CloudItem => {
  const row = world.cloud.at(path);
  assert.ok(row, `${path} is in the cloud`);
  return row.item;
};

async function endsRight(world: World, device: Device): Promise<void> {
  await device.write("mine", "written meanwhile");
  await world.pass(5_000);
  assert.equal(world.cloud.as("web").content("mine"), "written meanwhile", "the mount goes on");
  await world.quiet();
  const cloud = new Map(
    world.cloud.tree().map(({ path, bytes }) => [path, bytes ? Buffer.from(bytes).toString() : "/"]),
  );
  assert.deepEqual(await world.wait(device.tree()), cloud);
  await world.stop();
}

const LIES: Record<string, (world: World) => Lie> = {
  "an orphan: a file in a folder that nobody knows": (world) => () => [
    { deleted: false, item: { ...itemAt(world, "c"), parentId: itemId("1D641CFAE05579A4!snobody") } },
  ],
  "a ring: two folders each in the other": (world) => {
    const [a, b] = [itemAt(world, "a"), itemAt(world, "b")];
    return () => [
      { deleted: false, item: { ...a, parentId: b.id } },
      { deleted: false, item: { ...b, parentId: a.id } },
    ];
  },
  "a folder in itself": (world) => () => {
    const a = itemAt(world, "a");
    return [{ deleted: false, item: { ...a, parentId: a.id } }];
  },
  "two items in one slot": (world) => () => [
    { deleted: false, item: { ...itemAt(world, "b"), name: "a" } },
    { deleted: false, item: { ...itemAt(world, "c"), name: "A" } },
  ],
  "a file in a file": (world) => () => [
    { deleted: false, item: { ...itemAt(world, "a/f"), parentId: itemAt(world, "c").id } },
  ],
  "a file that became a folder": (world) => () => [{ deleted: false, item: { ...itemAt(world, "c"), kind: "folder" } }],
  "nothing but a tombstone of what is there": (world) => () => [{ deleted: true, id: itemAt(world, "b").id }],
};

for (const [what, lieOf] of Object.entries(LIES))
  test(`bad input: ${what}: the rest goes on, and the truth comes back`, async () => {
    const { world, device, lie } = await lyingWorld();
    lie(lieOf(world));
    world.cloud.as("web").put("new", "arrives");
    await world.pass(70_000);
    for (const path of ["a/f", "b/g", "c"])
      assert.equal(
        world.cloud.as("web").content(path),
        `bytes of ${path}`,
        "nothing is deleted or changed in the cloud",
      );
    lie(undefined);
    await world.pass(70_000);
    assert.ok((await world.wait(device.puller.audit())).ok);
    await endsRight(world, device);
  });

test("bad input: hashes that lie: both sides' bytes are kept, and no upload is left out for a wrong hash", async () => {
  const { world, device, lie } = await lyingWorld();
  lie((changes) =>
    changes.map((change) =>
      change.deleted ? change : { deleted: false, item: { ...change.item, hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } },
    ),
  );
  await device.write("c", "edited here");
  world.cloud.as("web").put("c", "edited there");
  await world.pass(70_000);
  lie(undefined);
  await world.quiet();
  const texts = world.cloud.tree().map(({ bytes }) => Buffer.from(bytes ?? []).toString());
  for (const text of ["edited here", "edited there"])
    assert.equal(texts.filter((each) => each === text).length, 1, text);
  await world.stop();
});

test("bad input: drive ids that change their case and lose their zeros make no item twice and lose none", async () => {
  for (const profile of ["personal", "personal-old", "business"] as const) {
    const world = new SimWorld("ids", profile);
    for (const path of ["a/f", "b/g", "c"]) world.view.put(path, path);
    const device = world.device("laptop");
    await world.quiet();
    world.sim.service.faults.add({ kind: "drive-id" });
    await device.write("a/f", "edited here");
    world.view.put("b/g", "edited there");
    world.view.move("c", "a/c");
    await world.quiet();
    const cloud = new Map(world.view.tree().map(({ path, text }) => [path, text ?? "/"]));
    assert.deepEqual([...cloud.keys()], ["a", "a/c", "a/f", "b", "b/g"], profile);
    assert.deepEqual(await world.wait(device.tree()), cloud, profile);
    await world.stop();
  }
});

test("bad input: an item whose name has a slash is not shown, not touched, and hides nobody else", async () => {
  const world = new SimWorld("slash", "personal");
  for (const path of ["a/f", "odd", "c"]) world.view.put(path, path);
  const odd = occupant({ parent: world.sim.world.main.root, name: "odd" });
  assert.ok(odd);
  odd.name = "../c/x";
  const device = world.device("laptop");
  await world.quiet();
  assert.deepEqual(device.names().sort(), ["a", "c"]);
  await device.write("mine", "goes on");
  await world.quiet();
  assert.deepEqual(
    world.view.tree().map(({ path }) => path),
    ["../c/x", "a", "a/f", "c", "mine"],
  );
  await world.stop();
});

test("bad input: a record of the log that cannot be read is left where it is; what is on disk beside it is pushed", async () => {
  const world = new World("record");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("a", "a");
  const nonsense = {
    seq: 900,
    op: { type: "fly", node: 77, blob: blobId(3) },
    at: 1,
    status: { state: "pending" },
    tries: 0,
  };
  device.store.transact((tx) => tx.ops.put(opId(900), nonsense as never));
  device.kill();
  await device.write("b", "b");
  await world.pass(60_000);
  assert.deepEqual(
    world.cloud.tree().map(({ path }) => path),
    ["a", "b"],
  );
  assert.deepEqual(device.store.read.ops.get(opId(900)), nonsense);
  await world.stop();
});
