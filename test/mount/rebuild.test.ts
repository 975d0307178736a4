/**
 * The index, the cache or single bytes of either are lost or damaged: everything comes back. The simulator's log of requests is the
 * witness that nothing was fetched twice, and its tree that nothing was doubled.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim, type SimRequest } from "../support/sim-process.ts";

let sim: Sim;

before(async () => {
  sim = await startSim();
});

after(async () => {
  await sim?.stop();
});

const noise = (size: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed * 13 + (i >> 8)) & 255));

const state = (mount: Mount): string => join(mount.home, "state/mount.onedrive/default");

/** Requests that asked for bytes of files. */
const downloads = (requests: readonly SimRequest[]): SimRequest[] =>
  requests.filter(
    ({ method, received = 0, path }) => method === "GET" && received > 0 && /download|content/.test(path),
  );

async function isRead(mount: Mount): Promise<void> {
  await eventually("the drive is read", async () => {
    const { out } = await mount.ctl("status", mount.dir, "--json");
    const status = JSON.parse(out) as { enumerated: boolean; cursorAgeSeconds: number | null };
    return status.enumerated && status.cursorAgeSeconds !== null && status.cursorAgeSeconds < 5;
  });
}

/** A drive of its own folder with files that are downloaded, and edits that are not pushed. */
async function withEdits(top: string, how: (mount: Mount) => Promise<void>): Promise<void> {
  await sim.mkdir(top);
  for (let i = 0; i < 30; i++) await sim.put(`${top}/file ${i}.bin`, noise(1_000 + i * 9_000, i));
  await sim.put(`${top}/large.bin`, noise(9_000_000, 99));
  await sim.put(`${top}/edited.txt`, "as the cloud has it");
  await sim.put(`${top}/renamed.txt`, "to be renamed and edited");
  const mount = await startMount(sim, { options: { write_back: "600", flush_timeout: "0" } });
  const at = (...names: string[]): string => mount.path(top, ...names);
  try {
    await isRead(mount);
    for (let i = 0; i < 30; i++) assert.ok(readFileSync(at(`file ${i}.bin`)).equals(noise(1_000 + i * 9_000, i)));
    assert.ok(readFileSync(at("large.bin")).equals(noise(9_000_000, 99)));
    writeFileSync(at("edited.txt"), "edited here");
    renameSync(at("renamed.txt"), at("has another name.txt"));
    writeFileSync(at("has another name.txt"), "renamed and edited here");
    mkdirSync(at("new folder/inner"), { recursive: true });
    writeFileSync(at("new folder/inner/born here.txt"), "made here");
    writeFileSync(at(".part.tmp"), "saved by a program that writes beside");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    renameSync(at(".part.tmp"), at("saved.txt"));
    renameSync(at("new folder"), at("folder of mine"));
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.ok(downloads(await sim.requests()).length >= 31, "the witness sees downloads");
    await how(mount);
    await sim.clearRequests();
    await mount.start();
    await isRead(mount);
    const edits: [string, string][] = [
      ["edited.txt", "edited here"],
      ["has another name.txt", "renamed and edited here"],
      ["folder of mine/inner/born here.txt", "made here"],
      ["saved.txt", "saved by a program that writes beside"],
    ];
    await eventually("the edits are back", () =>
      edits.every(([path, text]) => {
        try {
          return readFileSync(at(path), "utf8") === text;
        } catch {
          return false;
        }
      }),
    );
    for (let i = 0; i < 30; i++) assert.ok(readFileSync(at(`file ${i}.bin`)).equals(noise(1_000 + i * 9_000, i)));
    assert.ok(readFileSync(at("large.bin")).equals(noise(9_000_000, 99)));
    assert.deepEqual(downloads(await sim.requests()), [], "nothing is fetched again");
    assert.equal((await mount.ctl("sync", mount.dir)).code, 0);
    await mount.settled();
    for (const [path, text] of edits) assert.equal((await sim.get(`${top}/${path}`)).toString(), text);
    const paths = [...(await sim.paths()).keys()].filter((path) => path.startsWith(`${top}/`));
    assert.equal(paths.length, 32 + 1 + 2 + 1 + 1, paths.join("\n"));
    assert.deepEqual(
      paths.filter((path) => /\(\d+\)|conflict/.test(path)),
      [],
    );
    assert.equal((await mount.ctl("check", mount.dir)).code, 0, (await mount.ctl("check", mount.dir)).out);
    assert.deepEqual(readdirSync(state(mount)).includes("found") ? readdirSync(join(state(mount), "found")) : [], []);
  } finally {
    await mount.dispose();
  }
}

test("rebuild: the whole store is deleted after a clean end", () =>
  withEdits("gone clean", async (mount) => {
    assert.equal(await mount.unmount(), 0, mount.stderr());
    rmSync(join(state(mount), "store"), { recursive: true });
  }));

test("rebuild: the whole store is deleted after kill -9", () =>
  withEdits("gone killed", async (mount) => {
    await mount.kill();
    rmSync(join(state(mount), "store"), { recursive: true });
  }));

test("rebuild: every file of the store is garbage", () =>
  withEdits("garbage", async (mount) => {
    await mount.kill();
    const store = join(state(mount), "store");
    for (const name of readdirSync(store)) writeFileSync(join(store, name), noise(20_000, 5));
  }));

test("rebuild: the database is garbage, checkpoint and journal are whole", () =>
  withEdits("database", async (mount) => {
    assert.equal(await mount.unmount(), 0, mount.stderr());
    writeFileSync(join(state(mount), "store/store.mdb"), noise(100_000, 5));
  }));
