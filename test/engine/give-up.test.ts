/** Cancel and undo: what was not sent yet is given up or taken back, and no byte is lost by it, whatever is killed when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OpType } from "../../src/op/op.ts";
import { opId } from "../../src/model/ids.ts";
import { checkStore } from "../../src/store/check.ts";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

/** `d/a`, `d/b` and `f` are in the cloud and have been read; nothing is sent before a minute of quiet. */
async function prepared(seed: string): Promise<{ world: World; device: Device }> {
  const world = new World(seed);
  const device = world.device("laptop", { writeBackMs: 60_000 });
  const web = world.cloud.as("web");
  web.mkdir("d");
  for (const path of ["d/a", "d/b", "f"]) web.put(path, path.toUpperCase());
  await world.quiet();
  for (const path of ["d/a", "d/b", "f"]) await device.read(path);
  return { world, device };
}

function opOf(device: Device, type: OpType, path: string) {
  for (const [seq, { op }] of device.store.read.ops.range())
    if (op.type === type && device.find(path) === op.node) return opId(seq);
  return assert.fail(`no ${type} of ${path}`);
}

function deletionOf(device: Device, type: "deleteFile" | "deleteFolder") {
  for (const [seq, { op }] of device.store.read.ops.range()) if (op.type === type) return opId(seq);
  return assert.fail(`no ${type}`);
}

async function good(done: Promise<{ readonly ok: boolean }>): Promise<void> {
  assert.deepEqual(await done, { ok: true, value: undefined });
}

const plain = (name: string): string => name.replace(/ \(conflict laptop \d{4}-\d\d-\d\d [a-z2-7]{6}\)/, " (conflict)");

async function here(device: Device): Promise<Record<string, string>> {
  return Object.fromEntries([...(await device.tree())].map(([path, text]) => [plain(path), text]));
}

function inCloud(world: World): Record<string, string> {
  const rows = world.cloud.tree().map(({ path, bytes }) => [plain(path), bytes ? Buffer.from(bytes).toString() : "/"]);
  return Object.fromEntries(rows) as Record<string, string>;
}

/** Nothing of it goes to the cloud, over a kill and a sync; store and log hold together. */
async function settles(world: World, device: Device, cloud: Record<string, string>): Promise<void> {
  const before = await here(device);
  device.kill();
  await world.pass(1_000);
  const synced = device.flusher.sync();
  await world.pass(200_000);
  await synced;
  assert.deepEqual(inCloud(world), cloud, "the cloud");
  assert.deepEqual(await here(device), before, "here, after a kill");
  assert.deepEqual(checkStore(device.store.read), []);
  const { pending, parked, held } = device.flusher.status();
  assert.deepEqual({ pending, parked, held }, { pending: 0, parked: 0, held: 0 });
  await world.stop();
}

const CLOUD = { d: "/", "d/a": "D/A", "d/b": "D/B", f: "F" };

for (const how of ["cancel", "undo"] as const)
  test(`give up: ${how} of an edit brings the cloud's bytes back and keeps ours beside it, on this machine only`, async () => {
    const { world, device } = await prepared(`edit-${how}`);
    await device.write("f", "edited");
    await good(device.flusher[how](opOf(device, "writeContent", "f")));
    assert.equal(await device.read("f"), "F");
    assert.deepEqual(await here(device), { ...CLOUD, d: "/", "f (conflict)": "edited" });
    assert.equal([...device.store.read.conflicts.range()].length, 1, "it is listed");
    await settles(world, device, CLOUD);
  });

test("give up: cancel of an edit leaves a rename of the same file to go, undo takes both back", async () => {
  for (const how of ["cancel", "undo"] as const) {
    const { world, device } = await prepared(`edit-and-move-${how}`);
    await device.write("f", "edited");
    await device.rename("f", "d/g");
    await good(device.flusher[how](opOf(device, "writeContent", "d/g")));
    const moved = { d: "/", "d/a": "D/A", "d/b": "D/B", "d/g": "F" };
    const cloud = how === "cancel" ? moved : CLOUD;
    const copy = how === "cancel" ? "d/g (conflict)" : "f (conflict)";
    assert.deepEqual(await here(device), { ...cloud, [copy]: "edited" });
    await settles(world, device, cloud);
  }
});

