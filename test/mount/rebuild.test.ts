/**
 * The index, the cache or single bytes of either are lost or damaged: everything comes back. The simulator's log of requests is the
 * witness that nothing was fetched twice, and its tree that nothing was doubled.
 */
import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
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

const cache = (mount: Mount): string => join(mount.home, "cache/mount.onedrive/default");

/** Requests that asked for bytes of files. */
const downloads = (requests: readonly SimRequest[]): SimRequest[] =>
  requests.filter(({ method, path }) => method === "GET" && (path.includes("/_dl/") || /\/content(\?|$)/.test(path)));

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
    await delay(1500);
    renameSync(at(".part.tmp"), at("saved.txt"));
    renameSync(at("new folder"), at("folder of mine"));
    await delay(2500);
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
    // Before that, an edited file shows the cloud's version, which was never fetched.
    await eventually("what was found is taken back", () => {
      const found = join(state(mount), "found");
      return !existsSync(found) || readdirSync(found).length === 0;
    });
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

interface Checked {
  readonly problems: readonly { readonly what: string; readonly where: string; readonly mended: boolean }[];
  readonly files: number;
}

async function check(mount: Mount, ...args: string[]): Promise<Checked & { code: number }> {
  const { code, out } = await mount.ctl("check", mount.dir, "--json", ...args);
  return { code, ...(JSON.parse(out) as Checked) };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test("check: bits flip in the cache: found, dropped, fetched again once; nothing else is fetched", async () => {
  await sim.mkdir("rot");
  for (let i = 0; i < 5; i++) await sim.put(`rot/${i}`, noise(300_000, i));
  const mount = await startMount(sim);
  try {
    for (let i = 0; i < 5; i++) assert.ok(readFileSync(mount.path("rot", String(i))).equals(noise(300_000, i)));
    await delay(1500);
    assert.equal((await check(mount)).code, 0);
    const victim = filesBelow(cache(mount)).find((path) => statSync(path).size === 300_000)!;
    const bytes = readFileSync(victim);
    bytes[200_000]! ^= 16;
    writeFileSync(victim, bytes);
    const { code, problems } = await check(mount);
    assert.equal(code, 5);
    assert.equal(problems.length, 1);
    assert.ok(problems[0]!.mended && problems[0]!.where === "content" && problems[0]!.what.includes(mount.path("rot")));
    assert.equal((await check(mount)).code, 0);
    await sim.clearRequests();
    await mount.kill(); // the kernel's pages of the file go too
    await mount.start();
    for (let i = 0; i < 5; i++) assert.ok(readFileSync(mount.path("rot", String(i))).equals(noise(300_000, i)));
    const items = new Set(downloads(await sim.requests()).map(({ path }) => /_dl\/(\d+)/.exec(path)?.[1]));
    assert.equal(items.size, 1, JSON.stringify([...items]));
  } finally {
    await mount.dispose();
  }
});

test("check: a bit flips in unpushed bytes: told, kept, not uploaded; the cloud keeps its version", async () => {
  await sim.put("precious.bin", noise(200_000, 1));
  const mount = await startMount(sim);
  try {
    assert.ok(readFileSync(mount.path("precious.bin")).equals(noise(200_000, 1)));
    await sim.faults({ kind: "status", status: 503, probability: 1 }); // it is frozen for an upload that is refused
    writeFileSync(mount.path("precious.bin"), noise(200_000, 2));
    await delay(3000);
    await mount.kill();
    await sim.network(false);
    await sim.clearFaults();
    const blob = filesBelow(join(state(mount), "blobs")).find((path) => statSync(path).size === 200_000)!;
    const bytes = readFileSync(blob);
    bytes[100_000]! ^= 1;
    await mount.start();
    assert.equal((await check(mount)).code, 0);
    writeFileSync(blob, bytes);
    const { code, problems } = await check(mount);
    assert.equal(code, 5);
    assert.match(problems[0]!.what, /precious\.bin.*damaged/);
    assert.equal(problems[0]!.mended, false);
    await sim.network(true);
    await eventually("the operation is parked", async () => /parked/.test((await mount.ctl("ops", mount.dir)).out));
    assert.ok((await sim.get("precious.bin")).equals(noise(200_000, 1)));
    assert.ok(readFileSync(blob).equals(bytes), "the bytes stay");
  } finally {
    await sim.network(true);
    await mount.dispose();
  }
});

test("check --cloud and rebuild: what the index has wrong is put right, pending operations and bytes stay", async () => {
  await sim.mkdir("audit");
  for (let i = 0; i < 20; i++) await sim.put(`audit/${i}`, noise(10_000, i));
  const mount = await startMount(sim, { options: { write_back: "600" } });
  try {
    await isRead(mount);
    for (let i = 0; i < 20; i++) readFileSync(mount.path("audit", String(i)));
    writeFileSync(mount.path("audit/mine"), "mine");
    renameSync(mount.path("audit/3"), mount.path("audit/three"));
    await delay(1500);
    await sim.clearRequests();
    assert.equal((await check(mount, "--cloud")).code, 0);
    const rebuilt = await mount.ctl("rebuild", mount.dir, "--json");
    assert.equal(rebuilt.code, 0, rebuilt.err);
    assert.ok((JSON.parse(rebuilt.out) as { items: number }).items > 20);
    for (let i = 0; i < 20; i++)
      assert.ok(readFileSync(mount.path("audit", i === 3 ? "three" : String(i))).equals(noise(10_000, i)));
    assert.deepEqual(downloads(await sim.requests()), []);
    const { out } = await mount.ctl("ops", mount.dir, "--json");
    assert.deepEqual((JSON.parse(out) as { ops: { type: string }[] }).ops.map(({ type }) => type).sort(), [
      "createFile",
      "move",
    ]);
  } finally {
    await mount.dispose();
  }
});

test("the cache folder is deleted while mounted, with files open, half downloaded and unpushed", async () => {
  await sim.mkdir("wiped");
  await sim.put("wiped/whole", noise(400_000, 1));
  await sim.put("wiped/half", noise(24_000_000, 2));
  const mount = await startMount(sim);
  try {
    assert.ok(readFileSync(mount.path("wiped/whole")).equals(noise(400_000, 1)));
    const half = openSync(mount.path("wiped/half"), "r");
    const part = Buffer.alloc(100_000);
    readSync(half, part, 0, part.length, 0);
    writeFileSync(mount.path("wiped/dirty"), noise(50_000, 3));
    rmSync(cache(mount), { recursive: true });
    const all = Buffer.alloc(24_000_000);
    for (let at = 0; at < all.length; at += 1_000_000) readSync(half, all, at, 1_000_000, at);
    closeSync(half);
    assert.ok(all.equals(noise(24_000_000, 2)));
    await mount.settled();
    assert.ok((await sim.get("wiped/dirty")).equals(noise(50_000, 3)));
    assert.equal((await check(mount)).code, 0);
    rmSync(cache(mount), { recursive: true });
    assert.equal(await mount.unmount(), 0, mount.stderr());
    await mount.start();
    for (const [name, size, seed] of [
      ["whole", 400_000, 1],
      ["dirty", 50_000, 3],
      ["half", 24_000_000, 2],
    ] as const)
      assert.ok(readFileSync(mount.path("wiped", name)).equals(noise(size, seed)), name);
  } finally {
    await mount.dispose();
  }
});

test("an unpushed file is deleted from the state folder: told, parked, the cloud keeps its version", async () => {
  await sim.put("kept in the cloud.txt", "the cloud's");
  const mount = await startMount(sim, { options: { write_back: "600", flush_timeout: "0" } });
  try {
    await isRead(mount);
    writeFileSync(mount.path("kept in the cloud.txt"), "edited here");
    await delay(1500);
    await mount.kill();
    for (const path of filesBelow(join(state(mount), "blobs"))) rmSync(path);
    await mount.start();
    const { code, problems } = await check(mount);
    assert.equal(code, 5);
    assert.match(problems[0]!.what, /kept in the cloud\.txt.*not there/);
    assert.match((await mount.ctl("ops", mount.dir)).out, /parked.*missing from the state folder/);
    assert.equal((await mount.ctl("status", mount.dir, "--wait", "--timeout", "30")).code, 3);
    assert.equal((await sim.get("kept in the cloud.txt")).toString(), "the cloud's");
  } finally {
    await mount.dispose();
  }
});

test("back online within 5 s of the network's return, without a restart", async () => {
  await sim.mkdir("away");
  await sim.put("away/later", noise(20_000, 1));
  const mount = await startMount(sim, { options: { poll: "300" } });
  try {
    await isRead(mount);
    await sim.network(false);
    writeFileSync(mount.path("away/made offline"), "offline");
    await mount.ctl("sync", mount.dir);
    await delay(Number(process.env["AWAY_MS"] ?? 20_000)); // long enough for every pause between tries to have grown
    await sim.put("away/new in the cloud", "news");
    await sim.network(true);
    const began = Date.now();
    await eventually("bytes can be read again", () => {
      try {
        return readFileSync(mount.path("away/later")).equals(noise(20_000, 1));
      } catch {
        return false;
      }
    });
    const read = Date.now() - began;
    await eventually(
      "what was made offline is in the cloud, and what is new there is here",
      async () =>
        (await sim.paths()).has("away/made offline") && readdirSync(mount.path("away")).includes("new in the cloud"),
    );
    const both = Date.now() - began;
    assert.ok(both < 5_000, `bytes after ${read} ms, both ways after ${both} ms`);
    process.stderr.write(`back online: bytes after ${read} ms, both ways after ${both} ms\n`);
  } finally {
    await sim.network(true);
    await mount.dispose();
  }
});
