/**
 * Answers that never came, while others go on: what was sent is found wherever it is by now, nothing is there twice, nobody's file is
 * taken for ours, and bytes that nobody wants any more leave no trace.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultKind } from "../../src/model/fault.ts";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

const BIG = 12 * 1024 * 1024;

function shown(world: World): string[] {
  return world.cloud.tree().map(({ path, bytes }) => {
    if (bytes === undefined) return path;
    return `${path}=${bytes.length > 100 ? `${bytes.length} x ${bytes[0]}` : Buffer.from(bytes).toString()}`;
  });
}

/** No record of anything under way, and no unpushed bytes. */
async function assertAtRest(world: World, device: Device): Promise<void> {
  await world.pass(10_000);
  const { intents, ops, sessions, parks, local, blobs } = device.store.read;
  for (const [name, table] of Object.entries({ intents, ops, sessions, parks, local }))
    assert.equal(table.count, 0, `${name} are empty`);
  assert.deepEqual(
    [...blobs.range()].filter(([, row]) => row.state !== "pushed"),
    [],
    "no unpushed bytes are left",
  );
}

for (const how of ["alive", "killed"] as const)
  test(`lost answers: a new file that was moved away, its name taken by another, is not sent twice (${how})`, async () => {
    const world = new World(`moved-away-${how}`);
    const device = world.device("laptop");
    await world.quiet();
    await device.write("f", "ours");
    device.drive.fail({ call: "upload", count: 1, moment: "after", fault: "timedOut" });
    const hold = device.drive.hold({ call: "itemAt", moment: "before" });
    await world.pass(3_500);
    const web = world.cloud.as("web");
    web.move("f", "elsewhere/g");
    web.put("f", "theirs");
    if (how === "killed") device.kill();
    hold.release();
    await world.pass(100_000);
    await world.quiet();
    assert.deepEqual(shown(world), ["elsewhere", "elsewhere/g=ours", "f=theirs"]);
    assert.deepEqual(
      await world.wait(device.tree()),
      new Map([
        ["elsewhere", "/"],
        ["elsewhere/g", "ours"],
        ["f", "theirs"],
      ]),
    );
    assert.equal(device.drive.log.filter((row) => row.call === "upload").length, 1);
    await assertAtRest(world, device);
    await world.stop();
  });

test("lost answers: another file of ours with equal bytes is not taken for the one that is looked for", async () => {
  const world = new World("equal-bytes");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("first", "same");
  await device.write("second", "same");
  const fault = { kind: "timedOut", why: "lost", unclear: true } as const;
  device.drive.fail({ call: "upload", name: "first", count: 1, moment: "before", fault });
  await world.pass(100_000);
  await world.quiet();
  assert.deepEqual(shown(world), ["first=same", "second=same"]);
  assert.deepEqual(device.names(), ["first", "second"]);
  await assertAtRest(world, device);
  await world.stop();
});

test("lost answers: an old file with equal bytes that only now becomes known is not taken for ours", async () => {
  const world = new World("old-equal", { pageItems: 1 });
  const web = world.cloud.as("web");
  web.mkdir("d");
  for (let i = 0; i < 3; i++) web.put(`old/${i}`, "same");
  await world.pass(3_600_000);
  const device = world.device("laptop");
  await world.turn();
  assert.ok((await world.wait(device.puller.list(device.at("")))).ok);
  await device.write("d/n", "same");
  const fault = { kind: "timedOut", why: "lost", unclear: true } as const;
  device.drive.fail({ call: "upload", count: 1, moment: "before", fault });
  await world.pass(100_000);
  await world.quiet();
  assert.deepEqual(shown(world), ["d", "d/n=same", "old", "old/0=same", "old/1=same", "old/2=same"]);
  await assertAtRest(world, device);
  await world.stop();
});

test("lost answers: a file deleted here while its create was under way is there at most once, and can be deleted", async () => {
  for (const how of ["alive", "killed"] as const) {
    const world = new World(`deleted-meanwhile-${how}`);
    const device = world.device("laptop");
    await world.quiet();
    await device.write("f", "gone");
    const hold = device.drive.hold({ call: "upload", count: 1, moment: "after" });
    await world.pass(3_500);
    await hold.reached;
    await device.unlink("f");
    if (how === "killed") device.kill();
    hold.release();
    await world.quiet();
    assert.ok(shown(world).length <= 1, shown(world).join(", "));
    for (const name of device.names()) await device.unlink(name);
    await world.quiet();
    assert.deepEqual(shown(world), []);
    await assertAtRest(world, device);
    await world.stop();
  }
});

/** How an upload ends that newer bytes, or a deletion, have overtaken. */
const ENDS: readonly (FaultKind | "kill" | "ok")[] = ["ok", "unavailable", "timedOut", "denied", "changed", "kill"];

