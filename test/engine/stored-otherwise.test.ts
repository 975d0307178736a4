/** An account on SharePoint says that it stored other bytes than were sent: believed of the types it rewrites, a failed upload of any other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Result } from "../../src/base/result.ts";
import type { Fault } from "../../src/model/fault.ts";
import { mayBeRewritten, mayComeOtherwise } from "../../src/model/rewritten.ts";
import type { CloudItem } from "../../src/model/item.ts";
import { fakeDrive } from "../support/fake-drive.ts";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

/** A device on a business account that, while `lies` says so, shows files with another hash than their bytes have. */
async function business(seed: string): Promise<{ world: World; device: Device; lies: { on: boolean } }> {
  const world = new World(seed);
  const { clock, random, cloud } = world;
  const lies = { on: false };
  const lied = (item: CloudItem): CloudItem =>
    lies.on && item.kind === "file" ? { ...item, size: item.size + 7, hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAE=" } : item;
  const through = (answer: Result<CloudItem, Fault>): Result<CloudItem, Fault> =>
    answer.ok ? { ok: true, value: lied(answer.value) } : answer;
  const device = world.device("laptop", {
    connect: () => {
      const drive = fakeDrive({ clock, random, cloud, device: "laptop" });
      const honest = {
        info: drive.info.bind(drive),
        item: drive.item.bind(drive),
        upload: drive.upload.bind(drive),
        sendFragment: drive.sendFragment.bind(drive),
      };
      drive.info = async (signal) => {
        const info = await honest.info(signal);
        return info.ok ? { ok: true, value: { ...info.value, driveType: "business" as const } } : info;
      };
      drive.item = async (id, signal) => through(await honest.item(id, signal));
      drive.upload = async (target, body, signal) => through(await honest.upload(target, body, signal));
      drive.sendFragment = async (session, body, end, signal) => {
        const sent = await honest.sendFragment(session, body, end, signal);
        return sent.ok && sent.value.item ? { ok: true, value: { ...sent.value, item: lied(sent.value.item) } } : sent;
      };
      return drive;
    },
  });
  await world.quiet();
  return { world, device, lies };
}

test("bad input: other bytes than were sent are taken of a document, and parked of a plain file", async () => {
  for (const [name, taken] of [
    ["report.docx", true],
    ["pack.bin", false],
  ] as const) {
    const { world, device, lies } = await business(name);
    lies.on = true;
    await device.write(name, "what a person wrote");
    await world.pass(60_000);
    const { parked, pending } = device.flusher.status();
    assert.deepEqual([parked, pending], taken ? [0, 0] : [1, 0], name);
    if (!taken) {
      assert.equal(device.store.read.blobs.count, 1, "the bytes stay here");
      assert.equal(world.cloud.at(name), undefined, "no item with wrong bytes is left");
    }
    await world.stop();
  }
});

test("another device that writes between an upload and its confirmation is not covered by the upload sent once more", async () => {
  for (const act of ["createFile", "writeContent"] as const) {
    const world = new World(act);
    const { clock, random, cloud } = world;
    let other: (() => void) | undefined;
    const device = world.device("laptop", {
      connect: () => {
        const drive = fakeDrive({ clock, random, cloud, device: "laptop" });
        const upload = drive.upload.bind(drive);
        drive.upload = async (target, body, signal) => {
          const answer = await upload(target, body, signal);
          if (!answer.ok || !other) return answer;
          other();
          other = undefined;
          const { hash: _, ...unhashed } = answer.value; // the service is not done with it yet
          return { ok: true, value: unhashed };
        };
        return drive;
      },
    });
    await world.quiet();
    if (act === "writeContent") {
      await device.write("plan.txt", "first");
      await world.quiet();
    }
    other = () => void cloud.as("desk").put("plan.txt", "from the desk");
    await device.write("plan.txt", "from the laptop");
    await world.pass(60_000);
    await world.quiet();
    const there = cloud.tree().map(({ bytes }) => Buffer.from(bytes ?? []).toString());
    assert.equal(cloud.as("desk").content("plan.txt"), "from the desk", act);
    assert.ok(there.includes("from the laptop"), "and ours is beside it");
    await world.stop();
  }
});

test("which files the service changes by itself", () => {
  for (const name of ["a.docx", "A.XLSX", "x.y.pdf", "i.html", "p.JPG"]) {
    assert.ok(mayBeRewritten(name, "business") && mayBeRewritten(name, "documentLibrary"), name);
    assert.ok(!mayBeRewritten(name, "personal") && !mayBeRewritten(name, undefined), name);
  }
  for (const name of ["a.txt", "docx", ".docx.bak", "pack-1.idx", "b.zip", "c"])
    assert.ok(!mayComeOtherwise(name, "business"), name);
  assert.ok(mayComeOtherwise("IMG_1.HEIC", "personal") && !mayBeRewritten("IMG_1.HEIC", "business"));
});
