/** Every refusal of the service ends in the same way: nothing lost, nothing doubled, nothing tried that cannot pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultKind } from "../../src/model/fault.ts";
import { LOCKED_WAIT_MS, NO_SPACE_WAIT_MS } from "../../src/model/limits.ts";
import { contentVersion } from "../../src/model/item.ts";
import type { Device } from "./device.ts";
import { SimWorld } from "./sim-world.ts";
import { World } from "./world.ts";

/** One act of each kind of request, on a drive that holds `f` and the folder `d`. */
const ACTS: Record<string, { act(device: Device): Promise<unknown>; after: string[] }> = {
  createFile: { act: (device) => device.write("n", "new"), after: ["d", "f=F", "n=new"] },
  createFolder: { act: (device) => device.mkdir("m"), after: ["d", "f=F", "m"] },
  writeContent: { act: (device) => device.write("f", "F2"), after: ["d", "f=F2"] },
  move: { act: (device) => device.rename("f", "d/g"), after: ["d", "d/g=F"] },
  setMetadata: { act: (device) => device.touch("f", 1_111_111_111), after: ["d", "f=F"] },
  deleteFile: { act: (device) => device.unlink("f"), after: ["d"] },
  deleteFolder: { act: (device) => device.rmdir("d"), after: ["f=F"] },
};
const CHANGING = ["createFolder", "update", "remove", "upload"] as const;

async function prepared(seed: string): Promise<{ world: World; device: Device }> {
  const world = new World(seed);
  const device = world.device("laptop");
  await world.quiet();
  await device.write("f", "F");
  await device.mkdir("d");
  await world.quiet();
  return { world, device };
}

function shown(world: World): string[] {
  return world.cloud
    .tree()
    .map(({ path, bytes }) => (bytes === undefined ? path : `${path}=${Buffer.from(bytes).toString()}`));
}

for (const [name, { act, after }] of Object.entries(ACTS)) {
  for (const kind of ["unavailable", "throttled", "timedOut", "garbled", "offline"] as FaultKind[])
    test(`refusals: ${name}, ${kind} before or after it was carried out`, async () => {
      for (const moment of ["before", "after"] as const) {
        const { world, device } = await prepared(`${name}-${kind}-${moment}`);
        const fault = { kind, why: "injected", ...(kind === "throttled" ? { retryAfterMs: 7_000 } : {}) };
        await act(device);
        device.drive.fail({ call: CHANGING, count: 2, moment, fault });
        await world.pass(200_000);
        await world.quiet();
        assert.deepEqual(shown(world), after, moment);
        assert.equal(device.store.read.ops.count, 0);
        assert.equal(device.store.read.intents.count, 0);
        await world.stop();
      }
    });

  test(`refusals: ${name} is parked when it is denied, everything else goes on, and retry tries again`, async () => {
    const { world, device } = await prepared(`${name}-denied`);
    await act(device);
    device.drive.fail({ call: CHANGING, count: 1, moment: "before", fault: "denied" });
    await world.pass(5_000);
    await device.write("other", "other");
    await world.pass(60_000);
    const status = device.flusher.status();
    assert.equal(status.parked, 1);
    assert.equal(status.pending, 0);
    assert.equal(Buffer.from(world.cloud.at("other")!.bytes!).toString(), "other");
    const parked = [...device.store.read.ops.range()].filter(([, row]) => row.status.state === "parked");
    assert.ok(parked.length > 0);
    assert.ok(device.flusher.retry(parked[0]![0]).ok);
    await world.quiet();
    assert.deepEqual(
      shown(world).filter((path) => !path.startsWith("other")),
      after,
    );
    await world.stop();
  });
}

for (const [what, second] of Object.entries({
  "a new file": (device: Device) => device.write("ae", "2"),
  "a new folder": (device: Device) => device.mkdir("ae"),
  "a moved file": (device: Device) => device.rename("f", "ae"),
})) {
  test(`refusals: ${what} whose name is another's for the service only is parked with both names, and goes under one of its own`, async () => {
    const { world, device } = await prepared(what);
    await device.write("æ", "1");
    await world.quiet();
    await second(device);
    await world.pass(10_000);
    const { parked, pending, waiting } = device.flusher.status();
    assert.deepEqual({ parked, pending }, { parked: 1, pending: 0 });
    assert.match(waiting.map(({ reason }) => reason).join(), /"ae" and "æ" are the same name in the cloud/);
    assert.ok(!world.cloud.tree().some(({ path }) => path === "ae"));
    await device.rename("ae", "z");
    await world.quiet();
    assert.ok(
      shown(world).some((path) => path.startsWith("z")),
      shown(world).join(),
    );
    assert.ok(shown(world).includes("æ=1"));
    await world.stop();
  });
}

