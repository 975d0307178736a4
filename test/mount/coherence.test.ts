/**
 * The kernel host believes names and attributes for an hour, and is told what changes: a program that looks after the change
 * sees it, whatever the kernel had remembered before. Also what only this host can: a wait that ends with an interrupt, renameat2, mounts
 * of ordinary users.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { startHost, type HostProcess } from "../support/host-process.ts";
import { eventually, startMount, type Mount } from "../support/mount-process.ts";
import { repository } from "../support/repository.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const execute = promisify(execFile);
const code = (wanted: string) => (error: NodeJS.ErrnoException) => error.code === wanted;

describe("coherence: changes elsewhere", () => {
  let sim: Sim;
  let mount: Mount;
  before(async () => {
    sim = await startSim();
    await sim.put("d/f", "first");
    mount = await startMount(sim, { options: { host: "kernel", poll: "3600" } });
    await synced();
  });
  after(async () => {
    await mount.dispose();
    await sim.stop();
  });
  const synced = async (): Promise<void> => {
    const { code: status, err } = await mount.ctl("sync", mount.dir);
    assert.equal(status, 0, err);
  };

  test("a name that was absent is there after a sync, and one that was there is gone, under every spelling", async () => {
    for (const name of ["new", "NEW"]) await assert.rejects(fs.stat(mount.path("d", name)), code("ENOENT"));
    for (const name of ["f", "F"]) assert.equal((await fs.stat(mount.path("d", name))).size, 5);
    assert.deepEqual(await fs.readdir(mount.path("d")), ["f"]);
    await sim.put("d/new", "bytes");
    await sim.remove("d/f");
    await synced();
    for (const name of ["new", "NEW", "New"]) assert.equal((await fs.stat(mount.path("d", name))).size, 5);
    for (const name of ["f", "F"]) await assert.rejects(fs.stat(mount.path("d", name)), code("ENOENT"));
    assert.deepEqual(await fs.readdir(mount.path("d")), ["new"]);
  });

  test("other bytes of the same length and the same quickXorHash are seen", async () => {
    await sim.put("d/run", "A".repeat(8000));
    await synced();
    assert.equal((await fs.readFile(mount.path("d", "run"), "utf8"))[0], "A");
    await sim.put("d/run", "B".repeat(8000));
    await synced();
    assert.equal((await fs.readFile(mount.path("d", "run"), "utf8"))[0], "B");
    await sim.remove("d/run");
    await synced();
  });

  test("a name made or removed here is so under every spelling", async () => {
    const [lower, upper] = [mount.path("case"), mount.path("CASE")];
    await assert.rejects(fs.stat(lower), code("ENOENT"));
    await assert.rejects(fs.stat(upper), code("ENOENT"));
    await fs.writeFile(upper, "x");
    await eventually("the other spelling is found", () => existsSync(lower), 2000);
    await fs.unlink(lower);
    await eventually("it is gone under both", () => !existsSync(upper) && !existsSync(lower), 2000);
  });

  test("other bytes: who opens the file now reads them, who had it open keeps his, and mappings of the new ones work later", async () => {
    await sim.put("d/bytes", "old bytes");
    await synced();
    const file = await fs.open(mount.path("d", "bytes"));
    const read = async (): Promise<string> =>
      (await file.read(Buffer.alloc(20), 0, 20, 0)).buffer.toString("latin1", 0, 9);
    assert.equal(await read(), "old bytes");
    await sim.put("d/bytes", "new content");
    await synced();
    assert.equal(await fs.readFile(mount.path("d", "bytes"), "latin1"), "new content");
    assert.equal((await fs.stat(mount.path("d", "bytes"))).size, 11);
    assert.equal(await read(), "old bytes");
    await file.close();
    assert.equal(await fs.readFile(mount.path("d", "bytes"), "latin1"), "new content");
    assert.equal(await fs.readFile(mount.path("d", "bytes"), "latin1"), "new content");
  });

  test("a folder that was renamed and moved into is where it is", async () => {
    await sim.put("d/deep/x", "x");
    await synced();
    const { ino } = await fs.stat(mount.path("d", "deep", "x"));
    await sim.move("d/deep", "moved");
    await synced();
    await assert.rejects(fs.stat(mount.path("d", "deep")), code("ENOENT"));
    assert.equal((await fs.stat(mount.path("moved", "x"))).ino, ino);
  });

  test("a second stat needs no call of the daemon, though it is stopped", async () => {
    await fs.stat(mount.path("moved", "x"));
    process.kill(mount.pid, "SIGSTOP");
    try {
      const stat = execute("stat", ["-c", "%s", mount.path("moved", "x")]);
      const slow = delay(5000, undefined, { ref: false });
      assert.notEqual(await Promise.race([stat, slow]), undefined);
    } finally {
      process.kill(mount.pid, "SIGCONT");
    }
  });
});

describe("the kernel host alone", () => {
  let host: HostProcess;
  before(async () => {
    host = await startHost({ host: "kernel" });
    assert.equal(host.fault, undefined);
  });
  after(async () => {
    assert.deepEqual(host.defects, []);
    await host.dispose();
  });

  test("a read that waits ends when its reader is interrupted, and nothing is left of it", async () => {
    await fs.writeFile(host.path("slow-60000"), "x");
    const reader = spawn("cat", [host.path("slow-60000")], { stdio: "ignore" });
    await delay(300);
    reader.kill("SIGINT");
    const [, signal] = (await once(reader, "exit")) as [number | null, string | null];
    assert.equal(signal, "SIGINT");
    await eventually("its file is closed", async () => (await host.state()).openCount === 0);
  });

  test("renameat2: exchange, and no replacement", async () => {
    const script = [
      "import ctypes, sys, os",
      "libc = ctypes.CDLL(None, use_errno=True)",
      "result = libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), int(sys.argv[3]))",
      "print(os.strerror(ctypes.get_errno()) if result else 'done')",
    ].join("\n");
    const rename = async (from: string, to: string, flags: number): Promise<string> =>
      (await execute("python3", ["-c", script, host.path(from), host.path(to), String(flags)])).stdout.trim();
    await fs.writeFile(host.path("one"), "1");
    await fs.writeFile(host.path("two"), "2");
    assert.equal(await rename("one", "two", 1), "File exists");
    assert.equal(await rename("one", "three", 1), "done");
    assert.equal(await rename("two", "three", 4), "Invalid argument");
    assert.equal(await fs.readFile(host.path("three"), "latin1"), "1");
  });

  test("fallocate lengthens a file; what it cannot do it says", async () => {
    await execute("fallocate", ["-l", "100000", host.path("long")]);
    assert.equal((await fs.stat(host.path("long"))).size, 100_000);
    await execute("fallocate", ["--keep-size", "-l", "200000", host.path("long")]).catch((error: Error) =>
      assert.match(error.message, /unsupported|not supported/),
    );
    for (const mode of ["--punch-hole", "--zero-range", "--collapse-range", "--insert-range"])
      await assert.rejects(
        execute("fallocate", [mode, "-o", "4096", "-l", "4096", host.path("long")]),
        /unsupported|not supported/,
        mode,
      );
    assert.equal((await fs.stat(host.path("long"))).size, 100_000);
  });

  test("mknod makes a plain file", async () => {
    await execute("python3", ["-c", "import os, sys; os.mknod(sys.argv[1], 0o100640)", host.path("node")]);
    assert.deepEqual([(await fs.stat(host.path("node"))).size, (await host.state()).openCount], [0, 0]);
  });

  test("flock and fcntl locks are the kernel's, deadlocks among them are found", async () => {
    await fs.writeFile(host.path("locked"), "0123456789");
    const script = [
      "import fcntl, os, sys, time",
      "f = open(sys.argv[1], 'r+')",
      "one, two = (0, 1) if os.fork() else (1, 0)",
      "fcntl.lockf(f, fcntl.LOCK_EX, 1, one)",
      "time.sleep(0.5)",
      "try:",
      "    fcntl.lockf(f, fcntl.LOCK_EX, 1, two)",
      "except OSError as e:",
      "    os.write(1, e.strerror.encode())",
      "fcntl.lockf(f, fcntl.LOCK_UN)", // the other one may wait for it
      "if one == 0: os.wait()",
    ].join("\n");
    const { stdout } = await execute("python3", ["-c", script, host.path("locked")], { timeout: 20_000 });
    assert.equal(stdout, "Resource deadlock avoided");
  });
});

/** In a mount namespace of its own, with a /dev/fuse that everybody may open, as it is on a desktop. */
test("an ordinary user mounts through fusermount, and unmounts", { skip: process.getuid?.() !== 0 }, async () => {
  const script = [
    "set -e",
    "dir=$(mktemp -d)",
    "mount -t tmpfs none $dir",
    "mknod -m 666 $dir/fuse c 10 229",
    "mount --bind $dir/fuse /dev/fuse",
    "umount -l $dir; rmdir $dir",
    'exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent "$@"',
  ].join("\n");
  const user = [process.execPath, "--import", "tsx", join(repository, "test/support/mount-as-user.ts")];
  const args = ["-m", "sh", "-c", script, "sh", ...user];
  const { stdout } = await execute("unshare", args, { cwd: repository, timeout: 60_000 });
  assert.deepEqual(JSON.parse(stdout), {
    uid: 65_534,
    stdout: "hello\nf\n",
    type: "fuse.onedrive",
    source: "onedrive:a,b\\c d",
    exit: 0,
  });
});
