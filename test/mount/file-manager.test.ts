/** What file managers do, by the library they are built on (gio): copying folders in, renaming, moving, the trash, watching a folder. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { assertCloudEquals, folderContents } from "../support/cloud-equals.ts";
import { eventually, run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  mount = await startMount(sim, { options: { write_back: "2" } }); // a file that is made and trashed at once is not sent, however slow
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

async function gio(...args: string[]): Promise<string> {
  const ran = await run("gio", args, { ...process.env, HOME: mount.home, LC_ALL: "C.UTF-8" });
  assert.equal(ran.code, 0, `gio ${args.join(" ")}: ${ran.out}${ran.err}`);
  return ran.out;
}

const trash = (): string => mount.path(`.Trash-${process.getuid!()}`);

test("file manager: files copied in keep their times and arrive once, renamed and moved they stay the same items", async () => {
  mkdirSync(mount.path("photos"));
  for (let i = 0; i < 5; i++) {
    const outside = join(mount.home, `picture ${i}.jpg`);
    writeFileSync(outside, randomBytes(20_000));
    await gio("copy", "--preserve", outside, mount.path("photos"));
    assert.equal(
      Math.floor(statSync(mount.path("photos", `picture ${i}.jpg`)).mtimeMs),
      Math.floor(statSync(outside).mtimeMs),
    );
  }
  await mount.settled();
  await assertCloudEquals(sim, mount.path("photos"), "photos");
  const { id } = (await sim.paths()).get("photos/picture 0.jpg")!;
  await sim.clearRequests();
  await gio("rename", mount.path("photos/picture 0.jpg"), "best.jpg");
  mkdirSync(mount.path("album"));
  await gio("move", mount.path("photos/best.jpg"), mount.path("album/best.jpg"));
  await gio("move", mount.path("photos"), mount.path("pictures"));
  await mount.settled();
  const cloud = await sim.paths();
  assert.equal(cloud.get("album/best.jpg")!.id, id);
  assert.equal(cloud.has("photos"), false);
  await assertCloudEquals(sim, mount.path("pictures"), "pictures");
  const sent = (await sim.requests()).filter(({ path, method }) => method === "PUT" && path.includes("/content"));
  assert.deepEqual(sent, [], "no byte was sent again");
  await gio("copy", mount.path("album/best.jpg"), mount.path("album/copy of best.jpg"));
  await mount.settled();
  assert.ok((await sim.get("album/copy of best.jpg")).equals(readFileSync(mount.path("album/best.jpg"))));
});

test("file manager: the trash stays on this machine; restored, a file is the same item; emptied, it is gone from the cloud", async () => {
  for (const name of ["restored.txt", "gone.txt", "dir/inside.txt"]) {
    mkdirSync(mount.path("dir"), { recursive: true });
    writeFileSync(mount.path(name), name);
  }
  await mount.settled();
  const before = await sim.paths();
  writeFileSync(mount.path("young.txt"), "never pushed");
  for (const name of ["young.txt", "restored.txt", "gone.txt", "dir"]) await gio("trash", mount.path(name));
  assert.equal(existsSync(mount.path("gone.txt")), false);
  assert.deepEqual(readdirSync(join(trash(), "files")).toSorted(), ["dir", "gone.txt", "restored.txt", "young.txt"]);
  assert.match(readFileSync(join(trash(), "info/gone.txt.trashinfo"), "utf8"), /Path=.*gone\.txt/);
  await mount.ctl("sync", mount.dir);
  await mount.kill();
  await mount.start();
  assert.equal([...(await sim.paths()).keys()].filter((path) => /Trash|young/.test(path)).length, 0);
  assert.equal(readFileSync(join(trash(), "files/dir/inside.txt"), "utf8"), "dir/inside.txt", "readable in the trash");

  await gio("move", join(trash(), "files/restored.txt"), mount.path("restored.txt"));
  await gio("move", join(trash(), "files/young.txt"), mount.path("young.txt"));
  rmSync(trash(), { recursive: true });
  await mount.settled();
  const cloud = await sim.paths();
  assert.equal(cloud.get("restored.txt")?.id, before.get("restored.txt")!.id);
  assert.equal((await sim.get("young.txt")).toString(), "never pushed");
  for (const name of ["gone.txt", "dir", "dir/inside.txt"]) assert.equal(cloud.has(name), false, name);
  await assertCloudEquals(sim, mount.dir);
});

test("file manager: a watched folder tells what changes in it here", async () => {
  mkdirSync(mount.path("watched"));
  const monitor = spawn("gio", ["monitor", "--dir", mount.path("watched")], { stdio: ["ignore", "pipe", "inherit"] });
  let seen = "";
  monitor.stdout.on("data", (part: Buffer) => (seen += part.toString()));
  try {
    await eventually("the folder is watched", async () => {
      writeFileSync(mount.path("watched/first.txt"), "x");
      return /first\.txt/.test(seen);
    });
    await gio("rename", mount.path("watched/first.txt"), "second.txt");
    rmSync(mount.path("watched/second.txt"));
    await eventually("all is told", () => /second\.txt/.test(seen) && /deleted/.test(seen));
  } finally {
    monitor.kill();
  }
  assert.equal(folderContents(mount.path("watched")).size, 0);
});
