/** Bad input gets one clear line and the right exit status; nothing is lost and no stack trace is shown. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { programs } from "../support/repository.ts";
import { run, startMount, type Ran } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let home: string;

before(async () => {
  sim = await startSim();
  home = mkdtempSync(join(tmpdir(), "onedrive-refusals-"));
  mkdirSync(join(home, "mnt"));
  mkdirSync(join(home, "full"));
  writeFileSync(join(home, "full/something"), "x");
  writeFileSync(join(home, "file"), "x");
});

after(async () => {
  await sim?.stop();
  rmSync(home, { recursive: true, force: true });
});

const env = (): NodeJS.ProcessEnv => ({
  ...process.env,
  HOME: home,
  XDG_CONFIG_HOME: join(home, "c"),
  XDG_STATE_HOME: join(home, "s"),
  XDG_CACHE_HOME: join(home, "k"),
  XDG_RUNTIME_DIR: join(home, "r"),
});
const mountProgram = (...args: string[]): Promise<Ran> =>
  run(process.execPath, [join(programs, "mount.onedrive.js"), ...args], env());
const ctl = (...args: string[]): Promise<Ran> =>
  run(process.execPath, [join(programs, "onedrivectl.js"), ...args], env());

function assertRefused(ran: Ran, code: number, what: RegExp): void {
  assert.equal(ran.code, code, ran.out + ran.err);
  assert.match(ran.err, what);
  assert.equal(ran.err.trim().split("\n").length, 1, `one line: ${ran.err}`);
  assert.doesNotMatch(ran.err, /\n\s+at |node:internal/);
}

test("refusals: wrong usage ends with 1", async () => {
  assertRefused(await mountProgram(), 1, /mountpoint/);
  assertRefused(await mountProgram("--colour", join(home, "mnt")), 1, /--colour/);
  assertRefused(await mountProgram(join(home, "mnt"), "-o", "polll=3"), 1, /polll/);
  assertRefused(await mountProgram(join(home, "mnt"), "-o", "poll=fast"), 1, /poll/);
  assertRefused(await mountProgram(join(home, "mnt"), "-o", `config=${join(home, "none")}`), 1, /none/);
  assertRefused(await mountProgram(join(home, "mnt"), "-o", "endpoint=http://example.org"), 1, /endpoint/);
  assertRefused(await ctl("frobnicate"), 1, /frobnicate/);
  assertRefused(await ctl("status", home), 1, /not in a mounted OneDrive/);
});

test("refusals: a bad mountpoint ends with 32", async () => {
  const o = ["-o", `endpoint=${sim.url}`];
  assertRefused(await mountProgram(join(home, "missing"), ...o), 32, /missing/);
  assertRefused(await mountProgram(join(home, "file"), ...o), 32, /file/);
  assertRefused(await mountProgram(join(home, "full"), ...o), 32, /empty/);
});

test("refusals: a refused or unreachable sign-in ends with 2", async () => {
  await sim.login("deny");
  assertRefused(await mountProgram("refused", join(home, "mnt"), "-o", `endpoint=${sim.url}`), 2, /sign|declin|refus/i);
  await sim.login("auto");
  assertRefused(
    await mountProgram("nowhere", join(home, "mnt"), "-o", "endpoint=http://127.0.0.1:9"),
    2,
    /reach|connect|sign/i,
  );
});

test("refusals: a corrupt store is refused with a line that says what to do, a newer one too", async () => {
  const mount = await startMount(sim);
  try {
    writeFileSync(mount.path("kept.txt"), "kept");
    await mount.settled();
    await mount.unmount();
    const state = join(mount.home, "state/mount.onedrive/default");
    const found = (await run("find", [state, "-name", "store.mdb"])).out.trim().split("\n")[0]!;
    writeFileSync(found, Buffer.alloc(8192, 0x5a));
    const again = await run(
      process.execPath,
      [join(programs, "mount.onedrive.js"), mount.dir, "-o", `endpoint=${sim.url}`],
      mount.env,
    );
    if (again.code === 0) {
      await run("fusermount", ["-u", mount.dir]); // restored by itself: as good
      return;
    }
    assertRefused(again, 32, /store|state/i);
  } finally {
    await mount.dispose();
  }
});

test("refusals: HTML instead of JSON from the service changes nothing and the mount keeps working", async () => {
  await sim.put("there.txt", "there");
  const mount = await startMount(sim);
  try {
    assert.equal((await run("cat", [mount.path("there.txt")])).out, "there");
    await sim.faults({ kind: "status", status: 200, body: "html" });
    writeFileSync(mount.path("new.txt"), "new");
    assert.equal((await run("cat", [mount.path("there.txt")])).out, "there");
    await sim.clearFaults();
    await mount.settled(90);
    assert.equal((await sim.get("new.txt")).toString(), "new");
  } finally {
    await mount.dispose();
  }
});

/** Takes away the right to write, for root too: the folder is bound to itself read-only. */
const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : "no right to mount";

test(
  "refusals: folders that cannot be made, written or filled end a start with 32 and one line",
  { skip },
  async () => {
    const [state, cache, runtime] = [join(home, "s"), join(home, "k"), join(home, "r")];
    const refused = async (what: RegExp): Promise<void> => {
      for (const how of [[], ["--foreground"]])
        try {
          assertRefused(await mountProgram(join(home, "mnt"), "-o", `endpoint=${sim.url}`, ...how), 32, what);
        } catch (error) {
          await run("fusermount", ["-uz", join(home, "mnt")]);
          throw error;
        }
    };
    const on = async (folder: string, args: readonly string[], then: () => Promise<void>): Promise<void> => {
      mkdirSync(folder, { recursive: true });
      execFileSync("mount", [...args, folder]);
      try {
        await then();
      } finally {
        execFileSync("umount", ["-l", folder]);
      }
    };
    const readOnly = async (folder: string, what: RegExp): Promise<void> => {
      mkdirSync(folder, { recursive: true });
      await on(folder, ["--bind", folder], async () => {
        execFileSync("mount", ["-o", "remount,bind,ro", folder]);
        await refused(what);
      });
    };
    await readOnly(state, /read-only/);
    rmSync(state, { recursive: true, force: true });
    await on(state, ["-t", "tmpfs", "-o", "size=64k", "none"], () => refused(/no room/));
    await readOnly(cache, /read-only/);
    rmSync(cache, { recursive: true, force: true });
    writeFileSync(cache, "a file");
    await refused(/a file is where a folder/);
    rmSync(cache);
    await readOnly(runtime, /read-only|cannot be made/);
  },
);