test("refusals: a name that is another's for the service only is not parked while that one is going away", async () => {
  const { world, device } = await prepared("going away");
  await device.write("æ", "1");
  await world.quiet();
  device.drive.fail({ call: "update", count: 1, moment: "before", fault: "unavailable" });
  await device.rename("æ", "x");
  await device.write("ae", "2");
  await world.quiet();
  assert.deepEqual(shown(world), ["ae=2", "d", "f=F", "x=1"]);
  assert.equal(device.flusher.status().parked, 0);
  await world.stop();
});

test("refusals: a locked item waits minutes, its neighbours do not", async () => {
  const { world, device } = await prepared("locked");
  world.cloud.lock(world.cloud.at("f")!.item.id, 60_000);
  await device.write("f", "F2");
  await device.write("n", "new");
  await world.pass(10_000);
  assert.deepEqual(shown(world), ["d", "f=F", "n=new"]);
  assert.equal(device.flusher.status().pending, 1);
  const tries = device.drive.log.filter((row) => row.call === "upload" && row.outcome === "locked").length;
  assert.equal(tries, 1);
  await world.pass(LOCKED_WAIT_MS);
  assert.deepEqual(shown(world), ["d", "f=F2", "n=new"]);
  await world.stop();
});

test("refusals: Retry-After holds the whole account back, also against sync", async () => {
  const { world, device } = await prepared("throttled");
  await device.write("a", "a");
  await device.write("b", "b");
  device.drive.fail({
    call: "upload",
    count: 1,
    moment: "before",
    fault: { kind: "throttled", why: "slow", retryAfterMs: 30_000 },
  });
  const began = world.clock.now();
  const synced = await world.wait(device.flusher.sync());
  assert.equal(synced.pending, 0);
  assert.ok(world.clock.now() - began >= 30_000, "nothing was sent before");
  await world.stop();
});

test("refusals: a full drive holds uploads and lets moves and deletes through, then goes on", async () => {
  const { world, device } = await prepared("full");
  world.cloud.knobs.quotaBytes = world.cloud.quota().used;
  await device.write("n", "new bytes");
  await device.rename("f", "g");
  await world.pass(20_000);
  assert.deepEqual(shown(world), ["d", "g=F"]);
  assert.equal(device.flusher.status().parked, 1);
  assert.equal(device.flusher.status().pending, 0);
  world.cloud.knobs.quotaBytes *= 1_000;
  await world.pass(NO_SPACE_WAIT_MS + 5_000);
  assert.deepEqual(shown(world), ["d", "g=F", "n=new bytes"]);
  assert.equal(device.flusher.status().parked, 0);
  await world.stop();
});

test("refusals: 412 that means nothing is passed once without its condition, and content is not sent thrice", async () => {
  const { world, device } = await prepared("spurious");
  await device.write("f", "F2");
  device.drive.fail({ call: "upload", count: 1, moment: "before", fault: "changed" });
  await world.pass(20_000);
  assert.deepEqual(shown(world), ["d", "f=F2"]);
  assert.equal(device.conflicts.length, 0);
  assert.equal(device.drive.log.filter((row) => row.call === "upload" && row.done).length, 2);
  await world.stop();
});

/** Somebody in the browser writes just before each upload of ours that says nothing of the version it was made from. */
function slipIn(world: World, device: Device, texts: string[]): void {
  const upload = device.drive.upload.bind(device.drive);
  device.drive.upload = (target, body, signal) => {
    const text = "item" in target && target.seen === undefined ? texts.shift() : undefined;
    if (text !== undefined) world.cloud.as("web").put("f", text);
    return upload(target, body, signal);
  };
}

