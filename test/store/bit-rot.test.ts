/**
 * Bits flip at random places of the store's files, after a clean end and after kill -9: the store opens as it was last, or as it was
 * at some earlier commit and says so, or it says that it cannot be read. Never as something else, never without a word.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { itemKey } from "../../src/model/ids.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import { StoreDamaged, type OpenedStore, type Reader, type Store } from "../../src/store/store.ts";
import { reader } from "./reader.ts";

const seeds = Number(process.env["SEEDS"] ?? 24);
const first = Number(process.env["SEED"] ?? 1);
const child = reader();

after(() => child.close());

const content = (read: Reader): string =>
  JSON.stringify([...read.listed.range()].concat([...read.facts.range()] as never).map(([key, value]) => [key, value]));

async function open(dir: string, damage: StoreDamaged[] = []): Promise<OpenedStore | undefined> {
  const opened = await openLmdbStore({
    dir,
    bootId: "boot",
    clock: manualClock(),
    isReadable: (path) => child.isReadable(path),
    checkpointBytes: 20_000,
    onDamaged: (error) => damage.push(error),
  });
  assert.ok(opened.ok || opened.fault.kind === "corrupt", JSON.stringify(opened));
  return opened.ok ? opened.value : undefined;
}

function commit(store: Store, random: Random, states: string[]): void {
  store.transact((tx) => {
    for (let i = 0; i < 4; i++) {
      const key = itemKey(1 + random.below(60));
      if (random.below(5) === 0) tx.facts.remove(key);
      else tx.facts.put(key, { mode: random.below(512), xattrs: { "user.x": new Uint8Array(1 + random.below(900)) } });
    }
    tx.listed.put(itemKey(1), states.length);
  });
  states.push(content(store.read));
}

interface Past {
  readonly dir: string;
  readonly states: readonly string[];
}

/** A store with a past: sessions, checkpoints, journals. `killed` is a copy of it while it was running. */
async function past(random: Random): Promise<{ clean: Past; killed: Past; root: string }> {
  const root = mkdtempSync(join(tmpdir(), "bit-rot-"));
  const dir = join(root, "clean");
  const states: string[] = [];
  let before = "";
  for (let session = 0; session < 3; session++) {
    const { store } = (await open(dir))!;
    for (let n = 0; n < 25; n++) {
      commit(store, random, states);
      if (n % 5 === 4) await store.barrier();
    }
    commit(store, random, states);
    before = JSON.stringify(states);
    if (session === 2) cpSync(dir, join(root, "killed"), { recursive: true });
    await store.close();
  }
  const killed = { dir: join(root, "killed"), states: JSON.parse(before) as string[] };
  return { clean: { dir, states }, killed, root };
}

/** Flips bits, fills a piece with noise, cuts, or removes. */
function damage(dir: string, random: Random): string {
  const names = readdirSync(dir).filter((name) => !name.endsWith("-lock"));
  const name = random.pick(names);
  const path = join(dir, name);
  const size = statSync(path).size;
  if (size === 0) return name;
  const how = random.pick(["bit", "bit", "bit", "bits", "piece", "cut", "remove"] as const);
  if (how === "remove") rmSync(path);
  else if (how === "cut") writeFileSync(path, readFileSync(path).subarray(0, random.below(size)));
  else {
    const bytes = readFileSync(path);
    const at = random.below(size);
    const count = how === "bit" ? 1 : how === "bits" ? 20 : 512;
    for (let i = 0; i < count; i++) {
      const place = how === "piece" ? Math.min(size - 1, at + i) : i === 0 ? at : random.below(size);
      bytes[place]! ^= 1 << random.below(8);
    }
    writeFileSync(path, bytes);
  }
  return `${name}: ${how}`;
}

/** Opens until the store is believed: a process that finds damage ends, and the next one restores. */
async function outcome(dir: string): Promise<{ state: string | undefined; told: boolean }> {
  let told = false;
  for (let start = 0; start < 3; start++) {
    const found: StoreDamaged[] = [];
    const opened = await open(dir, found);
    if (!opened) return { state: undefined, told: true };
    const { store, recovered } = opened;
    told ||= recovered.damaged === true || recovered.lost !== undefined;
    // What is read beside the work after a kill.
    const sound = recovered.how !== "afterKill" || (await child.isReadable(join(dir, "store.mdb")));
    for (let wait = 0; !sound && found.length === 0 && wait < 100; wait++)
      await new Promise((done) => setTimeout(done, 5));
    try {
      if (!sound) throw new StoreDamaged("read beside the work");
      const state = content(store.read);
      await store.close();
      return { state, told };
    } catch (error) {
      assert.ok(error instanceof StoreDamaged, String(error));
      assert.ok(existsSync(join(dir, "distrust")));
      await store.close().catch(() => undefined); // it may have found the damage itself
    }
  }
  return assert.fail("damage is found again and again");
}

test(
  `store/bit-rot: ${seeds} times damage of any file is restored or told (SEED=${first})`,
  { timeout: 400_000 },
  async () => {
    const random = seededRandom(`bit rot ${first}`);
    const { clean, killed, root } = await past(random);
    const seen = { whole: 0, earlier: 0, refused: 0 };
    try {
      for (let seed = first; seed < first + seeds; seed++) {
        const mine = seededRandom(`bit rot ${seed}`);
        const from = seed % 2 === 0 ? clean : killed;
        const dir = join(root, `seed-${seed}`);
        cpSync(from.dir, dir, { recursive: true });
        const done = [damage(dir, mine), ...(mine.below(3) === 0 ? [damage(dir, mine)] : [])].join(", ");
        const { state, told } = await outcome(dir);
        const which = state === undefined ? -1 : from.states.lastIndexOf(state);
        const where = `seed ${seed}, ${from === clean ? "clean" : "killed"}, ${done}: state ${which} of ${from.states.length}`;
        if (state !== undefined && state !== "[]") assert.ok(which >= 0, `${where}: a state that was never committed`);
        if (which !== from.states.length - 1) assert.ok(told, `${where}: something is missing and nobody says so`);
        seen[state === undefined ? "refused" : which === from.states.length - 1 ? "whole" : "earlier"]++;
        rmSync(dir, { recursive: true });
      }
      assert.ok(seen.whole > seeds / 2, JSON.stringify(seen));
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  },
);
