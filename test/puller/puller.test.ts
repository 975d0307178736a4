/** The cloud comes here: enumeration that goes on after a restart, folders listed first, rounds, dead cursors, what the feed forgot. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AUDIT_INTERVAL_MS, CURSOR_KEEP_MS, ENUMERATE_STEP_ITEMS } from "../../src/model/limits.ts";
import { ROOT } from "../../src/model/ids.ts";
import type { Device } from "../engine/device.ts";
import { World } from "../engine/world.ts";

async function shown(world: World, device: Device): Promise<string[]> {
  const tree = await world.wait(device.tree());
  return [...tree].map(([path, text]) => (text === "/" ? path : `${path}=${text}`)).sort();
}

function fill(world: World, folders: number, files: number): void {
  const web = world.cloud.as("web");
  for (let d = 0; d < folders; d++) for (let f = 0; f < files; f++) web.put(`d${d}/f${f}`, `${d}/${f}`);
}

function calls(device: Device, call: string): number {
  return device.drive.log.filter((row) => row.call === call).length;
}

test("puller: the enumeration brings everything, in whatever order and pages it comes", async () => {
  for (const shuffle of [false, true]) {
    const world = new World("enumerate", { pageItems: 7, shuffle, ancestors: !shuffle });
    fill(world, 10, 9);
    const device = world.device("laptop");
    const synced = await world.wait(device.puller.sync());
    assert.ok(synced.ok);
    assert.equal(device.store.read.meta.get("enumerated"), true);
    assert.equal(device.store.read.mirror.count, 1 + world.cloud.tree().length);
    assert.equal(device.store.read.meta.get("staging"), undefined);
    await world.stop();
  }
});

test("puller: a restart goes on with the enumeration where it was", async () => {
  const world = new World("enumerate-restart", { pageItems: 5 });
  fill(world, 10, 9);
  const device = world.device("laptop");
  device.drive.latencyMs = 100;
  await world.until(() => calls(device, "changes") === 8, 60_000, "some pages");
  device.kill();
  const synced = await world.wait(device.puller.sync());
  assert.ok(synced.ok);
  assert.equal(device.store.read.mirror.count, 1 + world.cloud.tree().length);
  assert.ok(calls(device, "changes") < 8 + 22, `pages are not fetched again (${calls(device, "changes")})`);
  await world.stop();
});

test("puller: a folder that is opened is listed at once, with one request for all who ask", async () => {
  const world = new World("list", { pageItems: 5 });
  fill(world, 3, 4);
  const device = world.device("laptop");
  device.drive.latencyMs = 1_000;
  await world.turn();
  const asked = [device.puller.list(ROOT), device.puller.list(ROOT)];
  const answers = await world.wait(Promise.all(asked), 10_000);
  assert.ok(answers.every((answer) => answer.ok));
  assert.deepEqual(device.names(), ["d0", "d1", "d2"]);
  assert.equal(calls(device, "children"), 1);
  assert.notEqual(device.store.read.meta.get("enumerated"), true);
  const inner = await world.wait(device.puller.list(device.at("d1")), 10_000);
  assert.ok(inner.ok);
  assert.deepEqual(device.names("d1"), ["f0", "f1", "f2", "f3"]);
  await world.stop();
});

test("puller: a large folder is listed in small parts, and counts as listed when all is there", async () => {
  const world = new World("list-large", { pageItems: 3 * ENUMERATE_STEP_ITEMS });
  const web = world.cloud.as("web");
  const files = 3 * ENUMERATE_STEP_ITEMS;
  for (let f = 0; f < files; f++) web.put(`large/f${f}`, "x");
  const device = world.device("laptop");
  const feed = device.drive.hold({ call: "changes", moment: "before" });
  assert.ok((await world.wait(device.puller.list(ROOT), 10_000)).ok);
  const large = device.at("large");
  const names = (): number => device.names("large").length;
  const seen = new Set<number>();
  const listed = (): boolean => device.store.read.listed.get(large) !== undefined;
  const look = (): void => {
    seen.add(names());
    if (!listed()) setImmediate(look);
  };
  look();
  assert.ok((await world.wait(device.puller.list(large), 10_000)).ok);
  assert.ok(listed());
  assert.equal(names(), files);
  assert.ok(seen.size >= 3, `others have their turn between the parts: ${[...seen].join(" ")}`);
  feed.release();
  await world.stop();
});

test("puller: an unknown folder is a fault offline, at once and without a request, never empty", async () => {
  const world = new World("list-offline");
  fill(world, 2, 2);
  const device = world.device("laptop");
  device.drive.online = false;
  await world.pass(1_000);
  const before = device.drive.log.length;
  const answer = await world.wait(device.puller.list(ROOT), 0);
  assert.ok(!answer.ok && answer.fault.kind === "offline");
  assert.equal(device.drive.log.length, before);
  assert.equal(device.store.read.listed.count, 0);
  device.drive.online = true;
  await world.pass(61_000);
  assert.ok((await world.wait(device.puller.list(ROOT))).ok);
  assert.equal(device.store.read.mirror.count, 1 + world.cloud.tree().length);
  await world.stop();
});

test("puller: a listing has a deadline", async () => {
  const world = new World("list-deadline");
  const device = world.device("laptop");
  const hold = device.drive.hold({ call: ["children", "changes"], moment: "before" });
  await world.turn();
  const began = world.clock.now();
  const answer = await world.wait(device.puller.list(ROOT), 100_000);
  assert.ok(!answer.ok && answer.fault.kind === "timedOut");
  assert.ok(world.clock.now() - began <= 61_000);
  hold.release();
  await world.stop();
});

test("puller: changes of others appear within the poll interval, also renames of whole folders", async () => {
  const world = new World("poll");
  fill(world, 2, 2);
  const device = world.device("laptop");
  await world.quiet();
  const web = world.cloud.as("web");
  web.put("d0/f0", "edited");
  web.move("d1", "d0/moved");
  web.remove("d0/f1");
  web.put("new", "new");
  await world.pass(34_000);
  assert.deepEqual(await shown(world, device), [
    "d0",
    "d0/f0=edited",
    "d0/moved",
    "d0/moved/f0=1/0",
    "d0/moved/f1=1/1",
    "new=new",
  ]);
  await world.stop();
});

test("puller: an empty round leaves the cursor for a while, so that a late tombstone is not skipped", async () => {
  const world = new World("empty-round");
  fill(world, 1, 1);
  const device = world.device("laptop");
  await world.quiet();
  const cursor = device.store.read.meta.get("cursor");
  await world.pass(300_000);
  assert.equal(device.store.read.meta.get("cursor"), cursor);
  assert.ok(world.clock.now() - device.puller.status().polledAt! < 40_000);
  await world.pass(CURSOR_KEEP_MS);
  assert.ok(device.store.read.meta.get("cursor") !== undefined);
  await world.stop();
});

test("puller: a dead cursor leads to an enumeration; what is absent goes only after a 404 by id", async () => {
  for (const kind of ["resync", "invalid"] as const) {
    const world = new World(`dead-${kind}`, { lostTombstones: 1 });
    fill(world, 3, 3);
    const device = world.device("laptop");
    await world.quiet();
    const node = device.at("d2/f1");
    const web = world.cloud.as("web");
    web.remove("d1");
    web.put("d0/f0", "edited");
    web.move("d2/f1", "d0/x");
    if (kind === "resync") world.cloud.expireCursors();
    else device.drive.fail({ call: "changes", count: 1, moment: "before", fault: "invalid" });
    await world.pass(60_000);
    assert.deepEqual(await shown(world, device), [
      "d0",
      "d0/f0=edited",
      "d0/f1=0/1",
      "d0/f2=0/2",
      "d0/x=2/1",
      "d2",
      "d2/f0=2/0",
      "d2/f2=2/2",
    ]);
    assert.equal(device.at("d0/x"), node, "the node stays");
    assert.ok(calls(device, "item") >= 4, "each absent item was asked for");
    await world.stop();
  }
});

test("puller: an item that an enumeration leaves out but that is there stays", async () => {
  const world = new World("left-out");
  fill(world, 2, 3);
  const device = world.device("laptop");
  await world.quiet();
  const whole = device.drive.changes.bind(device.drive);
  device.drive.changes = async (link, signal) => {
    const page = await whole(link, signal);
    if (!page.ok) return page;
    return {
      ok: true,
      value: { ...page.value, changes: page.value.changes.filter((c) => c.deleted || c.item.name !== "f1") },
    };
  };
  const audited = await world.wait(device.puller.audit());
  assert.ok(audited.ok);
  assert.deepEqual(device.names("d0"), ["f0", "f1", "f2"]);
  await world.stop();
});

test("puller: the daily audit finds what the feed forgot", async () => {
  const world = new World("audit", { lostTombstones: 1 });
  fill(world, 2, 2);
  const device = world.device("laptop", { pollMs: 600_000 });
  await world.quiet();
  world.cloud.as("web").remove("d0/f0");
  world.cloud.as("web").remove("d1");
  await world.pass(1_300_000);
  assert.deepEqual(device.names(), ["d0", "d1"], "the feed does not tell");
  await world.pass(AUDIT_INTERVAL_MS + 700_000);
  assert.deepEqual(await shown(world, device), ["d0", "d0/f1=0/1"]);
  await world.stop();
});

test("puller: an item that somebody doubts is read by id", async () => {
  const world = new World("reread", { lostTombstones: 1 });
  fill(world, 1, 2);
  const device = world.device("laptop");
  await world.quiet();
  world.cloud.as("web").remove("d0/f0");
  assert.ok((await world.wait(device.puller.sync())).ok);
  assert.deepEqual(device.names("d0"), ["f0", "f1"]);
  assert.ok((await world.wait(device.puller.reread(device.at("d0/f0")))).ok);
  assert.ok((await world.wait(device.puller.reread(device.at("d0/f1")))).ok);
  assert.deepEqual(device.names("d0"), ["f1"]);
  await world.stop();
});

test("puller: a sync begins after it was asked for and says when it failed", async () => {
  const world = new World("sync");
  const device = world.device("laptop");
  await world.quiet();
  device.drive.latencyMs = 1_000;
  const early = device.puller.sync();
  await world.pass(700);
  world.cloud.as("web").put("late", "late");
  const late = device.puller.sync();
  assert.ok((await world.wait(early)).ok);
  assert.ok((await world.wait(late)).ok);
  assert.ok(device.find("late") !== undefined);
  device.drive.online = false;
  const failed = await world.wait(device.puller.sync());
  assert.ok(!failed.ok && failed.fault.kind === "offline");
  await world.stop();
  const stopped = await world.wait(device.puller.sync());
  assert.ok(!stopped.ok && stopped.fault.kind === "interrupted");
});

test("puller: a sign-in done again is noticed within a second or two, however long there was none", async () => {
  const world = new World("signed-out");
  world.cloud.as("web").put("f", "1");
  const device = world.device("laptop");
  assert.ok((await world.wait(device.puller.sync())).ok);
  const asked = calls(device, "changes");
  device.drive.fail({ call: "changes", moment: "before", count: 40, fault: "signedOut" });
  world.cloud.as("web").put("g", "2");
  await world.until(() => device.puller.status().online === false, 60_000, "nobody is signed in");
  await world.until(() => calls(device, "changes") > asked + 40, 60_000, "it is asked again soon each time");
  await world.pass(1_000);
  assert.equal(device.puller.status().online, true);
  assert.ok(device.names().includes("g"));
  await world.stop();
});

test("puller: another drive than the known one is refused before anything is taken from it", async () => {
  const world = new World("other-drive");
  fill(world, 1, 1);
  const device = world.device("laptop");
  await world.quiet();
  device.store.transact((tx) => tx.meta.put("drive", { ...(tx.meta.get("drive") as object), driveId: "another" }));
  const drives = calls(device, "changes");
  device.kill();
  const synced = await world.wait(device.puller.sync());
  assert.ok(!synced.ok && synced.fault.kind === "denied");
  assert.equal(calls(device, "changes"), drives);
  assert.deepEqual(device.names("d0"), ["f0"]);
  await world.stop();
});

test("puller: quota and account are kept for statfs and status", async () => {
  const world = new World("quota", { quotaBytes: 1_000_000 });
  const device = world.device("laptop");
  await world.quiet();
  assert.deepEqual(device.store.read.meta.get("quota"), { total: 1_000_000, used: 0, remaining: 1_000_000 });
  assert.equal((device.store.read.meta.get("drive") as { driveType: string }).driveType, "personal");
  await world.stop();
});

test("puller: enumerating many items never keeps the process busy for long", async () => {
  const world = new World("many", { pageItems: 1_000 });
  fill(world, 20, 250);
  const device = world.device("laptop");
  const sizes: number[] = [];
  let breaths = 0;
  const breathing = setInterval(() => breaths++, 0);
  const batch = device.apply.batch.bind(device.apply);
  device.apply.batch = (changes) => {
    sizes.push(changes.changes.length);
    return batch(changes);
  };
  const synced = await world.wait(device.puller.sync());
  assert.ok(synced.ok);
  assert.equal(device.store.read.mirror.count, 1 + world.cloud.tree().length);
  clearInterval(breathing);
  assert.ok(Math.max(...sizes) <= ENUMERATE_STEP_ITEMS, "in small parts");
  assert.ok(breaths >= 10, `others run in between (${breaths} times)`);
  await world.stop();
});
