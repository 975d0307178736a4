/**
 * What the kernel keeps of listings and of access control lists that nobody has (FUSE_POSIX_ACL): `ls -l` of a folder that is known costs no
 * request for either, also when the first listing ran while the cloud's items arrived; a change elsewhere is seen by who opens the folder
 * after it; and apart from that nothing is different: lists are refused as they were, modes and permissions are those of files without.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { startHost, type HostProcess } from "../support/host-process.ts";
import { run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const HOUR_MS = 3_600_000;

/** A program of Python that says a line and waits for one. */
function talking(script: string, ...args: string[]) {
  const child = spawn("python3", ["-c", script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    line: async () => String((await lines.next()).value),
    go: () => child.stdin.write("\n"),
    ended: once(child, "exit"),
  };
}

async function good(name: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await run(name, args, process.env);
  assert.equal(code, 0, err);
  return out;
}

describe("listings that the kernel keeps", () => {
  let host: HostProcess;
  before(async () => {
    host = await startHost({ host: "kernel", timeoutMs: HOUR_MS });
    assert.equal(host.fault, undefined);
    await fs.mkdir(host.path("many"));
    for (let i = 0; i < 2000; i++) await fs.writeFile(host.path("many", `file-${i}`), "");
  });
  after(async () => {
    assert.deepEqual(host.defects, []);
    await host.dispose();
  });
  const asked = async (): Promise<number> => {
    const { calls } = await host.state();
    return ["readdir", "readdirPlus", "getxattr", "lookup", "getattr"].reduce(
      (sum, call) => sum + (calls[call] ?? 0),
      0,
    );
  };
  const arrive = async (name: string): Promise<void> => {
    await fs.writeFile(host.path(name), "");
    await host.ask({ ask: "moveElsewhere", from: `/${name}`, to: `/many/${name}` });
  };

  test("what arrives while a program is half way is seen by who opens the folder then; afterwards listings cost nothing", async () => {
    const half = talking(
      "import os, sys\nall = os.scandir(sys.argv[1])\nnext(all)\nprint('half', flush=True)\ninput()\nprint(1 + len(list(all)))",
      host.path("many"),
    );
    assert.equal(await half.line(), "half");
    await arrive("news");
    assert.ok((await fs.readdir(host.path("many"))).includes("news"), "while the other one is half way");
    half.go();
    assert.ok(Number(await half.line()) >= 2000);
    await half.ended;
    assert.ok((await fs.readdir(host.path("many"))).includes("news"), "after it came to the end");
    for (let i = 0; i < 2; i++) await good("ls", "-l", host.path("many"));
    const before = await asked();
    const out = await good("ls", "-l", host.path("many"));
    assert.match(out, / news\n/);
    const opening = (await asked()) - before;
    assert.ok(opening <= 3, `${opening} requests, for the folder that is opened and none for its files`);
  });

  test("what arrives after a whole listing is seen, and kept as well", async () => {
    await good("ls", "-l", host.path("many"));
    await arrive("later");
    assert.match(await good("ls", "-l", host.path("many")), / later\n/);
    for (let i = 0; i < 2; i++) await good("ls", "-l", host.path("many"));
    const before = await asked();
    assert.match(await good("ls", "-l", host.path("many")), / later\n/);
    assert.ok((await asked()) - before <= 3);
  });
});

describe("a mount that begins", () => {
  let sim: Sim;
  let mount: Mount;
  before(async () => {
    sim = await startSim("--populate", "1x1000x10");
    mount = await startMount(sim, { options: { host: "kernel", poll: "3600", allow_other: "" } });
  });
  after(async () => {
    await mount.dispose();
    await sim.stop();
  });

  test("a first listing while the items arrive; then one more, and the next needs no call, though the daemon is stopped", async () => {
    const [folder] = (await fs.readdir(mount.dir)).filter((name) => name.startsWith("dir-"));
    const dir = mount.path(folder!);
    assert.equal((await good("ls", "-l", dir)).split("\n").length, 1002);
    assert.equal((await mount.ctl("sync", mount.dir)).code, 0);
    for (let i = 0; i < 2; i++) await good("ls", "-l", dir);
    const script = [
      "import errno, os, sys",
      "fd = os.open(sys.argv[1], os.O_RDONLY)",
      "print('open', flush=True)",
      "input()",
      "os.chdir(fd)",
      "absent = 0",
      "for name in os.listdir(fd):",
      "    os.lstat(name)",
      "    try: os.getxattr(name, 'system.posix_acl_access')",
      "    except OSError as e: absent += e.errno == errno.ENODATA",
      "print(absent)",
    ].join("\n");
    const looking = talking(script, dir);
    assert.equal(await looking.line(), "open");
    process.kill(mount.pid, "SIGSTOP");
    const watchdog = setTimeout(() => process.kill(mount.pid, "SIGCONT"), 20_000);
    const began = performance.now();
    looking.go();
    const seen = await looking.line();
    const ms = performance.now() - began;
    clearTimeout(watchdog);
    process.kill(mount.pid, "SIGCONT");
    assert.equal(seen, "1000");
    assert.ok(ms < 15_000, "nobody waited for the daemon");
    await looking.ended;
  });

  test("access control lists: none is told, none is taken, whatever it says; programs that copy them go on as without", async () => {
    const script = [
      "import errno, os, struct, sys",
      "def said(call):",
      "    try: return call()",
      "    except OSError as e: return errno.errorcode[e.errno]",
      "entries = [(1, 6, -1), (2, 4, 65534), (4, 4, -1), (16, 4, -1), (32, 0, -1)]",
      "def acl(all): return struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *one) for one in all)",
      "full, small, name = acl(entries), acl([entries[0], entries[2], entries[4]]), 'system.posix_acl_access'",
      "file, folder, below = sys.argv[1:]",
      "with open(file, 'w'): pass",
      "os.mkdir(folder)",
      "for path in (file, folder):",
      "    print(said(lambda: os.getxattr(path, name)), *(said(lambda: os.setxattr(path, name, one)) for one in (full, small, b'')))",
      "    print(said(lambda: os.removexattr(path, name)), said(lambda: os.getxattr(path, name)))",
      "print(said(lambda: os.setxattr(folder, 'system.posix_acl_default', full)))",
      "os.chmod(file, 0o2664)",
      "print(oct(os.stat(file).st_mode & 0o7777), said(lambda: os.getxattr(file, name)))",
    ].join("\n");
    const out = await good("python3", "-c", script, mount.path("file"), mount.path("folder"), mount.path("below"));
    const refused = "ENODATA ENOTSUP ENOTSUP ENOTSUP\nENOTSUP ENODATA\n";
    assert.equal(out, `${refused}${refused}ENOTSUP\n0o2664 ENODATA\n`);
    await good("cp", "-a", mount.path("file"), mount.path("copy"));
    await good("cp", "-a", mount.path("folder"), mount.path("folder-copy"));
    await good("rsync", "-aA", `${mount.path("folder")}/`, `${mount.path("synced")}/`);
    assert.equal((await fs.stat(mount.path("copy"))).mode & 0o7777, 0o2664);
  });

  test("modes of what is made are those asked for without the bits of the caller's umask", async () => {
    const script = [
      "import os, sys",
      "file, folder, node = sys.argv[1:]",
      "for mask in (0o027, 0o077, 0):",
      "    os.umask(mask)",
      "    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)); os.mkdir(folder, 0o777); os.mknod(node, 0o100664)",
      "    print(*(oct(os.stat(path).st_mode & 0o7777) for path in (file, folder, node)))",
      "    os.unlink(file); os.rmdir(folder); os.unlink(node)",
    ].join("\n");
    const out = await good("python3", "-c", script, mount.path("f"), mount.path("d"), mount.path("n"));
    assert.equal(out, "0o640 0o750 0o640\n0o600 0o700 0o600\n0o666 0o777 0o664\n");
  });

  test(
    "another user may what the bits of owner, group and others say",
    { skip: process.getuid?.() !== 0 },
    async () => {
      await fs.chmod(dirname(mount.dir), 0o755);
      await fs.writeFile(mount.path("guarded"), "x");
      const reads = async (group: string): Promise<boolean> => {
        const as = ["--reuid", "65534", "--regid", group, "--clear-groups"];
        return (await run("setpriv", [...as, "cat", mount.path("guarded")], process.env)).code === 0;
      };
      for (const [mode, stranger, member] of [
        [0o600, false, false],
        [0o640, false, true],
        [0o644, true, true],
        [0o604, true, false],
      ] as const) {
        await fs.chmod(mount.path("guarded"), mode);
        assert.deepEqual([await reads("65534"), await reads("0")], [stranger, member], mode.toString(8));
      }
    },
  );
});
