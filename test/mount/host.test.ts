/**
 * Each host as the kernel and ordinary programs see it: an in-memory vfs is mounted by another process. What is tested is
 * the door, not the product: that nothing is lost or bent between a system call and the vfs.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { FIRST_INODE } from "../support/memory-vfs.ts";
import { hostNames, startHost, type HostName, type HostProcess } from "../support/host-process.ts";

const execute = promisify(execFile);
const WAIT_MS = 60_000;
const run = async (command: string, ...args: string[]): Promise<string> =>
  (await execute(command, args, { timeout: WAIT_MS, killSignal: "SIGKILL", maxBuffer: 1 << 26 })).stdout.trim();
const code = (wanted: string) => (error: NodeJS.ErrnoException) => error.code === wanted;

const LARGEST_WRITE: Readonly<Record<HostName, number>> = { "fuse-native": 128 * 1024, kernel: 256 * 1024 };

for (const name of hostNames) describe(`the ${name} host`, () => suite(name));

function suite(name: HostName): void {
  let host: HostProcess;
  before(async () => {
    host = await startHost({ timeoutMs: 0, host: name });
    assert.equal(host.fault, undefined);
  });
  after(async () => {
    assert.deepEqual(host.defects, []);
    await host.dispose();
  });

  test("times: mtime alone, to the nanosecond, before 1970 and after 2106", async () => {
    const at = host.path("times");
    await fs.writeFile(at, "x");
    for (const time of ["981173106.123456789", "-1234567890", "7000000000.000000001"]) {
      await run("touch", "-m", "-d", `@${time}`, at);
      assert.equal(Number(await run("stat", "-c", "%.9Y", at)), Number(time));
      assert.match(await run("stat", "-c", "%.9Y", at), new RegExp(time.split(".")[1] ?? "0{9}$"));
    }
    const before = await run("stat", "-c", "%.9Y", at);
    await run("touch", "-a", "-d", "@5", at);
    assert.equal(await run("stat", "-c", "%.9Y", at), before, "an atime alone leaves the mtime");
    await run("touch", at);
    assert.notEqual(await run("stat", "-c", "%.9Y", at), before);
  });

  test("bytes: written and read back whole, in large writes", async () => {
    const bytes = Buffer.alloc(5_000_003, "0123456789abcdef");
    await fs.writeFile(host.path("bytes"), bytes);
    assert.ok(bytes.equals(await fs.readFile(host.path("bytes"))));
    assert.ok((await host.state()).largestWrite >= LARGEST_WRITE[name]);
    await fs.truncate(host.path("bytes"), 10);
    assert.equal(await fs.readFile(host.path("bytes"), "latin1"), "0123456789");
    await fs.writeFile(host.path("bytes"), "short");
    assert.equal(await fs.readFile(host.path("bytes"), "latin1"), "short");
    await fs.appendFile(host.path("bytes"), "er");
    assert.equal(await fs.readFile(host.path("bytes"), "latin1"), "shorter");
  });

  test("inodes: past 32 bits, the same in stat and in a listing, unchanged by a rename", async () => {
    await fs.writeFile(host.path("inode"), "x");
    const { ino } = await fs.stat(host.path("inode"));
    assert.ok(ino > FIRST_INODE);
    await fs.rename(host.path("inode"), host.path("inode2"));
    assert.equal((await fs.stat(host.path("inode2"))).ino, ino);
    const listed = (await run("ls", "-ai", host.dir)).split("\n").map((line) => line.trim().split(" "));
    assert.equal(listed.find(([, name]) => name === "inode2")?.[0], String(ino));
    assert.equal(listed.find(([, name]) => name === ".")?.[0], "1");
  });

  test("an unlinked open file goes on: read, write, fstat, fchmod, futimens; nothing is left in the folder", async () => {
    await fs.mkdir(host.path("unlinked"));
    const file = await fs.open(host.path("unlinked", "f"), "w+");
    await file.write("before");
    await fs.unlink(host.path("unlinked", "f"));
    assert.deepEqual(await fs.readdir(host.path("unlinked")), []);
    await file.write(" after");
    await file.chmod(0o640);
    await file.truncate(8);
    await file.utimes(1, 2);
    const { size, nlink, mode, mtimeMs } = await file.stat();
    assert.deepEqual([size, nlink, mode & 0o777, mtimeMs], [8, 0, 0o640, 2000]);
    assert.equal((await file.read(Buffer.alloc(20), 0, 20, 0)).buffer.toString("latin1", 0, 8), "before a");
    await fs.rmdir(host.path("unlinked"));
    await file.write("!", 8);
    assert.equal((await file.read(Buffer.alloc(20), 0, 20, 8)).bytesRead, 1, "also when its folder is gone");
    await file.close();
  });

  test("a replaced open file goes on, and the replacement is one call of the vfs", async () => {
    await fs.writeFile(host.path("target"), "old");
    await fs.writeFile(host.path("source"), "new!");
    const file = await fs.open(host.path("target"), "r+");
    const unlinks = (await host.state()).calls["unlink"] ?? 0;
    const renames = (await host.state()).calls["rename"] ?? 0;
    await fs.rename(host.path("source"), host.path("target"));
    assert.equal(await fs.readFile(host.path("target"), "latin1"), "new!");
    assert.equal((await file.stat()).size, 3);
    await file.write("OLD", 0);
    assert.equal(await file.readFile("latin1"), "OLD");
    await file.close();
    const { calls } = await host.state();
    assert.deepEqual([calls["unlink"] ?? 0, calls["rename"]], [unlinks, renames + 1]);
    assert.equal(await fs.readFile(host.path("target"), "latin1"), "new!");
  });

  test("a rename onto an open target that fails leaves both as they were", async () => {
    await fs.mkdir(host.path("full"));
    await fs.writeFile(host.path("full", "f"), "kept");
    await fs.mkdir(host.path("other"));
    await assert.rejects(fs.rename(host.path("other"), host.path("full")), code("ENOTEMPTY"));
    const file = await fs.open(host.path("full", "f"));
    await assert.rejects(fs.rename(host.path("other"), host.path("full", "f")), code("ENOTDIR"));
    assert.equal((await file.stat()).size, 4);
    assert.equal(await file.readFile("latin1"), "kept");
    await file.close();
    assert.equal(await fs.readFile(host.path("full", "f"), "latin1"), "kept");
  });

  test("a user's own .fuse_hidden file is a file like any other", async () => {
    const name = ".fuse_hidden0000000200000001";
    await fs.writeFile(host.path("plain"), "x");
    const file = await fs.open(host.path("plain"));
    await fs.rename(host.path("plain"), host.path(name));
    assert.ok((await fs.readdir(host.dir)).includes(name));
    await file.close();
    assert.equal(await fs.readFile(host.path(name), "latin1"), "x");
    await fs.unlink(host.path(name));
    assert.ok(!(await fs.readdir(host.dir)).includes(name));
  });

  test("names: O_EXCL, 255 bytes, what is not UTF-8, what is not there", async () => {
    await (await fs.open(host.path("excl"), "wx")).close();
    await assert.rejects(fs.open(host.path("excl"), "wx"), code("EEXIST"));
    await fs.writeFile(host.path("a".repeat(255)), "x");
    await assert.rejects(fs.writeFile(host.path("a".repeat(256)), "x"), code("ENAMETOOLONG"));
    const bad = Buffer.concat([Buffer.from(host.path("bad")), Buffer.from([0xff])]);
    await assert.rejects(fs.writeFile(bad, "x"), code("EINVAL"));
    await assert.rejects(fs.stat(bad), code("ENOENT"));
    await assert.rejects(fs.readFile(host.path("excl", "below")), code("ENOTDIR"));
    await assert.rejects(fs.readFile(host.path("none", "below")), code("ENOENT"));
    await fs.writeFile(host.path("ünï 文\u{1F600}"), "x");
    assert.ok((await fs.readdir(host.dir)).includes("ünï 文\u{1F600}"));
  });

  test("links and devices are refused with EPERM", async () => {
    await fs.writeFile(host.path("link-me"), "x");
    await assert.rejects(fs.symlink("x", host.path("symlink")), code("EPERM"));
    await assert.rejects(fs.link(host.path("link-me"), host.path("hardlink")), code("EPERM"));
    await assert.rejects(run("mkfifo", host.path("fifo")), /Operation not permitted/);
  });

  test("folders: made, listed, not removed while full, gone when empty", async () => {
    await fs.mkdir(host.path("d/e").replace("/e", ""));
    await fs.mkdir(host.path("d", "e"));
    await assert.rejects(fs.mkdir(host.path("d")), code("EEXIST"));
    await assert.rejects(fs.rmdir(host.path("d")), code("ENOTEMPTY"));
    await assert.rejects(fs.rmdir(host.path("excl")), code("ENOTDIR"));
    assert.deepEqual(await fs.readdir(host.path("d")), ["e"]);
    await fs.rm(host.path("d"), { recursive: true });
    await assert.rejects(fs.stat(host.path("d")), code("ENOENT"));
  });

  test("a folder of 10,000 entries is listed whole, also while it changes", async () => {
    const folder = host.path("many");
    await fs.mkdir(folder);
    await run("sh", "-c", 'cd "$1" && seq -f "file-%05g" 10000 | xargs touch', "sh", folder);
    assert.equal((await fs.readdir(folder)).length, 10_000);
    const seen = new Set<string>();
    for await (const entry of await fs.opendir(folder, { bufferSize: 100 })) {
      if (seen.size === 500) await fs.rename(`${folder}/file-09999`, `${folder}/zzz`);
      seen.add(entry.name);
    }
    assert.ok(seen.size >= 10_000);
  });

  test("xattrs: set, replaced, listed, removed; flags and buffer sizes are honoured", async () => {
    const at = host.path("xattr");
    await fs.writeFile(at, "x");
    const xattr = await import("fs-xattr");
    const value = Buffer.alloc(60_000, "v");
    await xattr.setAttribute(at, "user.long", value);
    await xattr.setAttribute(at, "user.empty", Buffer.alloc(0));
    assert.ok(value.equals(await xattr.getAttribute(at, "user.long")));
    assert.equal((await xattr.getAttribute(at, "user.empty")).length, 0);
    assert.deepEqual((await xattr.listAttributes(at)).sort(), ["user.empty", "user.long"]);
    await xattr.removeAttribute(at, "user.long");
    await assert.rejects(xattr.getAttribute(at, "user.long"), code("ENODATA"));
    await assert.rejects(xattr.setAttribute(at, "trusted.x", value), /not support/);
  });

  test("statfs: past 32 bits, names of 255", async () => {
    assert.equal(await run("stat", "-f", "-c", "%S %b %f %a %l", host.dir), `4096 ${2 ** 33} ${2 ** 32} 1000 255`);
  });

  test("close(2) tells what flush answered; fsync and fsync of a folder succeed", async () => {
    const file = await fs.open(host.path("fails-flush"), "w");
    await file.write("x");
    await file.sync();
    await assert.rejects(file.close(), code("ENOSPC"));
    await run("sync", host.dir);
  });

  test("32 readers at once, slow ones among them, do not wait for each other", async () => {
    await fs.writeFile(host.path("slow-1500"), "slow");
    await fs.writeFile(host.path("quick"), "quick");
    const slow = fs.readFile(host.path("slow-1500"), "latin1");
    const started = performance.now();
    const quick = await Promise.all(Array.from({ length: 32 }, () => run("cat", host.path("quick"))));
    assert.ok(performance.now() - started < 1400, "quick readers waited for the slow one");
    assert.deepEqual(new Set(quick), new Set(["quick"]));
    assert.equal(await slow, "slow");
  });

  test("flock and fcntl locks work between processes", async () => {
    const at = host.path("lock");
    await fs.writeFile(at, "");
    await run("flock", "-n", at, "sh", "-c", '! flock -n "$1" true', "sh", at);
    const released = run("flock", at, "sleep", "0.4");
    await new Promise((resolve) => setTimeout(resolve, 100));
    await assert.rejects(run("flock", "-n", at, "true"));
    await run("flock", at, "true");
    await released;
  });

  test("a file changed on another device is read anew; an unchanged one comes from the kernel's pages", async () => {
    await fs.writeFile(host.path("pages"), "first");
    assert.equal(await fs.readFile(host.path("pages"), "latin1"), "first");
    const before = (await host.state()).calls["read"] ?? 0;
    assert.equal(await fs.readFile(host.path("pages"), "latin1"), "first");
    assert.equal((await host.state()).calls["read"], before, "the second read needs no call");
    await host.ask({ ask: "replaceBytes", path: "/pages", bytes: "other" });
    assert.equal(await fs.readFile(host.path("pages"), "latin1"), "other");
  });

  test("an open file that was moved on another device is still itself", async () => {
    await fs.mkdir(host.path("elsewhere"));
    await fs.writeFile(host.path("moving"), "x");
    const file = await fs.open(host.path("moving"), "r+");
    await file.stat();
    await host.ask({ ask: "moveElsewhere", from: "/moving", to: "/elsewhere/moved" });
    assert.equal((await file.stat()).size, 1);
    await file.chmod(0o600);
    assert.equal((await fs.stat(host.path("elsewhere", "moved"))).mode & 0o777, 0o600);
    await assert.rejects(fs.stat(host.path("moving")), code("ENOENT"));
    await file.close();
  });

  test("after all that nothing is open and nothing unlinked is kept", async () => {
    for (const name of await fs.readdir(host.dir)) await fs.rm(host.path(name), { recursive: true });
    const { openCount, nodeCount } = await host.state();
    assert.deepEqual([openCount, nodeCount], [0, 1]);
  });
}