for (const act of ["replaced", "deleted"] as const)
  for (const size of [10, BIG])
    for (const known of [true, false])
      test(`lost answers: ${size} bytes ${act} while they are sent leave nothing, ${known ? "known" : "new"} item`, async () => {
        for (const end of ENDS) {
          const world = new World(`${act}-${size}-${known}-${end}`);
          const device = world.device("laptop");
          await world.quiet();
          if (known) await device.write("f", "base");
          await world.quiet();
          await device.write("f", Buffer.alloc(size, "a"));
          const call = size > 1000 ? "sendFragment" : "upload";
          const late = end === "kill" && act === "replaced";
          const hold = device.drive.hold({ call, count: 1, moment: end === "kill" && !late ? "after" : "before" });
          const unclear = end === "timedOut" ? { unclear: true } : {};
          if (end !== "ok" && end !== "kill")
            device.drive.fail({ call, count: 1, moment: "before", fault: { kind: end, why: "injected", ...unclear } });
          await world.pass(3_500);
          await hold.reached;
          if (act === "replaced") await device.write("f", Buffer.alloc(size, "b"));
          else await device.unlink("f");
          if (end === "kill") device.kill();
          hold.release();
          await world.pass(200_000);
          for (const [seq, row] of device.store.read.ops.range())
            if (row.status.state === "parked") assert.ok(device.flusher.retry(seq).ok);
          await world.quiet();
          const wanted = size > 1000 ? `f=${size} x 98` : `f=${"b".repeat(size)}`;
          assert.deepEqual(shown(world), act === "replaced" ? [wanted] : [], end);
          await assertAtRest(world, device);
          await world.stop();
        }
      });

/** A large new file whose session is open and has nothing yet. */
async function beginToSend(world: World, device: Device, name: string): Promise<void> {
  await device.write(name, Buffer.alloc(BIG, "a"));
  device.drive.fail({ call: "sendFragment", count: 1, moment: "before", fault: "locked" });
  await world.pass(3_500);
  assert.equal(device.store.read.sessions.count, 1);
}

test("lost answers: a large new file renamed before its session goes on has the later name, once", async () => {
  const world = new World("session-renamed");
  const device = world.device("laptop");
  await world.quiet();
  await beginToSend(world, device, "big");
  await device.rename("big", "renamed");
  await world.quiet();
  assert.deepEqual(shown(world), [`renamed=${BIG} x 97`]);
  assert.deepEqual(device.names(), ["renamed"]);
  assert.equal(device.drive.log.filter((row) => row.call === "openSession").length, 1, "it is not begun anew");
  await assertAtRest(world, device);
  await world.stop();
});

test("lost answers: a large new file removed before its session goes on leaves no session", async () => {
  const world = new World("session-removed");
  const device = world.device("laptop");
  await world.quiet();
  await beginToSend(world, device, "big");
  await device.unlink("big");
  await world.quiet();
  assert.deepEqual(shown(world), []);
  await assertAtRest(world, device);
  await world.stop();
});

test("lost answers: a session of a new file is not used when it took an item over meanwhile", async () => {
  const world = new World("session-taken-over");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("f", "old");
  await world.quiet();
  const { id } = world.cloud.at("f")!.item;
  await beginToSend(world, device, "new");
  await device.rename("new", "f");
  await world.quiet();
  assert.deepEqual(shown(world), [`f=${BIG} x 97`]);
  assert.equal(world.cloud.at("f")?.item.id, id);
  await assertAtRest(world, device);
  await world.stop();
});

for (const moment of ["before", "after"] as const)
  for (const kind of ["changed", "garbled"] as const)
    test(`lost answers: the last fragment of a new file answers ${kind} ${moment} it was taken, in a next process`, async () => {
      const world = new World(`last-fragment-${moment}-${kind}`);
      const device = world.device("laptop");
      await world.quiet();
      await device.write("big", Buffer.alloc(BIG, "a"));
      const hold = device.drive.hold({ call: "sendFragment", count: 1, moment: "before" });
      await world.pass(3_500);
      await hold.reached;
      device.kill();
      hold.release();
      const unclear = kind === "garbled" ? { unclear: true } : {};
      if (kind === "changed" && moment === "after") world.cloud.as("web").put("big", "theirs");
      const at = kind === "changed" ? "before" : moment;
      device.drive.fail({ call: "sendFragment", count: 1, moment: at, fault: { kind, why: "injected", ...unclear } });
      await world.pass(200_000);
      await world.quiet();
      const rows = shown(world);
      assert.equal(rows.filter((row) => row.endsWith(`=${BIG} x 97`)).length, 1, rows.join(", "));
      assert.equal(rows.length, kind === "changed" && moment === "after" ? 2 : 1, rows.join(", "));
      await assertAtRest(world, device);
      await world.stop();
    });