test("refusals: what slipped in while a write went without its condition becomes a conflict copy, once", async () => {
  const { world, device } = await prepared("slipped");
  slipIn(world, device, ["there"]);
  await device.write("f", "here");
  device.drive.fail({ call: "upload", count: 1, moment: "before", fault: "changed" });
  await world.quiet();
  await world.quiet();
  const [folder, file, copy, ...more] = shown(world);
  assert.deepEqual([folder, file, more], ["d", "f=here", []]);
  assert.match(copy ?? "", /^f \(conflict cloud \S+ v\d+\)=there$/);
  assert.equal(device.store.read.meta.get("versionAudits"), undefined);
  assert.equal([...device.store.read.conflicts.range()].length, 1);
  await world.stop();
});

test("refusals: nothing is made of a write that slipped in with the bytes of ours", async () => {
  const { world, device } = await prepared("slipped-equal");
  slipIn(world, device, ["here"]);
  await device.write("f", "here");
  device.drive.fail({ call: "upload", count: 1, moment: "before", fault: "changed" });
  await world.quiet();
  assert.deepEqual(shown(world), ["d", "f=here"]);
  assert.equal(device.store.read.meta.get("versionAudits"), undefined);
  assert.deepEqual([...device.names()], ["d", "f"]);
  await world.stop();
});

test("refusals: what slipped in is kept once, wherever the process dies and whatever fails on the way", async () => {
  let survived = 0;
  for (let point = 1; survived < 3 && point < 150; point++) {
    const { world, device } = await prepared(`slipped-crash-${point}`);
    const slips = ["there"];
    slipIn(world, device, slips);
    await device.write("f", "here");
    await device.store.barrier();
    device.drive.fail({ call: "upload", count: 1, moment: "before", fault: "changed" });
    const readings = { call: ["versionContent", "versions"], count: 2, fault: "unavailable" } as const;
    if (point % 3 === 0) device.drive.fail({ ...readings, moment: "before" });
    device.crashAt(point, point % 2 === 0 ? "kill" : "powerCut");
    await world.pass(5_000);
    if (device.crashes === 0) survived++;
    device.crashAt(Infinity, "kill");
    await world.pass(200_000);
    await world.quiet();
    const texts = shown(world).flatMap((row) => row.split("=").slice(1));
    assert.deepEqual(texts.toSorted(), slips.length === 0 ? ["here", "there"] : ["here"], `point ${point}`);
    assert.equal(device.store.read.meta.get("versionAudits"), undefined);
    await world.stop();
  }
  assert.equal(survived, 3, "the last points lie behind the end");
});

test("refusals: what slipped in is not forgotten when the next write goes without its condition before it was kept", async () => {
  const { world, device } = await prepared("slipped-twice");
  slipIn(world, device, ["there"]);
  device.drive.fail({ call: "versionContent", count: 2, moment: "before", fault: "unavailable" });
  for (const text of ["here", "here again"]) {
    await device.write("f", text);
    device.drive.fail({ call: "upload", count: 1, moment: "before", fault: "changed" });
    await world.pass(10_000);
    assert.ok(shown(world).includes(`f=${text}`));
    assert.notEqual(device.store.read.meta.get("versionAudits"), undefined);
  }
  await world.pass(400_000);
  await world.quiet();
  const texts = shown(world).flatMap((row) => row.split("=").slice(1));
  assert.deepEqual(texts.toSorted(), ["here again", "there"]);
  assert.equal(device.store.read.meta.get("versionAudits"), undefined);
  await world.stop();
});

test("refusals: what a person writes into a copy that is being made stays, and the copy is made beside it", async () => {
  for (const moment of ["before", "after"] as const) {
    const { world, device } = await prepared(`slipped-person-${moment}`);
    slipIn(world, device, ["there"]);
    await device.write("f", "here");
    device.drive.fail({ call: "upload", count: 1, moment: "before", fault: "changed" });
    const held = device.drive.hold({ call: "versionContent", count: 1, moment });
    let reached = false;
    void held.reached.then(() => (reached = true));
    await world.until(() => reached, 60_000, "the bytes of the version are asked for");
    const copy = [...device.names()].find((name) => name.includes("(conflict cloud")) ?? "none";
    await device.write(copy, "mine, and longer than what was there");
    held.release();
    await world.pass(200_000);
    await world.quiet();
    const texts = shown(world).flatMap((row) => row.split("=").slice(1));
    assert.deepEqual(texts.toSorted(), ["here", "mine, and longer than what was there", "there"], moment);
    assert.equal(device.store.read.meta.get("versionAudits"), undefined);
    await world.stop();
  }
});

