/**
 * The engine on what it is made for: the store on LMDB, content on disk, HTTP to the simulator in another process. What a person does
 * arrives, what others do comes back, and the next process on the same folders goes on.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { storeApply } from "../../src/apply/store-apply.ts";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ok } from "../../src/base/result.ts";
import { diskContent } from "../../src/content/disk-content.ts";
import { msgraphDrive } from "../../src/drive/msgraph-drive.ts";
import { createFlusher } from "../../src/flusher/planning-flusher.ts";
import { parseEndpoint } from "../../src/http/endpoint.ts";
import { undiciHttp } from "../../src/http/undici-http.ts";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { fold } from "../../src/model/name.ts";
import { createPuller } from "../../src/puller/delta-puller.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import { localAt } from "../../src/store/tree.ts";
import { createVfs } from "../../src/vfs/create-vfs.ts";
import { startSourceSim, type Sim } from "../support/sim-process.ts";
import { must } from "./device.ts";

const me = { uid: 1000, gid: 1000, pid: 1 };
const quiet = { fault: () => undefined, trace: () => undefined };

async function start(sim: Sim, dir: string) {
  const clock = systemClock;
  const random = seededRandom("real");
  const opened = await openLmdbStore({ dir: join(dir, "state", "store"), bootId: "one", clock });
  assert.ok(opened.ok);
  const { store } = opened.value;
  const { access_token: token } = (await sim.token()) as { access_token: string };
  const endpoint = parseEndpoint(sim.url);
  assert.ok(endpoint.ok);
  const http = undiciHttp({ proxies: { httpProxy: "", httpsProxy: "", noProxy: "*" } });
  const drive = msgraphDrive({
    endpoint: endpoint.value,
    http,
    tokens: { token: async () => ok(token) },
    clock,
    random,
  });
  const defects: unknown[] = [];
  const onDefect = (error: unknown): void => void defects.push(error);
  const content = diskContent({
    store,
    drive,
    clock,
    log: quiet,
    onDefect,
    stateDir: join(dir, "state"),
    cacheDir: join(dir, "cache"),
    dirtied: (event) => vfs.dirtied(event),
    limits: { cacheSizeBytes: 1e9, cacheFreeBytes: 0, readTimeoutMs: 10_000 },
  });
  const apply = storeApply({ store, clock, device: "laptop", log: quiet });
  const shared = { store, apply, content, drive, clock, random, log: quiet, onDefect, applied: () => flusher.wake() };
  const puller = createPuller({ ...shared, pollMs: 300, listTimeoutMs: 10_000, onlineChanged: () => undefined });
  const vfs = createVfs({
    store,
    content,
    clock,
    log: quiet,
    uid: 1000,
    gid: 1000,
    umask: 0o022,
    localOnlyNames: [],
    readOnly: false,
    writeBackMs: 200,
    list: (folder) => puller.list(folder),
    changed: (event) => void (event.kind === "logged" && flusher.wake(event.settling)),
  });
  const flusher = createFlusher({
    ...shared,
    device: "laptop",
    writeBackMs: 200,
    isOpen: (node) => vfs.isWriting(node),
    cloud: puller,
    acknowledged: (node) => vfs.reunite(node),
    stirred: () => puller.wake(),
  });
  const at = (path: string): ItemKey =>
    path.split("/").reduce<ItemKey>((node, name) => {
      const child = localAt(store.read, node, fold(name));
      assert.ok(child !== undefined, `${path} is there`);
      return child;
    }, ROOT);
  return {
    store,
    puller,
    flusher,
    vfs,
    at,
    async write(parent: ItemKey, name: string, bytes: Uint8Array) {
      const flags = { read: true, write: true, append: false, truncate: true, exclusive: false };
      const { handle } = await must(vfs.create(parent, name, 0o644, flags, me));
      for (let from = 0; from < bytes.length; from += 131_072)
        await must(vfs.write(handle, from, bytes.subarray(from, from + 131_072)));
      await must(vfs.flush(handle));
      await must(vfs.release(handle));
    },
    async read(path: string) {
      const handle = await must(vfs.open(at(path), { read: true, write: false, append: false, truncate: false }, me));
      const bytes = await must(vfs.read(handle, 0, 64 * 1024 * 1024));
      await must(vfs.release(handle));
      return Buffer.from(bytes);
    },
    async stop() {
      vfs.stopAccepting();
      const left = await flusher.stop(2_000);
      await puller.stop();
      await content.close();
      drive.close();
      await http.close();
      await store.close();
      assert.deepEqual(defects, []);
      return left;
    },
  };
}

for (const profile of ["personal", "personal-old", "business"])
  test(`real: push, pull, restart against the simulator (${profile})`, async () => {
    const dir = await mkdtemp(join(tmpdir(), "engine-"));
    const sim = await startSourceSim("--profile", profile);
    try {
      await sim.put("there/old.txt", "from the web");
      let engine = await start(sim, dir);
      assert.ok((await engine.puller.list(ROOT)).ok);
      assert.ok((await engine.puller.sync()).ok);
      assert.equal(String(await engine.read("there/old.txt")), "from the web");

      const large = randomBytes(12 * 1024 * 1024);
      await must(engine.vfs.mkdir(ROOT, "docs", 0o755, me));
      const docs = engine.at("docs");
      for (let i = 0; i < 40; i++) await engine.write(docs, `f${i}`, Buffer.from(`bytes ${i}`));
      await engine.write(docs, "empty", Buffer.alloc(0));
      await engine.write(ROOT, "large.bin", large);
      const mtime = { s: 1_234_567_890, n: 0 };
      await must(engine.vfs.setattr(engine.at("docs/f0"), { mtime }, me));
      await must(engine.vfs.rename({ parent: docs, name: "f1" }, { parent: ROOT, name: "moved" }, "replace"));
      await must(engine.vfs.unlink(engine.at("there"), "old.txt"));
      const synced = await engine.flusher.sync();
      assert.deepEqual([synced.pending, synced.parked, synced.held], [0, 0, 0]);

      const paths = await sim.paths();
      assert.equal([...paths.keys()].filter((path) => path.startsWith("docs/")).length, 40);
      assert.equal(Date.parse(paths.get("docs/f0")!.mtime), mtime.s * 1000);
      assert.equal(paths.get("docs/empty")!.size, 0);
      assert.ok(!paths.has("there/old.txt"));
      assert.equal(String(await sim.get("moved")), "bytes 1");
      assert.ok((await sim.get("large.bin")).equals(large));
      assert.equal((await sim.versions("docs/f5")).length, 1, "one save is one version");
      assert.equal((await sim.versions("large.bin")).length, 1);

      await sim.put("docs/f2", "edited there");
      await sim.move("moved", "there/moved again");
      assert.ok((await engine.puller.sync()).ok);
      assert.equal(String(await engine.read("docs/f2")), "edited there");
      assert.equal(String(await engine.read("there/moved again")), "bytes 1");

      await sim.network(false);
      await engine.write(docs, "offline", Buffer.from("written offline"));
      const left = await engine.stop();
      assert.equal(left.pending, 1);
      await sim.network(true);
      engine = await start(sim, dir);
      assert.equal((await engine.flusher.sync()).pending, 0);
      assert.equal(String(await sim.get("docs/offline")), "written offline");
      await must(engine.vfs.unlink(engine.at("docs"), "f3"));
      for (const path of [...paths.keys()].filter((each) => each.startsWith("docs/") && each !== "docs/f3"))
        await must(engine.vfs.unlink(engine.at("docs"), path.slice(5)));
      await must(engine.vfs.unlink(engine.at("docs"), "offline"));
      await must(engine.vfs.rmdir(ROOT, "docs"));
      assert.equal((await engine.flusher.sync()).pending, 0);
      assert.deepEqual([...(await sim.paths()).keys()].sort(), ["large.bin", "there", "there/moved again"]);
      assert.equal((await engine.stop()).pending, 0);
    } finally {
      await sim.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
