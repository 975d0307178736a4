/**
 * What programs see of a mount is what they see of the kernel's own tmpfs: open(2) with its flags on every kind of target, holes, copies by
 * the kernel, O_DIRECT, locks, mappings. And 64 processes at once in one folder, through each host.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hostNames, type HostName } from "../support/host-process.ts";
import { run, startMount, type Mount } from "../support/mount-process.ts";
import { repository } from "../support/repository.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

/** Always a tmpfs on Linux. */
const SHARED_MEMORY = "/dev/shm";

async function python(script: string, folder: string): Promise<unknown> {
  const ran = await run("python3", [join(repository, "test/support", `${script}.py`), folder]);
  assert.equal(ran.code, 0, `${script}: ${ran.err}`);
  return ran.out === "" ? undefined : (JSON.parse(ran.out) as unknown);
}

async function onTmpfs(script: string): Promise<unknown> {
  const folder = mkdtempSync(join(SHARED_MEMORY, "onedrive-truth-"));
  try {
    return await python(script, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const name of hostNames) describe(`as tmpfs does it: a mount through the ${name} host`, () => suite(name));

function suite(host: HostName): void {
  let sim: Sim;
  let mount: Mount;
  before(async () => {
    sim = await startSim();
    mount = await startMount(sim, { options: { host, write_back: "600", flush_timeout: "0" } });
  });
  after(async () => {
    await mount?.dispose();
    await sim?.stop();
  });

  const folder = (name: string): string => {
    mkdirSync(mount.path(name));
    return mount.path(name);
  };

  test("open(2): every target with up to three flags", async () => {
    const [wanted, found] = [await onTmpfs("open-matrix"), await python("open-matrix", folder("open"))] as Record<
      string,
      unknown
    >[];
    const differ = Object.keys(wanted!).filter((key) => JSON.stringify(wanted![key]) !== JSON.stringify(found![key]));
    const shown = differ.map((key) => `${key}: ${JSON.stringify(found![key])}, not ${JSON.stringify(wanted![key])}`);
    assert.deepEqual(shown, []);
    assert.ok(Object.keys(wanted!).length > 3_000);
  });

  test("holes, copies by the kernel, O_DIRECT", async () => {
    assert.deepEqual(await python("file-calls", folder("calls")), await onTmpfs("file-calls"));
  });

  test("locks of processes and of open files, waits that a signal ends, mappings shared, private and run", async () => {
    const [wanted, found] = [await onTmpfs("lock-calls"), await python("lock-calls", folder("locks"))];
    assert.deepEqual(found, wanted);
  });

  test("64 processes in one folder", async () => {
    assert.equal(await python("many-processes", folder("many")), undefined);
  });

  test("the daemon said nothing meanwhile", () => assert.equal(mount.stderr(), ""));
}
