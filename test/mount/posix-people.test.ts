/**
 * The cases of pjdfstest for files and folders, by its names, with an owner, a member of its group, a stranger and root: each call in a
 * mount that all of them may use ends as in the kernel's own tmpfs. Needs root, since nobody else may be somebody else.
 */
import assert from "node:assert/strict";
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hostNames, type HostName } from "../support/host-process.ts";
import { run, startMount, type Mount } from "../support/mount-process.ts";
import { repository } from "../support/repository.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const OWNER = 65534;
const skip = process.getuid?.() !== 0;
type Outcomes = Record<string, unknown>;

/** libfuse 2 cuts a file as part of open and is not told that its set-user-id bits have to go (such mounts never honour them). */
const NOT_TOLD = "chmod/12 chown/00 set-user-id and set-group-id go when others write, truncate or own";

async function outcomes(folder: string): Promise<Outcomes> {
  const ran = await run("python3", [join(repository, "test/support/posix-calls.py"), folder]);
  assert.equal(ran.code, 0, ran.err);
  return JSON.parse(ran.out) as Outcomes;
}

async function onTmpfs(): Promise<Outcomes> {
  const folder = mkdtempSync("/dev/shm/onedrive-people-");
  try {
    chownSync(folder, OWNER, OWNER);
    return await outcomes(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const name of hostNames) describe(`posix people: a mount through the ${name} host`, { skip }, () => suite(name));

function suite(host: HostName): void {
  let sim: Sim;
  let mount: Mount;
  before(async () => {
    sim = await startSim();
    const options = { host, allow_other: "", write_back: "600", flush_timeout: "0" };
    mount = await startMount(sim, { options });
  });
  after(async () => {
    await mount?.dispose();
    await sim?.stop();
  });

  test("every case ends as in tmpfs", async () => {
    mkdirSync(mount.path("cases"));
    chownSync(mount.path("cases"), OWNER, OWNER);
    const [wanted, found] = [await onTmpfs(), await outcomes(mount.path("cases"))];
    assert.ok(Object.keys(wanted).length > 25);
    for (const [name, outcome] of Object.entries(wanted))
      if (host === "kernel" || name !== NOT_TOLD) assert.deepEqual(found[name], outcome, name);
  });

  test("the daemon said nothing meanwhile", () => assert.equal(mount.stderr(), ""));

  test("owners are there after a remount; one that was told who owns says so of what is new and of the cloud's", async () => {
    mkdirSync(mount.path("given"));
    chownSync(mount.path("given"), OWNER, 1);
    await mount.unmount();
    await mount.start();
    const owners = (path: string): number[] => [statSync(path).uid, statSync(path).gid];
    assert.deepEqual(owners(mount.path("given")), [OWNER, 1]);
    const told = await startMount(sim, { options: { host, uid: "7", gid: "8", flush_timeout: "0" } });
    try {
      writeFileSync(told.path("new"), "");
      assert.deepEqual([told.path("new"), told.path()].map(owners), [
        [7, 8],
        [7, 8],
      ]);
    } finally {
      await told.dispose();
    }
  });
}
