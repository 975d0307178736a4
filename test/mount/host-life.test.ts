/**
 * How a mount begins and ends, through each host: refusals in one line, repair of a stale mountpoint, word of an unmount
 * whoever did it, programs that still have files open, and what a bug in a handler does.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { mountAt } from "../../src/host/mount-table.ts";
import { hostNames, startHost, type HostName, type HostProcess, type HostWishes } from "../support/host-process.ts";
import { eventually } from "../support/mount-process.ts";

const run = promisify(execFile);
const code = (wanted: string) => (error: NodeJS.ErrnoException) => error.code === wanted;

for (const name of hostNames) describe(`the ${name} host`, () => suite(name));

function suite(host: HostName): void {
  async function withHost(wishes: HostWishes, act: (host: HostProcess) => Promise<void>): Promise<void> {
    const started = await startHost({ ...wishes, host });
    try {
      await act(started);
    } finally {
      await started.dispose();
    }
  }

  async function withFolder(act: (dir: string) => Promise<void>): Promise<void> {
    const dir = mkdtempSync(join(tmpdir(), "onedrive-host-"));
    try {
      await act(dir);
    } finally {
      await run("fusermount", ["-uz", dir]).catch(() => undefined); // fails when nothing is mounted, as it should be
      rmSync(dir, { recursive: true, force: true });
    }
  }

  test("the mount table shows type and source, commas and blanks included", async () => {
    await withHost({}, async (host) => {
      const entry = await mountAt(host.dir);
      assert.deepEqual([entry?.type, entry?.source], ["fuse.onedrive", "onedrive:a,b\\c d"]);
    });
  });

  test("fusermount -u is told at once, and the process ends by itself with 0", async () => {
    await withHost({}, async (host) => {
      await fs.writeFile(host.path("f"), "x");
      await run("fusermount", ["-u", host.dir]);
      assert.equal(await Promise.race([host.exited, delay(3000, "still there", { ref: false })]), 0);
      assert.equal(await mountAt(host.dir), undefined);
    });
  });

  test("our own unmount: refused while a file is open, forced when lazy, and the program gets an error", async () => {
    await withHost({}, async (host) => {
      const file = await fs.open(host.path("f"), "w");
      assert.equal(await host.ask({ ask: "unmount", lazy: false }), false);
      await file.write("still works");
      assert.equal(await host.ask({ ask: "unmount", lazy: true }), true);
      assert.equal(await host.exited, 0);
      await assert.rejects(file.write("too late"));
      await file.close().catch(() => undefined); // the mount is gone: closing may say so
    });
  });

  test("fusermount -u while a file is open: busy, and everything goes on", async () => {
    await withHost({}, async (host) => {
      const file = await fs.open(host.path("f"), "w+");
      await file.write("before");
      await assert.rejects(run("fusermount", ["-u", host.dir]), /busy/i);
      await file.write(", after");
      await file.sync();
      assert.equal(await fs.readFile(host.path("f"), "latin1"), "before, after");
      await file.close();
      await run("fusermount", ["-u", host.dir]);
      assert.equal(await host.exited, 0);
    });
  });

  test("our own unmount of an idle mount", async () => {
    await withHost({}, async (host) => {
      assert.equal(await host.ask({ ask: "unmount", lazy: false }), true);
      assert.equal(await host.exited, 0);
    });
  });

  test("a lazy unmount does not wait for a read that waits", async () => {
    await withHost({}, async (host) => {
      await fs.writeFile(host.path("slow-60000"), "x");
      const read = fs.readFile(host.path("slow-60000")).catch((error: NodeJS.ErrnoException) => error.code);
      await delay(100);
      assert.equal(await host.ask({ ask: "unmount", lazy: true }), true);
      assert.equal(await host.exited, 0);
      assert.ok(["EINTR", "ECONNABORTED", "ENOTCONN", "EIO"].includes(String(await read)));
    });
  });

  test("process exit with a call in flight neither hangs nor crashes", async () => {
    await withHost({}, async (host) => {
      await fs.writeFile(host.path("slow-60000"), "x");
      const read = fs.readFile(host.path("slow-60000")).catch((error: NodeJS.ErrnoException) => error.code);
      await delay(100);
      host.child.send({ ask: "exit", code: 5 });
      assert.equal(await host.exited, 5);
      assert.ok(["ECONNABORTED", "ENOTCONN", "EIO"].includes(String(await read)));
    });
  });

  test("a mountpoint left behind by a killed process is repaired", async () => {
    await withFolder(async (dir) => {
      const killed = await startHost({ dir, host });
      killed.child.kill("SIGKILL");
      await killed.exited;
      await assert.rejects(fs.stat(dir), /ENOTCONN|ECONNABORTED/); // the latter while the mount is ending
      const again = await startHost({ dir, host });
      try {
        assert.equal(again.fault, undefined);
        await fs.writeFile(join(dir, "f"), "x");
      } finally {
        await again.dispose();
        await killed.dispose();
      }
    });
  });

  test("a mountpoint in use, missing, not empty, or not a folder is refused in one line", async () => {
    await withFolder(async (dir) => {
      const refused = async (at: string): Promise<string | undefined> => {
        const started = await startHost({ dir: at, host });
        await started.dispose();
        assert.ok(!started.fault?.why.includes("\n"));
        return started.fault?.kind;
      };
      assert.equal(await refused(join(dir, "none")), "missing");
      await fs.writeFile(join(dir, "file"), "x");
      assert.equal(await refused(join(dir, "file")), "notFolder");
      assert.equal(await refused(dir), "notEmpty");
      await withHost({}, async (host) => assert.equal(await refused(host.dir), "busy"));
    });
  });

  test("a read-only mount answers EROFS", async () => {
    await withHost({ readOnly: true }, async (host) => {
      await assert.rejects(fs.writeFile(host.path("f"), "x"), code("EROFS"));
      await assert.rejects(fs.mkdir(host.path("d")), code("EROFS"));
    });
  });

  test("a bug in a handler: EIO, reported, and nothing is written any more", async () => {
    await withHost({}, async (host) => {
      const file = await fs.open(host.path("f"), "w");
      try {
        await file.write("x");
        await assert.rejects(fs.stat(host.path("explodes")), code("EIO"));
        await eventually("it is reported", () => host.defects.length > 0); // it comes by another way than the EIO
        assert.deepEqual(host.defects, ["a bug, on purpose"]);
        await assert.rejects(file.write("y"), code("EIO"));
        await assert.rejects(fs.mkdir(host.path("d")), code("EIO"));
      } finally {
        await file.close().catch(() => undefined); // EIO as well
      }
    });
  });

  test("10,000 calls leave nothing behind", async () => {
    await withHost({ timeoutMs: 0 }, async (host) => {
      await fs.writeFile(host.path("f"), "x");
      const round = async (calls: number): Promise<number> => {
        for (let i = 0; i < calls / 20; i++) {
          await Promise.all(Array.from({ length: 10 }, () => fs.readFile(host.path("f"))));
          await Promise.all(Array.from({ length: 10 }, () => fs.stat(host.path("f"))));
        }
        return (await host.state()).rss;
      };
      const before = await round(5000);
      const after = await round(10_000);
      assert.equal((await host.state()).openCount, 0);
      assert.ok(after - before < 32 * 1024 ** 2, `memory grew by ${Math.round((after - before) / 1024)} KiB`);
    });
  });
}
