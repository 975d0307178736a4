/**
 * The power is cut, or the process killed, after every single disk operation of a session that commits, barriers, makes
 * checkpoints and closes. What is left must open as a state that was committed, at or after the last barrier (P3, P4), and after
 * a kill as exactly the last commit (P2).
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { itemKey, type ItemKey } from "../../src/model/ids.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import type { OpenedStore, Reader, Store } from "../../src/store/store.ts";
import { crashDisk, type CrashDisk } from "./crash-disk.ts";

const FIRST_BOOT = "boot-1";
const NEXT_BOOT = "boot-2";

interface Session {
  /** Content of the store after each commit. */
  readonly states: string[];
  /** The last commit that a completed barrier covers. */
  safe: number;
}

const content = (read: Reader): string =>
  JSON.stringify([...read.listed.range()].concat([...read.facts.range()] as never).map(([key, value]) => [key, value]));

async function opened(dir: string, bootId: string, disk?: CrashDisk): Promise<OpenedStore> {
  const isReadable = async (): Promise<boolean> => true;
  const result = await openLmdbStore({
    dir,
    bootId,
    clock: manualClock(),
    isReadable,
    checkpointBytes: 20_000,
    ...(disk ? { disk } : {}),
  });
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

async function work(store: Store, session: Session, seed: string): Promise<void> {
  const random = seededRandom(seed);
  const commit = (): void => {
    store.transact((tx) => {
      for (let i = 0; i < 3; i++) {
        const key: ItemKey = itemKey(1 + random.below(12));
        if (random.below(4) === 0) tx.facts.remove(key);
        else
          tx.facts.put(key, { mode: random.below(512), xattrs: { "user.x": new Uint8Array(1 + random.below(2_000)) } });
      }
      tx.listed.put(itemKey(1), session.states.length);
    });
    session.states.push(content(store.read));
  };
  for (let i = 0; i < 10; i++) {
    for (let n = random.below(3); n >= 0; n--) commit();
    const covered = session.states.length - 1;
    const done = store.barrier().then(() => void (session.safe = Math.max(session.safe, covered)));
    if (random.below(2) === 0) commit();
    await done;
  }
}

/** Runs a session and calls `moment` after every disk operation. */
async function run(seed: string, moment: (disk: CrashDisk, session: Session, step: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "power-"));
  try {
    const disk = crashDisk(dir);
    const session: Session = { states: [], safe: -1 };
    disk.onStep = (step) => moment(disk, session, step);
    const { store } = await opened(dir, FIRST_BOOT, disk);
    session.states.push(content(store.read));
    await work(store, session, seed);
    await store.close();
    session.safe = session.states.length - 1;
    moment(disk, session, "end");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Left {
  readonly step: string;
  readonly dir: string;
  readonly states: readonly string[];
  readonly safe: number;
}

async function collect(seed: string, leave: (disk: CrashDisk, dir: string, n: number) => void): Promise<Left[]> {
  const left: Left[] = [];
  const folder = mkdtempSync(join(tmpdir(), "left-"));
  await run(seed, (disk, session, step) => {
    const dir = `${folder}/${left.length}`;
    leave(disk, dir, left.length);
    left.push({ step, dir, states: [...session.states], safe: session.safe });
  });
  return left;
}

/** Index of the state that was found; an empty store before the first state counts as none. */
function indexOf(found: string, left: Left): number {
  const index = left.states.lastIndexOf(found);
  assert.ok(index >= 0 || found === "[]", `a state that was never committed, after step ${left.dir}`);
  return index;
}

test("a power cut after any disk operation shows a committed state, at or after the last barrier", async () => {
  const left = await collect("cut", (disk, dir, n) => disk.cutInto(dir, seededRandom(`cut${n}`)));
  try {
    for (const [n, each] of left.entries()) {
      const { store } = await opened(each.dir, NEXT_BOOT);
      const found = content(store.read);
      assert.ok(indexOf(found, each) >= each.safe, `a commit covered by a barrier is gone after ${each.dir}`);
      if (n % 4 !== 0) {
        await store.close();
        continue;
      }
      store.transact((tx) => {
        tx.listed.put(itemKey(99), 1);
        if (tx.meta.get("restored") !== undefined) tx.meta.remove("restored");
      });
      await store.barrier();
      await store.close();
      const { store: later, recovered } = await opened(each.dir, "boot-3");
      assert.equal(recovered.how, "clean");
      assert.equal(later.read.listed.get(itemKey(99)), 1);
      await later.close();
    }
    const steps = left.map((each) => each.step);
    for (const step of ["create journal-2", "sync checkpoint.new", "rename checkpoint.mdb", "remove journal-1"])
      assert.ok(steps.includes(step), `the power was cut after: ${step}`);
  } finally {
    rmSync(join(left[0]!.dir, ".."), { recursive: true, force: true });
  }
});

test("kill -9 after any disk operation loses no commit", async () => {
  const left = await collect("kill", (disk, dir) => disk.killInto(dir));
  try {
    for (const each of left) {
      const { store } = await opened(each.dir, FIRST_BOOT);
      assert.equal(indexOf(content(store.read), each), each.states.length - 1);
      await store.close();
    }
  } finally {
    rmSync(join(left[0]!.dir, ".."), { recursive: true, force: true });
  }
});

test("a kill, commits, and then a power cut at any moment of the second session", async () => {
  const folder = mkdtempSync(join(tmpdir(), "twice-"));
  try {
    const first = `${folder}/first`;
    const disk = crashDisk(first);
    const session: Session = { states: [], safe: -1 };
    const { store } = await opened(first, FIRST_BOOT, disk);
    session.states.push(content(store.read));
    await work(store, session, "twice");
    store.transact((tx) => tx.listed.put(itemKey(50), 1));
    session.states.push(content(store.read));

    // The killed process' folder goes on under the same disk: what was synced before is still safe.
    const left: Left[] = [];
    const second = await secondSession(disk, first, session, left, folder);
    await second.close();
    for (const each of left) {
      const { store: after } = await opened(each.dir, NEXT_BOOT);
      assert.ok(indexOf(content(after.read), each) >= each.safe);
      await after.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Opens a copy of the killed folder with the same history of syncs, and goes on working while moments are collected. */
async function secondSession(
  disk: CrashDisk,
  first: string,
  session: Session,
  left: Left[],
  folder: string,
): Promise<Store> {
  const killed = `${folder}/second`;
  disk.killInto(killed);
  const next = disk.movedTo(killed);
  next.onStep = (step) => {
    const dir = `${folder}/cut${left.length}`;
    next.cutInto(dir, seededRandom(`twice${left.length}`));
    left.push({ step, dir, states: [...session.states], safe: session.safe });
  };
  const { store, recovered } = await opened(killed, FIRST_BOOT, next);
  assert.equal(recovered.how, "afterKill", first);
  assert.equal(content(store.read), session.states.at(-1));
  await work(store, session, "second");
  return store;
}

test("a process killed after a restore leaves word of the power cut to the next one", async () => {
  const dir = mkdtempSync(join(tmpdir(), "word-"));
  const [after, again, reconciled] = [`${dir}/cut`, `${dir}/killed`, `${dir}/reconciled`];
  try {
    const disk = crashDisk(`${dir}/first`);
    const { store } = await opened(`${dir}/first`, FIRST_BOOT, disk);
    store.transact((tx) => tx.listed.put(itemKey(1), 1));
    await store.barrier();
    disk.cutInto(after, seededRandom("word"));
    await store.close();
    const next = crashDisk(after);
    next.adopt();
    const second = await opened(after, NEXT_BOOT, next);
    assert.equal(second.recovered.how, "restored");
    next.killInto(again);
    second.store.transact((tx) => tx.meta.remove("restored"));
    next.killInto(reconciled);
    await second.store.close();
    const third = await opened(again, NEXT_BOOT);
    assert.equal(third.recovered.how, "restored");
    await third.store.close();
    const fourth = await opened(reconciled, NEXT_BOOT);
    assert.equal(fourth.recovered.how, "afterKill");
    await fourth.store.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("a long append goes out in parts; one that fails half way counts as nothing, and the next makes up for it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "parts-"));
  try {
    const disk = crashDisk(`${dir}/store`);
    const { store } = await opened(`${dir}/store`, FIRST_BOOT, disk);
    const commits = (from: number): void => {
      for (let i = from; i < from + 40; i++)
        store.transact((tx) => tx.facts.put(itemKey(i), { mode: i, xattrs: { "user.x": new Uint8Array(10_000) } }));
    };
    let writes = 0;
    disk.fault = (what, path) =>
      what === "write" && path.includes("journal-") && ++writes === 3
        ? new Error("no answer from the disk")
        : undefined;
    commits(1);
    await assert.rejects(store.barrier(), /no answer/);
    disk.cutInto(`${dir}/cut`, seededRandom("parts"));
    commits(41);
    await store.barrier();
    assert.ok(writes > 6, "in parts");
    disk.cutInto(`${dir}/after`, seededRandom("parts"));
    await store.close();
    const modesIn = async (folder: string): Promise<(number | undefined)[]> => {
      const { store: found, recovered } = await opened(`${dir}/${folder}`, NEXT_BOOT);
      assert.equal(recovered.how, "restored");
      const modes = [...found.read.facts.range()].map(([, { mode }]) => mode);
      await found.close();
      return modes;
    };
    const torn = await modesIn("cut");
    assert.deepEqual(
      torn,
      Array.from(torn, (_, i) => i + 1),
      "the first so many, none between is missing",
    );
    assert.deepEqual(
      await modesIn("after"),
      Array.from({ length: 80 }, (_, i) => i + 1),
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
