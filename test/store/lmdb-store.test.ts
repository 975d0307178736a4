/** What the store on disk does beyond the contract: real processes, real full disks, foreign and newer files, rotation. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { manualClock } from "../../src/base/clock.ts";
import { folded, itemKey, type Folded, type ItemKey } from "../../src/model/ids.ts";
import { BARRIER_INTERVAL_MS } from "../../src/model/limits.ts";
import { isReadable } from "../../src/store/file-check.ts";
import { openLmdbFile } from "../../src/store/lmdb-file.ts";
import { openLmdbStore, type LmdbStoreOptions } from "../../src/store/lmdb-store.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { decodeRow, encodeRow } from "../../src/store/rows.ts";
import type { OpenedStore, Store, StoreFault, Writer } from "../../src/store/store.ts";
import { crashDisk } from "./crash-disk.ts";

const WRITER = fileURLToPath(new URL("./write-until-killed.ts", import.meta.url));

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "lmdb-store-"));
  try {
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function open(dir: string, more: Partial<LmdbStoreOptions> = {}): Promise<OpenedStore> {
  const opened = await openLmdbStore({ dir, bootId: "boot", clock: manualClock(), ...more });
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.value;
}

async function refused(dir: string): Promise<StoreFault> {
  const opened = await openLmdbStore({ dir, bootId: "boot", clock: manualClock() });
  assert.ok(!opened.ok);
  return opened.fault;
}

const settled = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("kill -9 of a process in mid-write loses no commit it announced, and tears none", async () => {
  await inFolder(async (dir) => {
    let announced = 0;
    for (const mode of ["quiet", "barriers"]) {
      const child = spawn(process.execPath, ["--import", "tsx", WRITER, dir, "boot", mode]);
      let output = "";
      let errors = "";
      child.stderr.on("data", (bytes: Buffer) => void (errors += bytes.toString()));
      child.stdout.on("data", (bytes: Buffer) => void (output += bytes.toString()));
      while (!output.includes(`${announced + 300}\n`)) {
        assert.equal(child.exitCode, null, `the writer runs: ${errors}`);
        await settled(5);
      }
      assert.equal((await refused(dir)).kind, "inUse");
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
      announced = Number(output.trimEnd().split("\n").at(-1));
      const { store, recovered } = await open(dir);
      assert.equal(recovered.how, "afterKill");
      const found = [1, 2, 3].map((key) => store.read.listed.get(itemKey(key)));
      assert.ok(found[0]! >= announced, `found ${found[0]}, announced ${announced}`);
      assert.deepEqual(found, [found[0], found[0], found[0]]);
      announced = found[0]!;
      await store.close();
    }
  });
});

test("on a full disk a transaction throws StoreFull and changes nothing; with room again it goes on", async (t) => {
  await inFolder(async (dir) => {
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", dir]).status !== 0)
      return t.skip("needs the right to mount a tmpfs");
    try {
      const { store } = await open(dir);
      const fill = (n: number) => (): void =>
        store.transact((tx) => tx.facts.put(itemKey(n), { xattrs: { a: new Uint8Array(20_000) } }));
      writeFileSync(`${dir}/ballast`, Buffer.alloc(6_500_000));
      let n = 1;
      assert.throws(
        () => {
          for (; n < 1_000; n++) fill(n)();
        },
        { name: "StoreFull" },
      );
      assert.equal(store.read.facts.get(itemKey(n)), undefined);
      assert.equal(store.read.facts.count, n - 1);
      await assert.rejects(store.barrier(), { name: "StoreFull" });
      rmSync(`${dir}/ballast`);
      const before = store.read.facts.count;
      store.transact((tx) => {
        for (let i = 1; i < n; i++) tx.facts.remove(itemKey(i));
      });
      assert.ok(before > 20);
      await store.barrier();
      await store.close();
      const again = await open(dir);
      assert.equal(again.recovered.how, "clean");
      assert.equal(again.store.read.facts.count, 0);
      await again.store.close();
    } finally {
      spawnSync("umount", ["-l", dir]);
    }
  });
});

type Slot = readonly [ItemKey, Folded];
type Act =
  | { readonly kind: "put"; readonly slot: Slot; readonly to: ItemKey }
  | { readonly kind: "remove"; readonly slot: Slot }
  | { readonly kind: "sweep"; readonly slot: Slot; readonly limit: number; readonly reverse: boolean };

test("does the same as the store in memory, whatever is done", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(dir);
    const key = fc.nat(6).map((n) => itemKey(n + 1));
    const name = fc.constantFrom("a", "ab", "b", "\uffff", "\u{1f600}").map(folded);
    const slot = fc.tuple(key, name);
    const act: fc.Arbitrary<Act> = fc.oneof(
      fc.record({ kind: fc.constant("put" as const), slot, to: key }),
      fc.record({ kind: fc.constant("remove" as const), slot }),
      fc.record({ kind: fc.constant("sweep" as const), slot, limit: fc.nat(4), reverse: fc.boolean() }),
    );
    const range = fc.record({ start: slot, end: slot, limit: fc.nat(20), reverse: fc.boolean() }, { requiredKeys: [] });
    const apply = (tx: Writer, acts: readonly Act[], fails: boolean): void => {
      for (const each of acts) {
        if (each.kind === "put") tx.mirrorSlots.put(each.slot, each.to);
        else if (each.kind === "remove") tx.mirrorSlots.remove(each.slot);
        else
          for (const [found] of tx.mirrorSlots.range({ start: each.slot, limit: each.limit, reverse: each.reverse }))
            tx.mirrorSlots.remove(found);
      }
      if (fails) throw new RangeError("undo");
    };
    const attempt = (on: Store, acts: readonly Act[], fails: boolean): void => {
      try {
        on.transact((tx) => apply(tx, acts, fails));
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    };
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.array(act), fc.boolean(), range), { maxLength: 8 }), (steps) => {
        const memory = memoryStore();
        store.transact((tx) => {
          for (const [each] of tx.mirrorSlots.range()) tx.mirrorSlots.remove(each);
        });
        for (const [acts, fails, bounds] of steps) {
          for (const on of [memory, store]) attempt(on, acts, fails);
          assert.deepEqual([...store.read.mirrorSlots.range(bounds)], [...memory.read.mirrorSlots.range(bounds)]);
          assert.equal(store.read.mirrorSlots.count, memory.read.mirrorSlots.count);
        }
      }),
      { numRuns: 150 },
    );
    await store.close();
  });
});

test("the folder and its files are the owner's only", async () => {
  await inFolder(async (parent) => {
    const { store } = await open(`${parent}/a/state`);
    store.transact((tx) => tx.listed.put(itemKey(1), 1));
    await store.barrier();
    await store.close();
    assert.equal(statSync(`${parent}/a/state`).mode & 0o777, 0o700);
    for (const name of readdirSync(`${parent}/a/state`))
      assert.equal(statSync(`${parent}/a/state/${name}`).mode & 0o777, 0o600, name);
  });
});

test("a second opener in the same process is refused too, and the folder is free after close", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(dir);
    assert.equal((await refused(dir)).kind, "inUse");
    await store.close();
    await (await open(dir)).store.close();
  });
});

test("a newer state is refused and left as it is", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(dir);
    store.transact((tx) => tx.meta.put("schema", 99));
    await store.close();
    const mark = readFileSync(`${dir}/mark`, "utf8");
    const fault = await refused(dir);
    assert.equal(fault.kind, "newer");
    assert.match(fault.why, /99/);
    assert.equal(readFileSync(`${dir}/mark`, "utf8"), mark);
  });
});

test("a newer state whose process was killed is refused and left as it is, whatever its rows hold", async () => {
  await inFolder(async (dir) => {
    const killed = `${dir}/killed`;
    const { store } = await open(`${dir}/first`);
    store.transact((tx) => tx.meta.put("schema", 99));
    await store.barrier();
    cpSync(`${dir}/first`, killed, { recursive: true });
    await store.close();
    const file = openLmdbFile(`${killed}/store.mdb`);
    file.transact(() =>
      file.put("facts", itemKey(7), JSON.stringify(Array.from({ length: 20 }, () => ({ s: 1, n: 2 })))),
    );
    await file.close();
    const names = readdirSync(killed).toSorted();
    const bytes = readFileSync(`${killed}/store.mdb`);
    assert.equal((await refused(killed)).kind, "newer");
    assert.deepEqual(readdirSync(killed).toSorted(), names);
    assert.ok(readFileSync(`${killed}/store.mdb`).equals(bytes));
  });
});

test("rows are told apart by the places of their fields, which never change", () => {
  const time = { s: 1, n: 2 };
  const facts = {
    mode: 0o640,
    mtime: time,
    ctime: time,
    xattrs: { "user.a": new Uint8Array([1]) },
    pin: 1,
    localOnly: true,
    uid: 5,
    gid: 6,
    atime: time,
  };
  const words = '[416,{"s":1,"n":2},{"s":1,"n":2},{"user.a":"AQ=="},1,true,5,6,{"s":1,"n":2}]';
  assert.equal(encodeRow("facts", facts), words);
  assert.deepEqual(decodeRow("facts", words), facts);
  assert.deepEqual(decodeRow("facts", '[416,null,{"s":1,"n":2}]'), { mode: 0o640, ctime: time }, "of schema 3");
});

test("files that are not ours are refused and not touched", async () => {
  await inFolder(async (dir) => {
    writeFileSync(`${dir}/store.mdb`, "something of somebody else");
    assert.equal((await refused(dir)).kind, "corrupt");
    assert.equal(readFileSync(`${dir}/store.mdb`, "utf8"), "something of somebody else");
    assert.deepEqual(readdirSync(dir), ["store.mdb"]);
  });
});

test("a folder without permission and a file in the folder's place are told apart from damage", async () => {
  await inFolder(async (dir) => {
    writeFileSync(`${dir}/file`, "");
    const opened = await openLmdbStore({ dir: `${dir}/file`, bootId: "b", clock: manualClock() });
    assert.equal(!opened.ok && opened.fault.kind, "denied");
  });
});

test("a damaged database is restored from the journal, the damaged file is kept aside", async () => {
  await inFolder(async (dir) => {
    const first = await open(dir);
    first.store.transact((tx) => tx.listed.put(itemKey(1), 1));
    await first.store.close();
    const bytes = readFileSync(`${dir}/store.mdb`);
    bytes.fill(0xff, 0, 8_192);
    writeFileSync(`${dir}/store.mdb`, bytes);
    const { store, recovered } = await open(dir);
    assert.equal(recovered.how, "restored");
    assert.equal(recovered.lost, undefined);
    assert.equal(store.read.listed.get(itemKey(1)), 1);
    assert.deepEqual(readFileSync(`${dir}/store.aside`), bytes);
    await store.close();
  });
});

test("a child process finds damage that would crash the reader", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(dir);
    store.transact((tx) => {
      for (let i = 1; i < 3_000; i++) tx.mirrorSlots.put([itemKey(i), folded(`name ${i}`)], itemKey(i));
    });
    await store.close();
    assert.equal(await isReadable(`${dir}/store.mdb`), true);
    const bytes = readFileSync(`${dir}/store.mdb`);
    for (let page = 4; page * 4096 < bytes.length; page++) bytes.fill(0x7f, page * 4096, page * 4096 + 64);
    writeFileSync(`${dir}/damaged.mdb`, bytes);
    assert.equal(await isReadable(`${dir}/damaged.mdb`), false);
  });
});

test("an automatic barrier follows the first commit by the interval", async () => {
  await inFolder(async (dir) => {
    const clock = manualClock();
    const disk = crashDisk(dir);
    const { store } = await open(dir, { clock, disk });
    await store.barrier();
    const synced: string[] = [];
    disk.onStep = (step) => void synced.push(step);
    store.transact((tx) => tx.listed.put(itemKey(1), 1));
    clock.advance(BARRIER_INTERVAL_MS - 1);
    await settled(20);
    assert.deepEqual(synced, []);
    clock.advance(1);
    while (synced.length < 2) await settled(1);
    assert.deepEqual(synced, ["write journal-1", "sync journal-1"]);
    await store.close();
  });
});

test("after a kill nothing is made durable of its own accord before somebody has said what must be so first", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(`${dir}/was`);
    store.transact((tx) => tx.listed.put(itemKey(1), 1));
    cpSync(`${dir}/was`, `${dir}/now`, { recursive: true });
    await store.close();
    const clock = manualClock();
    const killed = await open(`${dir}/now`, { clock });
    assert.equal(killed.recovered.how, "afterKill");
    const checkpoint = `${dir}/now/checkpoint.mdb`;
    clock.advance(10 * BARRIER_INTERVAL_MS);
    await settled(100);
    assert.ok(!existsSync(checkpoint));
    let asked = 0;
    killed.store.beforeBarrier(async () => {
      if (asked++ === 0) assert.ok(!existsSync(checkpoint), "the hook comes first");
    });
    clock.advance(1);
    for (let tries = 0; tries < 200 && !existsSync(checkpoint); tries++) await settled(5);
    assert.ok(existsSync(checkpoint) && asked > 0);
    await killed.store.close();
  });
});

test("a barrier that fails keeps what waits, and the next one makes it durable", async () => {
  await inFolder(async (dir) => {
    const disk = crashDisk(dir);
    const { store } = await open(dir, { disk });
    store.transact((tx) => tx.listed.put(itemKey(1), 1));
    disk.fault = (what) => (what === "sync" ? Object.assign(new Error("EIO"), { code: "EIO" }) : undefined);
    await assert.rejects(store.barrier(), /EIO/);
    store.transact((tx) => tx.listed.put(itemKey(2), 2));
    disk.fault = (what) => (what === "write" ? Object.assign(new Error("no room"), { code: "ENOSPC" }) : undefined);
    await assert.rejects(store.barrier(), { name: "StoreFull" });
    disk.fault = () => undefined;
    await store.barrier();
    cpSync(dir, `${dir}-cut`, { recursive: true, filter: (path) => !path.includes("store.mdb") });
    const after = await open(`${dir}-cut`, { bootId: "next" });
    assert.equal(after.recovered.how, "restored");
    assert.equal(after.store.read.listed.count, 2);
    await after.store.close();
    await store.close();
    rmSync(`${dir}-cut`, { recursive: true });
  });
});

test("many changes rotate the journal, and its size stays bounded", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(dir, { checkpointBytes: 60_000 });
    for (let batch = 0; batch < 40; batch++) {
      store.transact((tx) => {
        for (let i = 0; i < 250; i++)
          tx.mirrorSlots.put([itemKey((batch % 4) + 1), folded(`a name ${i}`)], itemKey(batch + 1));
      });
      await store.barrier();
    }
    await store.close();
    const sizes = readdirSync(dir)
      .filter((name) => name.startsWith("journal-"))
      .map((name) => statSync(`${dir}/${name}`).size);
    assert.ok(existsSync(`${dir}/checkpoint.mdb`));
    assert.ok(sizes.length <= 2 && sizes.reduce((a, b) => a + b) < 250_000, `journals of ${sizes.join(", ")} bytes`);
    rmSync(`${dir}/store.mdb`);
    const { store: restored } = await open(dir, { bootId: "next" });
    assert.equal(restored.read.mirrorSlots.count, 1_000);
    await restored.close();
  });
});

test("a commit of many rows is one commit after a restore, or none", async () => {
  await inFolder(async (dir) => {
    const { store } = await open(dir);
    store.transact((tx) => {
      for (let i = 1; i <= 30_000; i++) tx.mirrorSlots.put([itemKey(i), folded("x".repeat(80))], itemKey(i));
    });
    await store.close();
    mkdirSync(`${dir}/torn`);
    const journal = readFileSync(`${dir}/journal-1`);
    const lines = journal.toString().split("\n").length - 1;
    assert.ok(lines > 3, `several lines: ${lines}`);
    writeFileSync(`${dir}/torn/journal-1`, journal.subarray(0, journal.length - 100));
    writeFileSync(`${dir}/torn/mark`, JSON.stringify({ state: "running", bootId: "other" }));
    const torn = await open(`${dir}/torn`);
    assert.equal(torn.store.read.mirrorSlots.count, 0);
    assert.match(torn.recovered.lost ?? "", /not written completely/);
    await torn.store.close();
    rmSync(`${dir}/store.mdb`);
    const whole = await open(dir, { bootId: "next" });
    assert.equal(whole.store.read.mirrorSlots.count, 30_000);
    await whole.store.close();
  });
});
