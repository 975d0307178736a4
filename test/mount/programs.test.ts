/** Real programs work in a mounted folder, and the simulated cloud then holds exactly what they wrote. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync, chmodSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { assertCloudEquals } from "../support/cloud-equals.ts";
import { run, startMount, type Mount, type Ran } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  mount = await startMount(sim);
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

async function good(program: string, ...args: string[]): Promise<Ran> {
  const ran = await run(program, args, {
    ...process.env,
    HOME: mount.home,
    GIT_CONFIG_NOSYSTEM: "1",
    LC_ALL: "C.UTF-8",
  });
  assert.equal(ran.code, 0, `${program} ${args.join(" ")}: ${ran.out}${ran.err}`);
  return ran;
}

/** A folder outside the mount with a few files, folders, modes and old times. */
function sample(name: string): string {
  const dir = join(mount.home, name);
  mkdirSync(join(dir, "deep/er"), { recursive: true });
  for (const [path, size] of [
    ["a.txt", 10],
    ["empty", 0],
    ["deep/b.bin", 70_000],
    ["deep/er/c 'odd' name.dat", 5_000],
  ] as const) {
    writeFileSync(join(dir, path), randomBytes(size));
    utimesSync(join(dir, path), 1_500_000_000, 1_500_000_000 + size);
  }
  chmodSync(join(dir, "a.txt"), 0o755);
  return dir;
}

test("programs: git clones, checks and commits", async () => {
  const origin = join(mount.home, "origin");
  await good("git", "init", "-q", "-b", "main", origin);
  for (let i = 0; i < 30; i++) writeFileSync(join(origin, `file${i}.txt`), randomBytes(2000).toString("hex"));
  await good("git", "-C", origin, "add", ".");
  const who = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
  await good("git", "-C", origin, ...who, "commit", "-qm", "first");
  const clone = mount.path("clone");
  await good("git", "clone", "-q", origin, clone);
  await good("git", "-C", clone, "fsck", "--full");
  writeFileSync(join(clone, "file1.txt"), "changed\n");
  await good("git", "-C", clone, ...who, "commit", "-qam", "second");
  assert.equal((await good("git", "-C", clone, "status", "--porcelain")).out, "");
  await good("git", "-C", clone, "gc", "-q");
  await good("git", "-C", clone, "fsck", "--full");
  await mount.settled();
  await assertCloudEquals(sim, clone, "clone");
});

test("programs: rsync -a twice transfers nothing the second time", async () => {
  const from = sample("rsync-from");
  await good("rsync", "-a", `${from}/`, `${mount.path("synced")}/`);
  const second = await good("rsync", "-a", "--itemize-changes", `${from}/`, `${mount.path("synced")}/`);
  assert.equal(second.out.trim(), "", "the second run has nothing to do");
  await mount.settled();
  const third = await good("rsync", "-a", "--itemize-changes", `${from}/`, `${mount.path("synced")}/`);
  assert.equal(third.out.trim(), "", "nor after everything was pushed");
  await assertCloudEquals(sim, mount.path("synced"), "synced");
  assert.equal(
    (await sim.tree()).some((item) => /^synced\/(.*\/)?\..*\.[A-Za-z0-9]{6}$/.test(item.path)),
    false,
    "no temporary name",
  );
});

test("programs: tar x keeps mtimes, tar d finds no difference, cp -a copies them", async () => {
  const from = sample("tar-from");
  const archive = join(mount.home, "sample.tar");
  await good("tar", "-C", from, "-cf", archive, ".");
  mkdirSync(mount.path("untarred"));
  await good("tar", "-C", mount.path("untarred"), "-xf", archive);
  await good("tar", "-C", mount.path("untarred"), "-df", archive);
  await good("cp", "-a", from, mount.path("copied"));
  assert.equal(statSync(mount.path("copied/deep/b.bin")).mtimeMs, 1_500_070_000_000);
  await mount.settled();
  await good("tar", "-C", mount.path("untarred"), "-df", archive);
  const cloud = await sim.paths();
  assert.equal(Date.parse(cloud.get("copied/deep/b.bin")!.mtime), 1_500_070_000_000);
  await assertCloudEquals(sim, mount.path("untarred"), "untarred");
  await assertCloudEquals(sim, mount.path("copied"), "copied");
});

for (const mode of ["delete", "wal"]) {
  test(`programs: sqlite in ${mode} mode passes its integrity check`, async () => {
    const file = mount.path(`data-${mode}.db`);
    const script = `PRAGMA journal_mode=${mode}; CREATE TABLE t(x); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<2000) INSERT INTO t SELECT hex(randomblob(50)) FROM c;`;
    await good("sqlite3", file, script);
    await good(
      "sqlite3",
      file,
      "UPDATE t SET x = x || 'y' WHERE rowid % 3 = 0; DELETE FROM t WHERE rowid % 7 = 0; PRAGMA wal_checkpoint(TRUNCATE);",
    );
    assert.equal((await good("sqlite3", file, "PRAGMA integrity_check")).out.trim(), "ok");
    await mount.settled();
    const copy = join(mount.home, `copy-${mode}.db`);
    writeFileSync(copy, await sim.get(`data-${mode}.db`));
    assert.equal((await good("sqlite3", copy, "PRAGMA integrity_check")).out.trim(), "ok");
    assert.equal(
      (await good("sqlite3", copy, "SELECT count(*) FROM t")).out,
      (await good("sqlite3", file, "SELECT count(*) FROM t")).out,
    );
  });
}

test("programs: fio verifies what it wrote, sequentially and at random", async () => {
  mkdirSync(mount.path("fio"));
  for (const rw of ["write", "randwrite"]) {
    await good(
      "fio",
      "--name=v",
      `--directory=${mount.path("fio")}`,
      `--rw=${rw}`,
      "--bs=4k",
      "--size=2m",
      "--verify=crc32c",
      "--do_verify=1",
      "--verify_fatal=1",
      "--end_fsync=1",
      "--verify_state_save=0",
      "--ioengine=psync",
      "--numjobs=2",
    );
  }
  await mount.settled();
  await assertCloudEquals(sim, mount.path("fio"), "fio");
});

test("programs: a large file goes up whole and comes back whole", async () => {
  const bytes = randomBytes(24 * 1024 * 1024);
  writeFileSync(mount.path("large.bin"), bytes);
  await mount.settled();
  const up = await sim.get("large.bin");
  assert.equal(createHash("sha256").update(up).digest("hex"), createHash("sha256").update(bytes).digest("hex"));
  await mount.ctl("free", mount.path("large.bin"));
  assert.ok(readFileSync(mount.path("large.bin")).equals(bytes), "read back from the cloud");
});
