/** What a person does here arrives in the cloud: once, with its bytes and time, on the same item. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ItemKey } from "../../src/model/ids.ts";
import { FRESH_ITEM_MS, PARK_SWEEP_MS, UPLOADS_MAX } from "../../src/model/limits.ts";
import { World } from "./world.ts";

const LARGE = 23 * 1024 * 1024;

function large(seed: number): Uint8Array {
  const bytes = new Uint8Array(LARGE);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + seed + (i >> 11)) & 255;
  return bytes;
}

function paths(world: World): string[] {
  return world.cloud.tree().map((row) => row.path);
}

function bytesAt(world: World, path: string): string {
  return Buffer.from(world.cloud.at(path)?.bytes ?? []).toString();
}

function sent(device: { drive: { log: readonly { call: string; done: boolean }[] } }, call: string): number {
  return device.drive.log.filter((row) => row.call === call && row.done).length;
}

test("push: new files and folders arrive once, with bytes and times", async () => {
  const world = new World("push-new");
  const device = world.device("laptop");
  await world.quiet();
  await device.mkdir("docs");
  await device.mkdir("docs/deep");
  await device.write("docs/deep/a.txt", "hello");
  await device.write("empty", "");
  await device.touch("docs/deep/a.txt", 1_234_567_890);
  await world.quiet();
  assert.deepEqual(paths(world), ["docs", "docs/deep", "docs/deep/a.txt", "empty"]);
  assert.equal(bytesAt(world, "docs/deep/a.txt"), "hello");
  assert.equal(world.cloud.at("docs/deep/a.txt")?.item.mtime, 1_234_567_890);
  assert.equal(sent(device, "upload"), 2);
  assert.equal(world.cloud.versions(world.cloud.at("docs/deep/a.txt")!.item.id).length, 1);
  assert.equal(device.flusher.status().pending, 0);
  assert.equal(device.store.read.ops.count, 0);
  assert.equal(device.store.read.intents.count, 0);
  await world.stop();
});

test("push: an edit, a rename and a move keep the item; a second edit is one more version", async () => {
  const world = new World("push-edit");
  const device = world.device("laptop");
  await world.quiet();
  await device.mkdir("there");
  await device.write("f", "one");
  await world.quiet();
  const { id } = world.cloud.at("f")!.item;
  await device.write("f", "two");
  await world.quiet();
  await device.rename("f", "there/g");
  await world.quiet();
  assert.deepEqual(paths(world), ["there", "there/g"]);
  assert.equal(world.cloud.at("there/g")?.item.id, id);
  assert.deepEqual(
    world.cloud.versions(id).map((version) => Buffer.from(version.bytes).toString()),
    ["one", "two"],
  );
  await world.stop();
});

test("push: deletes of files, empty and full folders", async () => {
  for (const folderCTags of [true, false]) {
    const world = new World("push-delete", { folderCTags });
    const device = world.device("laptop");
    await world.quiet();
    for (const path of ["d", "d/e", "d/e/f"]) await device.mkdir(path);
    for (const path of ["x", "d/1", "d/e/2", "d/e/f/3"]) await device.write(path, path);
    await world.quiet();
    await device.remove("x");
    await device.remove("d");
    await world.quiet();
    assert.deepEqual(paths(world), []);
    assert.equal(device.flusher.status().pending, 0);
    await world.stop();
  }
});

test("push: nothing goes before the settle window ends, and sync ends it", async () => {
  const world = new World("push-settle");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("a", "a");
  await world.pass(2_500);
  assert.equal(sent(device, "upload"), 0);
  assert.equal(device.flusher.status().settling, 1);
  await device.write("b", "b");
  const synced = await world.wait(device.flusher.sync(), 1_000);
  assert.equal(synced.pending, 0);
  assert.deepEqual(paths(world), ["a", "b"]);
  await world.stop();
});

test("push: a file open for writing waits for its last close", async () => {
  const world = new World("push-open");
  const device = world.device("laptop");
  await world.quiet();
  const handle = await device.open("log", "w");
  await device.vfs.write(handle, 0, Buffer.from("part"));
  await world.pass(60_000);
  assert.deepEqual(paths(world), []);
  await device.vfs.write(handle, 4, Buffer.from(" whole"));
  await device.close(handle);
  await world.pass(4_000);
  assert.equal(bytesAt(world, "log"), "part whole");
  assert.equal(sent(device, "upload"), 1);
  await world.stop();
});

test("push: a last close that comes long after its flush is noticed at once", async () => {
  const world = new World("push-late-release");
  const device = world.device("laptop");
  await world.quiet();
  const handle = await device.open("log", "w");
  await device.vfs.write(handle, 0, Buffer.from("whole"));
  await device.vfs.flush(handle);
  await world.pass(20_000);
  assert.deepEqual(paths(world), []);
  await device.vfs.release(handle);
  await world.pass(4_000);
  assert.equal(bytesAt(world, "log"), "whole");
  await world.stop();
});

test("push: repeated saves are one upload, and saves during an upload are one more", async () => {
  const world = new World("push-saves");
  const device = world.device("laptop");
  await world.quiet();
  for (let i = 0; i < 10; i++) await device.write("f", `save ${i}`);
  const hold = device.drive.hold({ call: "upload", count: 1, moment: "before" });
  await world.pass(4_000);
  await hold.reached;
  for (let i = 10; i < 20; i++) await device.write("f", `save ${i}`);
  await world.pass(10_000);
  hold.release();
  await world.quiet();
  const { id } = world.cloud.at("f")!.item;
  assert.deepEqual(
    world.cloud.versions(id).map((version) => Buffer.from(version.bytes).toString()),
    ["save 9", "save 19"],
  );
  assert.deepEqual(paths(world), ["f"]);
  await world.stop();
});

test("push: saves during an upload of what was saved during an upload are no conflict", async () => {
  const world = new World("push-saves-upon-saves");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("f", "one");
  await world.quiet();
  for (const [during, then] of [
    ["two", "three"],
    ["four", "five"],
  ] as const) {
    const hold = device.drive.hold({ call: "upload", count: 1, moment: "before" });
    if (during === "two") await device.write("f", during);
    await world.pass(4_000);
    await hold.reached;
    await device.write("f", then);
    await device.mkdir(`beside ${during}`); // makes a plan
    await world.pass(1_000);
    hold.release();
    await world.turn();
  }
  await world.quiet();
  assert.deepEqual(paths(world), ["beside four", "beside two", "f"]);
  const { id } = world.cloud.at("f")!.item;
  const versions = world.cloud.versions(id).map((version) => Buffer.from(version.bytes).toString());
  assert.deepEqual(versions, ["one", "two", "three", "five"]);
  assert.deepEqual(device.conflicts, []);
  await world.stop();
});

test("push: save by rename keeps the item", async () => {
  const world = new World("push-rename-over");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("report", "old");
  await world.quiet();
  const { id } = world.cloud.at("report")!.item;
  await device.write("report.new", "new");
  await device.rename("report.new", "report");
  await world.quiet();
  assert.deepEqual(paths(world), ["report"]);
  assert.equal(world.cloud.at("report")?.item.id, id);
  assert.equal(bytesAt(world, "report"), "new");
  await world.stop();
});

test("push: a swap of two names goes through a parking name and leaves none", async () => {
  const world = new World("push-swap");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("a", "A");
  await device.write("b", "B");
  await world.quiet();
  const before = [world.cloud.at("a")!.item.id, world.cloud.at("b")!.item.id];
  await device.rename("a", "c");
  await device.rename("b", "a");
  await device.rename("c", "b");
  await world.quiet();
  assert.deepEqual([world.cloud.at("b")!.item.id, world.cloud.at("a")!.item.id], before);
  assert.deepEqual(paths(world), ["a", "b"]);
  assert.equal(device.store.read.parks.count, 0);
  await world.stop();
});

test("push: a large file goes in a session, resumed by the next process, and not twice", async () => {
  const world = new World("push-large");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("big", large(1));
  device.drive.latencyMs = 50;
  device.drive.bytesPerSecond = 5 * 1024 * 1024;
  await world.until(() => sent(device, "sendFragment") === 1, 60_000, "the first fragment");
  await world.turn();
  device.kill();
  await world.quiet();
  assert.deepEqual(paths(world), ["big"]);
  assert.ok(Buffer.from(world.cloud.at("big")!.bytes!).equals(large(1)));
  assert.equal(sent(device, "openSession"), 1);
  assert.equal(device.store.read.sessions.count, 0);
  await world.stop();
});

test("push: newer bytes of a large file end the upload of the older ones", async () => {
  const world = new World("push-supersede");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("big", large(1));
  device.drive.bytesPerSecond = 1024 * 1024;
  await world.until(() => sent(device, "sendFragment") === 1, 60_000, "the first fragment");
  await device.write("big", large(2));
  await world.quiet();
  const { id } = world.cloud.at("big")!.item;
  assert.equal(world.cloud.versions(id).length, 1);
  assert.ok(Buffer.from(world.cloud.at("big")!.bytes!).equals(large(2)));
  assert.equal(device.store.read.sessions.count, 0);
  await world.stop();
});

test("push: hundreds of small files cost one upload each and few other requests", async () => {
  const world = new World("push-many");
  const device = world.device("laptop");
  await world.quiet();
  await device.mkdir("many");
  for (let i = 0; i < 300; i++) await device.write(`many/${i}`, `content ${i}`);
  device.drive.latencyMs = 20;
  const beganAt = world.clock.now();
  const before = device.drive.log.length;
  const synced = await world.wait(device.flusher.sync());
  assert.equal(synced.pending, 0);
  assert.equal(world.cloud.tree().length, 301);
  const log = device.drive.log.slice(before);
  assert.equal(log.filter((row) => row.call === "upload").length, 300);
  assert.equal(log.filter((row) => row.call === "item" || row.call === "itemAt").length, 0);
  const tookMs = world.clock.now() - beganAt;
  assert.ok(tookMs < (300 / UPLOADS_MAX) * 20 * 2, `uploads keep ${UPLOADS_MAX} busy: ${tookMs} ms`);
  await world.stop();
});

test("push: what was done offline arrives when the network is back", async () => {
  const world = new World("push-offline");
  const device = world.device("laptop");
  await device.puller.sync();
  await world.quiet();
  await device.write("kept", "kept");
  await device.write("gone", "gone");
  await world.quiet();
  device.drive.online = false;
  await world.pass(60_000);
  await device.mkdir("new");
  await device.rename("kept", "new/kept");
  await device.remove("gone");
  await device.write("born", "offline");
  await world.pass(3_600_000);
  const offline = await world.wait(device.flusher.sync(), 60_000);
  assert.ok(offline.pending >= 4, "sync answers although nothing can go");
  device.drive.online = true;
  await world.pass(130_000);
  assert.deepEqual(paths(world), ["born", "new", "new/kept"]);
  await world.stop();
});

test("push: the end of the mount pushes what it can and says what stays", async () => {
  const world = new World("push-stop");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("small", "small");
  const quick = await world.wait(device.flusher.stop(5_000), 10_000);
  assert.equal(quick.pending, 0);
  assert.deepEqual(paths(world), ["small"]);
  await world.wait(device.puller.stop());
  device.kill();
  await device.write("late", "late");
  device.drive.online = false;
  const left = await world.wait(device.flusher.stop(5_000), 10_000);
  assert.equal(left.pending, 1);
  device.drive.online = true;
  await world.wait(device.puller.stop());
  device.kill();
  await world.quiet();
  assert.deepEqual(paths(world), ["late", "small"]);
  await world.stop();
});

test("push: the end of the mount takes along what the merge writes while it pushes", async () => {
  const world = new World("push-stop-merge");
  const device = world.device("laptop", { pollMs: 3_600_000 });
  await world.quiet();
  await device.write("f", "F");
  await world.quiet();
  world.cloud.as("web").put("f", "there");
  await device.write("f", "here");
  device.drive.latencyMs = 20;
  const left = await world.wait(device.flusher.stop(60_000), 120_000);
  assert.equal(left.pending, 0);
  const texts = paths(world).map((path) => bytesAt(world, path));
  assert.deepEqual(texts.toSorted(), ["here", "there"]);
  await world.wait(device.puller.stop());
});

test("push: what never leaves this machine is not pending, and sync does not wait for it", async () => {
  const world = new World("push-local-only");
  const device = world.device("laptop");
  await world.quiet();
  await device.write(".~lock.a.odt#", "mine");
  await device.mkdir("d");
  await device.write("d/.~lock.b.odt#", "mine");
  await world.pass(10_000);
  const status = await world.wait(device.flusher.sync(), 60_000);
  assert.deepEqual([status.pending, status.settling, status.parked, status.held, status.bytes], [0, 0, 0, 0, 0]);
  assert.deepEqual(paths(world), ["d"]);
  await world.stop();
});

test("push: another device renames an item that carries a parking name: its name counts, no record is left", async () => {
  const world = new World("push-park-renamed");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("a", "A");
  await device.write("b", "B");
  await world.quiet();
  await device.rename("a", "c");
  await device.rename("b", "a");
  await device.rename("c", "b");
  const hold = device.drive.hold({ call: "update", count: 1, moment: "after" });
  const flushed = device.flusher.sync();
  await world.pass(1_000);
  await hold.reached;
  const parked = world.cloud.tree().find(({ path }) => path !== "a" && path !== "b");
  assert.ok(parked, "an item carries a parking name");
  world.cloud.as("web").move(parked.path, "renamed there");
  hold.release();
  await world.wait(flushed);
  await world.quiet();
  assert.deepEqual(
    paths(world).sort(),
    ["a", "b"].map((name) => (paths(world).includes(name) ? name : "renamed there")).sort(),
  );
  assert.deepEqual(device.names().sort(), paths(world).sort());
  const texts = paths(world)
    .map((path) => bytesAt(world, path))
    .sort();
  assert.deepEqual(texts, ["A", "B"]);
  assert.equal(device.store.read.parks.count, 0);
  await world.stop();
});

test("push: an item that a dead device left under a parking name gets its name back after an hour, from any other", async () => {
  for (const taken of [false, true]) {
    const world = new World(`push-foreign-park-${taken}`);
    const dead = world.device("dead");
    await world.quiet();
    await dead.write("a", "A");
    await dead.write("b", "B");
    await world.quiet();
    await dead.rename("a", "c");
    await dead.rename("b", "a");
    await dead.rename("c", "b");
    const hold = dead.drive.hold({ call: "update", count: 1, moment: "after" });
    await world.pass(4_000);
    await hold.reached;
    dead.kill();
    dead.drive.online = false;
    world.devices.splice(0);
    const device = world.device("laptop");
    await world.quiet();
    const original = world.cloud.at("a") ? "b" : "a";
    assert.equal(world.cloud.at(original), undefined, "it carries a parking name");
    await world.pass(PARK_SWEEP_MS / 2);
    assert.equal(world.cloud.at(original), undefined, "the owner may be at it");
    if (taken) world.cloud.as("web").put(original, "theirs");
    device.kill();
    await world.pass(PARK_SWEEP_MS);
    await world.quiet();
    const texts = paths(world).map((path) => bytesAt(world, path));
    assert.deepEqual(texts.sort(), taken ? ["A", "B", "theirs"] : ["A", "B"]);
    assert.equal(paths(world).length, taken ? 3 : 2);
    assert.equal(
      paths(world).some((path) => path.includes(".od-park-")),
      false,
      paths(world).join(", "),
    );
    if (!taken) assert.deepEqual(paths(world), ["a", "b"]);
    assert.deepEqual(device.names().sort(), paths(world).sort());
    await world.stop();
  }
});

test("push: what waits for the place of a local-only file counts as parked, with its reason", async () => {
  const world = new World("push-left");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("kept", "kept");
  await world.quiet();
  await device.mkdir(".Trash-1000");
  await device.rename("kept", ".Trash-1000/kept");
  await world.pass(10_000);
  const status = await world.wait(device.flusher.sync(), 60_000);
  assert.equal(status.parked, 1);
  assert.equal(status.pending, 0);
  assert.equal(
    status.waiting.reduce((all, { count }) => all + count, 0),
    1,
  );
  assert.match(status.waiting[0]!.reason, /never leaves this machine/);
  assert.deepEqual(paths(world), ["kept"]);
  await device.rename(".Trash-1000/kept", "kept");
  await world.quiet();
  assert.equal(device.flusher.status().parked, 0);
  await world.stop();
});

test("push: the delete of a folder waits for the last reader of a file that was in it", async () => {
  const reading = new Set<ItemKey>();
  const world = new World("push-still-read");
  const device = world.device("laptop", { isStillRead: (node) => reading.has(node) });
  await world.quiet();
  await device.mkdir("d");
  await device.write("d/f", "F");
  await device.write("d/g", "G");
  await world.quiet();
  reading.add(device.at("d/f"));
  await device.remove("d");
  await world.pass(60_000);
  assert.deepEqual(paths(world), ["d", "d/f", "d/g"]);
  assert.equal(device.flusher.status().settling, 3);
  reading.clear();
  device.flusher.wake();
  await world.quiet();
  assert.deepEqual(paths(world), []);
  await world.stop();
});

test("push: a sync takes along what the merge makes again for it, although that is newer than the sync", async () => {
  const world = new World("push-sync-remade");
  const device = world.device("laptop", { writeBackMs: 3_600_000, pollMs: 3_600_000 });
  await world.quiet();
  await device.mkdir("folder");
  await world.quiet();
  await world.pass(FRESH_ITEM_MS);
  device.drive.latencyMs = 20;
  await device.write("folder/file", "bytes");
  world.cloud.as("web").remove("folder");
  await world.wait(device.flusher.sync(), 60_000);
  assert.deepEqual(paths(world), ["folder", "folder/file"]);
  await world.stop();
});
