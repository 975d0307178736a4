/** What the cloud changes shows in the mount within the poll interval, what the mount changes shows in the cloud, offline or not. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { open, readFile, stat, unlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, test } from "node:test";
import { assertCloudEquals } from "../support/cloud-equals.ts";
import { eventually, run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  await sim.put("Documents/letter.txt", "dear all");
  await sim.put("Documents/old name.txt", "to be renamed");
  await sim.put("Documents/doomed.txt", "to be deleted");
  mount = await startMount(sim);
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

test("both ways: the tree is there at once and bytes come when read", () => {
  assert.deepEqual(readdirSync(mount.path("Documents")).toSorted(), ["doomed.txt", "letter.txt", "old name.txt"]);
  assert.equal(readFileSync(mount.path("Documents/letter.txt"), "utf8"), "dear all");
});

test("both ways: a file created, edited, renamed and deleted in the cloud appears so within the poll interval", async () => {
  const inode = statSync(mount.path("Documents/old name.txt")).ino;
  await sim.put("Documents/new.txt", "born in the cloud");
  await sim.put("Documents/letter.txt", "dear all, edited");
  await sim.move("Documents/old name.txt", "Documents/Sub/new name.txt");
  await sim.remove("Documents/doomed.txt");
  await eventually(
    "all four changes",
    async () => {
      const there = readdirSync(mount.path("Documents"));
      return (
        there.includes("new.txt") &&
        !there.includes("doomed.txt") &&
        existsSync(mount.path("Documents/Sub/new name.txt")) &&
        (await stat(mount.path("Documents/letter.txt"))).size === 16
      );
    },
    6_000,
  );
  assert.equal(readFileSync(mount.path("Documents/new.txt"), "utf8"), "born in the cloud");
  assert.equal(readFileSync(mount.path("Documents/letter.txt"), "utf8"), "dear all, edited");
  assert.equal(statSync(mount.path("Documents/Sub/new name.txt")).ino, inode, "a rename keeps the inode");
});

test("both ways: names of any kind survive the way to the cloud and back", async () => {
  const names = [
    "a:b?c*.txt",
    "trailing dot.",
    " leading space",
    "CON",
    "umlaut ä ö.txt",
    "日本語.txt",
    "emoji 🙂.txt",
    "100% #1.txt",
    "quote ' \" .txt",
    "full：width.txt",
  ];
  mkdirSync(mount.path("names"));
  for (const name of names) writeFileSync(mount.path("names", name), name);
  await mount.settled();
  const second = await startMount(sim);
  try {
    await eventually(
      "the other machine sees all names",
      () => existsSync(second.path("names")) && readdirSync(second.path("names")).length === names.length,
    );
    assert.deepEqual(readdirSync(second.path("names")).toSorted(), names.toSorted());
    for (const name of names) assert.equal(readFileSync(second.path("names", name), "utf8"), name);
  } finally {
    await second.dispose();
  }
});

test("both ways: an edit on both sides leaves both contents, one as a conflict copy", async () => {
  await sim.put("both.txt", "base");
  await eventually("both.txt", () => existsSync(mount.path("both.txt")));
  readFileSync(mount.path("both.txt"));
  await sim.network(false);
  writeFileSync(mount.path("both.txt"), "edited here");
  await sim.put("both.txt", "edited there");
  await sim.network(true);
  await mount.ctl("sync", mount.dir);
  await mount.settled();
  const cloud = (await sim.tree()).filter((item) => item.path.startsWith("both")).map((item) => item.path);
  assert.equal(cloud.length, 2, cloud.join());
  assert.equal((await sim.get("both.txt")).toString(), "edited there");
  const copy = cloud.find((path) => path !== "both.txt")!;
  assert.match(copy, /^both \(conflict .+ \d{4}-\d\d-\d\d [a-z2-7]{6}\)\.txt$/);
  assert.equal((await sim.get(copy)).toString(), "edited here");
  const listed = await mount.ctl("conflicts", mount.dir, "--json");
  assert.match(listed.out, /both/);
});

test("both ways: offline everything works, bytes that are not here give EIO within a second, and the cloud gets it all later", async () => {
  await sim.put("cloud only.bin", Buffer.alloc(300_000, 7));
  await sim.put("edit me.txt", "before");
  await sim.put("rename me.txt", "content");
  await sim.put("delete me.txt", "content");
  await eventually(
    "all four",
    () =>
      existsSync(mount.path("delete me.txt")) &&
      existsSync(mount.path("cloud only.bin")) &&
      existsSync(mount.path("rename me.txt")),
  );
  readFileSync(mount.path("edit me.txt"));
  await mount.settled();
  assert.equal(await mount.unmount(), 0);
  await sim.network(false);
  await mount.start(); // mounted with the network down
  assert.ok(readdirSync(mount.dir).includes("Documents"));
  assert.equal(readFileSync(mount.path("edit me.txt"), "utf8"), "before");
  const began = Date.now();
  await assert.rejects(readFile(mount.path("cloud only.bin")), { code: "EIO" });
  assert.ok(Date.now() - began < 1_000, `EIO after ${Date.now() - began} ms`);
  writeFileSync(mount.path("edit me.txt"), "after");
  renameSync(mount.path("rename me.txt"), mount.path("renamed.txt"));
  unlinkSync(mount.path("delete me.txt"));
  mkdirSync(mount.path("made offline/deep"), { recursive: true });
  writeFileSync(mount.path("made offline/deep/file.txt"), "written offline");
  renameSync(mount.path("made offline/deep/file.txt"), mount.path("made offline/file.txt"));
  const status = JSON.parse((await mount.ctl("status", mount.dir, "--json")).out) as {
    online: boolean;
    pending: number;
  };
  assert.equal(status.online, false);
  assert.ok(status.pending >= 4, `pending ${status.pending}`);
  await sim.network(true);
  await mount.ctl("sync", mount.dir);
  await mount.settled();
  await assertCloudEquals(sim, mount.dir, "", (path) => path.startsWith("names")); // those have other names in the cloud
  assert.equal((await sim.get("edit me.txt")).toString(), "after");
});

test("both ways: rm -rf of a fresh tree is immediate and leaves nothing in the cloud", async () => {
  mkdirSync(mount.path("burst"));
  // Not so many that their deletion is held when they were in the cloud already.
  for (let i = 0; i < 150; i++) writeFileSync(mount.path("burst", `f${i}`), `content ${i}`);
  rmSync(mount.path("burst"), { recursive: true });
  assert.equal(existsSync(mount.path("burst")), false);
  await mount.settled();
  assert.equal(
    (await sim.tree()).some((item) => item.path.startsWith("burst")),
    false,
  );
});

test("both ways: pins keep, free drops, and the attributes say so", async () => {
  await sim.put("pinned/one.bin", Buffer.alloc(100_000, 1));
  await sim.put("pinned/two.bin", Buffer.alloc(100_000, 2));
  await eventually("pinned", () => existsSync(mount.path("pinned/two.bin")));
  const state = async (path: string): Promise<string> =>
    (await run("getfattr", ["--only-values", "-n", "user.onedrive.state", mount.path(path)])).out;
  assert.equal(await state("pinned/one.bin"), "cloud");
  assert.equal((await run("setfattr", ["-n", "user.onedrive.pin", "-v", "1", mount.path("pinned")])).code, 0);
  await eventually(
    "pinned bytes arrive",
    async () => (await state("pinned/one.bin")) === "cached" && (await state("pinned/two.bin")) === "cached",
  );
  const refused = await mount.ctl("free", mount.path("pinned/one.bin"));
  assert.deepEqual([refused.code, /is pinned: unpin it first/.test(refused.err)], [1, true]);
  const whole = JSON.parse((await mount.ctl("free", mount.dir, "--json")).out) as { pinned: number };
  assert.equal(whole.pinned, 2);
  assert.deepEqual([await state("pinned/one.bin"), await state("pinned/two.bin")], ["cached", "cached"]);
  assert.equal((await mount.ctl("unpin", mount.path("pinned"))).code, 0);
  assert.equal((await mount.ctl("free", mount.path("pinned/one.bin"))).code, 0);
  assert.equal(await state("pinned/one.bin"), "cloud");
  const info = JSON.parse((await mount.ctl("info", mount.path("pinned/two.bin"), "--json")).out) as {
    id: string;
    state: string;
  };
  assert.equal(info.id, (await sim.paths()).get("pinned/two.bin")!.id);
});

test("both ways: a file whose bytes are in the cloud only is read to its end after it was deleted while open, and then goes there too", async () => {
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 9)) & 255));
  await sim.put("read while deleted.bin", bytes);
  await eventually("it is here", () => existsSync(mount.path("read while deleted.bin")));
  const file = await open(mount.path("read while deleted.bin"), "r");
  try {
    await unlink(mount.path("read while deleted.bin"));
    await delay(1_000); // longer than the settle window
    const got = Buffer.alloc(bytes.length);
    for (let at = 0; at < got.length;) at += (await file.read(got, at, 1_000_000, at)).bytesRead;
    assert.ok(got.equals(bytes));
  } finally {
    await file.close();
  }
  await eventually("it is deleted in the cloud", async () => !(await sim.paths()).has("read while deleted.bin"));
});
