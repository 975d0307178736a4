/**
 * One probe a defect of stock fuse-native 2.2.6 (and a few facts of libfuse 2 that must stay true). A probe throws when what a
 * program would see is wrong. Each runs on a fresh mount; programs run as children, since a process that uses a mount it
 * serves would deadlock, and asynchronously, so that a hanging call cannot hang the probe.
 */
import assert from "node:assert/strict";
import { execFile, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export interface Mount {
  readonly path: string;
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  ask(question: string): Promise<Record<string, unknown>>;
}

const execute = promisify(execFile);
const WAIT_MS = 5_000;
const OPCODE_UNLINK = 10;
const OPCODE_RENAME = 12;

const run = async (command: string, ...args: string[]): Promise<string> =>
  (await execute(command, args, { timeout: WAIT_MS, killSignal: "SIGKILL" })).stdout.trim();
const times = async (file: string): Promise<string> => run("stat", "-c", "%.9X %.9Y", file);

async function file(mount: Mount, name: string): Promise<string> {
  const at = path.join(mount.path, name);
  await fs.writeFile(at, "x");
  return at;
}

/** Sets both times with touch, on the mount and on a plain file, and compares what stat says of the two. */
async function touched(mount: Mount, atime: string, mtime: string): Promise<void> {
  const [at, plain] = [await file(mount, "f"), `${mount.path}.plain`];
  for (const target of [at, plain]) {
    await run("touch", "-a", "-d", atime, target);
    await run("touch", "-m", "-d", mtime, target);
  }
  assert.equal(await times(at), await times(plain));
}

export const probes: Record<string, (mount: Mount) => Promise<void>> = {
  "utimens: both times at once keep apart": async (mount) => {
    const at = await file(mount, "f");
    await fs.utimes(at, 1000, 2000);
    assert.equal(await times(at), "1000.000000000 2000.000000000");
  },
  "utimens: one time alone arrives, to the nanosecond": (mount) =>
    touched(mount, "@981173106.000000001", "@981173107.123456789"),
  "utimens: before 1970": (mount) => touched(mount, "@-2000000000.5", "@-1.25"),
  "utimens: after 2038 and 2106": (mount) => touched(mount, "@2200000000.1", "@5000000000.9"),
  "getattr: nanoseconds": async (mount) => {
    const at = await file(mount, "precise");
    await mount.ask("precise");
    assert.equal(await times(at), "981173106.123456789 981173106.123456789");
  },
  "getattr: inode numbers past 32 bits": async (mount) => {
    const at = await file(mount, "f");
    assert.ok((await fs.stat(at)).ino > 2 ** 40);
  },
  "readdir: inode numbers past 32 bits": async (mount) => {
    await file(mount, "f");
    assert.ok(Number((await run("ls", "-i", mount.path)).split(" ")[0]) > 2 ** 40);
  },
  "options: big_writes reaches libfuse, writes come in 128 KiB": async (mount) => {
    await run("dd", "if=/dev/zero", `of=${mount.path}/f`, "bs=1M", "count=1", "status=none");
    assert.equal((await mount.ask("")).writeMax, 128 * 1024);
  },
  "statfs: more than 2^32 blocks": async (mount) => {
    assert.equal(await run("stat", "-f", "-c", "%b", mount.path), String(2 ** 33));
  },
  "create: the open flags arrive": async (mount) => {
    await (await fs.open(path.join(mount.path, "f"), "wx")).close();
    assert.ok(Number((await mount.ask("")).createFlags) & 0o200, "O_EXCL");
  },
  "getxattr: a value longer than the caller's buffer is ERANGE": async (mount) => {
    const xattr = await import("fs-xattr");
    const at = await file(mount, "f");
    await assert.rejects(xattr.getAttribute(at, "user.grows"), { code: "ERANGE" });
  },
  "names that are not UTF-8 are refused, not renamed": async (mount) => {
    const name = Buffer.concat([Buffer.from(`${mount.path}/`), Buffer.from([0x61, 0xff])]);
    await assert.rejects(fs.writeFile(name, "x"), { code: "EINVAL" });
    await assert.rejects(fs.stat(name), { code: "ENOENT" });
  },
  "threads: nothing stays behind for each libfuse thread": async (mount) => {
    const before = Number((await mount.ask("")).asyncHandles);
    for (let round = 0; round < 3; round++) {
      const many = Array.from({ length: 4 }, (_, i) => run("stat", ...names(mount, round, i)).catch(() => undefined));
      await Promise.all(many);
    }
    assert.equal(Number((await mount.ask("")).asyncHandles), before);
  },
  "unlinking an open file: fstat, fchmod, read go on": async (mount) => {
    const handle = await fs.open(path.join(mount.path, "f"), "w+");
    await handle.write("abc");
    await fs.unlink(path.join(mount.path, "f"));
    assert.equal((await handle.stat()).size, 3);
    await handle.chmod(0o600);
    assert.equal((await handle.read(Buffer.alloc(3), 0, 3, 0)).bytesRead, 3);
    await handle.close();
  },
  "unlinking and replacing an open file can be told apart": async (mount) => {
    const handle = await fs.open(path.join(mount.path, "f"), "w");
    await file(mount, "g");
    await fs.rename(path.join(mount.path, "g"), path.join(mount.path, "f"));
    const second = await fs.open(path.join(mount.path, "f"), "r");
    await fs.unlink(path.join(mount.path, "f"));
    await Promise.all([handle.close(), second.close()]);
    const calls = (await mount.ask("")).opcodes as [number, string, string?][];
    const hides = calls.filter(([, , to]) => to?.includes(".fuse_hidden")).map(([opcode]) => opcode);
    assert.deepEqual(hides, [OPCODE_RENAME, OPCODE_UNLINK]);
  },
  "fusermount -u is told, and the process can end": async (mount) => {
    const told = once(mount.child, "message");
    await run("fusermount", "-u", mount.path);
    const answer = await Promise.race([told, sleep(WAIT_MS, undefined, { ref: false })]);
    assert.ok(answer, "no word of it");
    const exit = await Promise.race([mount.exited, sleep(WAIT_MS, undefined, { ref: false })]);
    assert.deepEqual(exit, [0, null]);
  },
  "process.exit with calls in flight: no crash, no hang, callers get an error": async (mount) => {
    const stuck = run("stat", path.join(mount.path, "never")).then(String, (error: Error) => error.message);
    await sleep(100);
    mount.child.send("exit");
    const exit = await Promise.race([mount.exited, sleep(WAIT_MS, undefined, { ref: false })]);
    assert.deepEqual(exit, [7, null]);
    assert.match(await stuck, /Input\/output error|not connected|Software caused/);
  },
  "a child of the server does not keep a dead mount alive": async (mount) => {
    const { child } = await mount.ask("child");
    try {
      mount.child.kill("SIGKILL");
      await mount.exited;
      await assert.rejects(run("stat", mount.path), /not connected|transport endpoint/i);
    } finally {
      process.kill(Number(child));
    }
  },
  "flock is kept by the kernel": async (mount) => {
    const at = await file(mount, "f");
    await run("flock", "-n", at, "sh", "-c", `! flock -n ${shellQuoted(at)} true`);
  },
};

function names(mount: Mount, round: number, group: number): string[] {
  return Array.from({ length: 8 }, (_, i) => path.join(mount.path, `slow-${round}-${group}-${i}`));
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