test("give up: cancel of a rename leaves an edit of the same file to go", async () => {
  const { world, device } = await prepared("move-and-edit");
  await device.write("f", "edited");
  await device.rename("f", "d/g");
  await good(device.flusher.cancel(opOf(device, "move", "d/g")));
  assert.deepEqual(await here(device), { ...CLOUD, f: "edited" });
  await settles(world, device, { ...CLOUD, f: "edited" });
});

test("give up: a new file stays on this machine only: where it is when cancelled, aside when undone", async () => {
  for (const how of ["cancel", "undo"] as const) {
    const { world, device } = await prepared(`create-${how}`);
    await device.write("d/new", "new");
    const node = device.find("d/new");
    await good(device.flusher[how](opOf(device, "createFile", "d/new")));
    const name = how === "cancel" ? "d/new" : "d/new (conflict)";
    assert.deepEqual(await here(device), { ...CLOUD, [name]: "new" });
    assert.ok(node !== undefined && device.store.read.facts.get(node)?.localOnly, "the same node");
    await settles(world, device, CLOUD);
  }
});

test("give up: a new folder stays on this machine only, with what is new in it", async () => {
  const { world, device } = await prepared("folder");
  await device.mkdir("n");
  await device.write("n/x", "new");
  await good(device.flusher.cancel(opOf(device, "createFolder", "n")));
  assert.deepEqual(await here(device), { ...CLOUD, n: "/", "n/x": "new" });
  await settles(world, device, CLOUD);
});

test("give up: cancel of a deleted folder brings it back, undo also what was in it", async () => {
  for (const how of ["cancel", "undo"] as const) {
    const { world, device } = await prepared(`delete-${how}`);
    await device.remove("d");
    assert.deepEqual(await here(device), { f: "F" });
    await good(device.flusher[how](deletionOf(device, "deleteFolder")));
    const after = how === "cancel" ? { d: "/", f: "F" } : CLOUD;
    assert.deepEqual(await here(device), after);
    await settles(world, device, after);
  }
});

test("give up: undo of a deleted file in a deleted folder brings both back, and nothing else", async () => {
  const { world, device } = await prepared("delete-file");
  await device.remove("d");
  await good(device.flusher.undo(deletionOf(device, "deleteFile")));
  const [kept] = Object.keys(await here(device)).filter((path) => path.startsWith("d/"));
  assert.ok(kept === "d/a" || kept === "d/b");
  await settles(world, device, { d: "/", [kept]: kept.toUpperCase(), f: "F" });
});

test("give up: nothing is taken back into a place that is taken, and nothing while it is under way", async () => {
  const { world, device } = await prepared("refused");
  await device.unlink("f");
  await device.mkdir("f");
  const taken = await device.flusher.undo(deletionOf(device, "deleteFile"));
  assert.ok(!taken.ok && taken.fault.kind === "exists");
  assert.deepEqual(await here(device), { ...CLOUD, f: "/" });
  const none = await device.flusher.cancel(opId(99_999));
  assert.ok(!none.ok && none.fault.kind === "notFound");

  await device.write("d/a", "edited");
  device.drive.fail({ call: ["upload"], count: 1, moment: "after", fault: "timedOut" });
  const op = opOf(device, "writeContent", "d/a");
  const sync = device.flusher.sync();
  for (let waited = 0; device.store.read.ops.get(op)?.status.state !== "inflight" && waited < 5_000; waited += 5)
    await world.pass(5);
  const busy = await device.flusher.cancel(op);
  assert.ok(!busy.ok && busy.fault.kind === "busy");
  await world.pass(200_000);
  await sync;
  assert.equal(inCloud(world)["d/a"], "edited");
  await world.stop();
});

test("give up: a parked edit can be cancelled, and its upload is given up with it", async () => {
  const { world, device } = await prepared("parked");
  await device.write("f", Buffer.alloc(6 * 1024 * 1024, "x"));
  device.drive.fail({ call: ["sendFragment"], count: 1, moment: "before", fault: "tooLarge" });
  const synced = device.flusher.sync();
  await world.pass(10_000);
  await synced;
  assert.equal(device.flusher.status().parked, 1);
  await good(device.flusher.cancel(opOf(device, "writeContent", "f")));
  assert.equal(await device.read("f"), "F");
  await world.pass(1_000);
  assert.equal(device.store.read.sessions.count, 0);
  await settles(world, device, CLOUD);
});