test("refusals: what slipped in is found on the service's own list of versions", async () => {
  const world = new SimWorld("slipped-sim", "personal");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("f", "F");
  await world.quiet();
  const { sim } = world;
  const handle = sim.handle.bind(sim);
  let slipped = false;
  sim.handle = (request) => {
    const bare = request.method === "PUT" && /items\/.*content/.test(request.target) && !request.headers["if-match"];
    if (bare && !slipped) slipped = world.view.put("f", "there");
    return handle(request);
  };
  await device.write("f", "here");
  sim.service.faults.add({ kind: "precondition", count: 1, route: "content.put" });
  await world.quiet();
  await world.quiet();
  assert.ok(slipped, "it went without its condition");
  const texts = world.view.tree().map(({ path, text }) => `${path}=${text}`);
  assert.equal(texts.length, 2);
  assert.equal(texts[0], "f=here");
  assert.match(texts[1] ?? "", /^f \(conflict cloud \S+ v\d+\)=there$/);
  await world.stop();
});

test("refusals: an edit there and an edit here end in two files, whoever is first", async () => {
  const { world, device } = await prepared("edit-edit");
  await device.write("f", "here");
  world.cloud.as("web").put("f", "there");
  await world.quiet();
  const rows = shown(world);
  assert.equal(rows.length, 3);
  assert.ok(rows.includes("f=there"));
  assert.ok(
    rows.some((row) => /^f \(conflict laptop .*\)=here$/.test(row)),
    rows.join(", "),
  );
  await world.stop();
});

test("refusals: a name taken there meanwhile ends in two files, or in one when they are equal", async () => {
  for (const [text, count] of [
    ["there", 4],
    ["new", 3],
  ] as const) {
    const { world, device } = await prepared(`taken-${text}`);
    await device.write("n", "new");
    world.cloud.as("web").put("n", text);
    await world.quiet();
    const rows = shown(world);
    assert.equal(rows.length, count, rows.join(", "));
    assert.ok(rows.includes(`n=${text}`));
    assert.ok(rows.some((row) => row.endsWith("=new")));
    await world.stop();
  }
});

test("refusals: a folder that got a child there is not deleted with it", async () => {
  for (const folderCTags of [true, false]) {
    const world = new World("child", { folderCTags });
    const device = world.device("laptop");
    await world.quiet();
    await device.mkdir("d");
    await device.write("d/known", "known");
    await world.quiet();
    await device.remove("d");
    const hold = device.drive.hold({ call: "children", count: 1, moment: "before" });
    const flushed = device.flusher.sync();
    await world.pass(1_000);
    world.cloud.as("web").put("d/unseen", "unseen");
    hold.release();
    await world.wait(flushed);
    await world.quiet();
    assert.deepEqual(shown(world), ["d", "d/unseen=unseen"]);
    await world.stop();
  }
});

test("refusals: a folder that got a child there before its deletion is sent, and not told yet, is not deleted with it", async () => {
  for (const folderCTags of [true, false]) {
    const world = new World("child before", { folderCTags });
    const device = world.device("laptop");
    await world.quiet();
    await device.mkdir("d");
    await device.write("d/known", "known");
    await world.quiet();
    await device.remove("d");
    world.cloud.as("web").put("d/unseen", "unseen");
    await world.wait(device.flusher.sync());
    await world.quiet();
    assert.deepEqual(shown(world), ["d", "d/unseen=unseen"]);
    await world.stop();
  }
});

test("refusals: a folder that the feed fills while its deletion is under way is not deleted", async () => {
  for (const folderCTags of [true, false])
    for (const call of ["item", "children"] as const) {
      const world = new World("filled", { folderCTags });
      const device = world.device("laptop");
      await world.quiet();
      await device.mkdir("d");
      await device.write("d/known", "known");
      await world.quiet();
      await device.remove("d");
      const hold = device.drive.hold({ call, count: 1, moment: "before" });
      const flushed = device.flusher.sync();
      await world.pass(10);
      world.cloud.as("web").put("d/unseen", "unseen");
      await world.wait(device.puller.sync());
      hold.release();
      await world.wait(flushed);
      await world.quiet();
      assert.deepEqual(shown(world), ["d", "d/unseen=unseen"], `${call}, folder tags ${folderCTags}`);
      await world.stop();
    }
});

test("refusals: a parent deleted there takes a new file's place away, not the file", async () => {
  const { world, device } = await prepared("parent-gone");
  await device.write("d/n", "new");
  world.cloud.as("web").remove("d");
  await world.quiet();
  assert.deepEqual(shown(world), ["d", "d/n=new", "f=F"]);
  await world.stop();
});

test("refusals: deleting most of the drive is held until it is released, or taken back", async () => {
  for (const word of ["release", "undo"] as const) {
    const world = new World("mass", { folderCTags: true });
    const device = world.device("laptop");
    world.cloud.as("web").mkdir("all");
    for (let i = 0; i < 210; i++) world.cloud.as("web").put(`all/${i}`, `bytes ${i}`);
    world.cloud.as("web").put("one", "one");
    await world.quiet();
    await device.remove("all");
    await device.remove("one");
    await world.pass(60_000);
    assert.equal(device.flusher.status().held, 212);
    assert.equal(device.flusher.status().pending, 0);
    assert.equal(world.cloud.tree().length, 212);
    device.kill();
    await world.pass(60_000);
    assert.equal(world.cloud.tree().length, 212, "a restart releases nothing");
    if (word === "release") {
      assert.equal(device.flusher.releaseHeld(), 212);
      await world.quiet();
      assert.deepEqual(shown(world), []);
    } else {
      const undone = device.flusher.undoHeld();
      assert.ok(undone.ok && undone.value === 212);
      await world.quiet();
      assert.equal(world.cloud.tree().length, 212);
      assert.equal((await device.tree()).size, 212);
    }
    await world.stop();
  }
});

test("refusals: a slow deletion of most of the drive is judged as a whole, a few deletions do not wait for ever", async () => {
  const world = new World("slow-mass", { folderCTags: true });
  const device = world.device("laptop");
  const web = world.cloud.as("web");
  for (let i = 0; i < 260; i++) web.put(`${i}`, `bytes ${i}`);
  await world.quiet();
  for (let i = 0; i < 210; i++) {
    await device.unlink(`${i}`);
    await world.pass(200);
  }
  await world.pass(10_000);
  assert.equal(device.flusher.status().held, 210);
  assert.equal(world.cloud.tree().length, 260);
  const undone = device.flusher.undoHeld();
  assert.ok(undone.ok && undone.value === 210);
  for (let i = 0; i < 50; i++) {
    await device.unlink(`${i}`);
    await world.pass(2_000);
  }
  assert.ok(world.cloud.tree().length < 260 - 15, "those of a minute ago are gone");
  await world.quiet();
  assert.equal(world.cloud.tree().length, 210);
  await world.stop();
});

test("refusals: bytes that the cloud stores wrongly are sent once more and then parked", async () => {
  const { world, device } = await prepared("wrong-bytes");
  world.cloud.knobs.enriches = 1;
  await device.write("n", "new");
  await world.pass(60_000);
  const uploads = device.drive.log.filter((row) => row.call === "upload" && row.name === "n").length;
  assert.equal(uploads, 1, "the second try goes to the item");
  assert.equal(device.flusher.status().parked, 1);
  assert.equal(await device.read("n"), "new");
  world.cloud.knobs.enriches = 0;
  const [op] = [...device.store.read.ops.range()];
  assert.ok(device.flusher.retry(op![0]).ok);
  await world.quiet();
  assert.deepEqual(shown(world), ["d", "f=F", "n=new"]);
  await world.stop();
});

test("refusals: tags that move by themselves make no conflict and no second upload", async () => {
  const { world, device } = await prepared("bump");
  const { id } = world.cloud.at("f")!.item;
  const before = contentVersion(world.cloud.at("f")!.item);
  world.cloud.bumpETag(id);
  await device.rename("f", "g");
  await world.quiet();
  assert.deepEqual(shown(world), ["d", "g=F"]);
  assert.equal(contentVersion(world.cloud.at("g")!.item), before);
  assert.equal(device.conflicts.length, 0);
  await world.stop();
});
