/**
 * Two mounted machines and a web user on one drive: random acts of all three, each on what it sees, while the service misbehaves and
 * daemons are killed. Every write has bytes of its own, and every overwrite or deletion notes the bytes its actor saw there; so at
 * the end what was made and not knowingly destroyed must be there, once. A seed replays the choices.
 *
 * Nothing is pushed or pulled but by `sync` and after a failed read, so that between looking at a file and destroying it hardly anything
 * can change under the actor; what can is looked at again right before. Nothing is renamed over what was not seen, and a file is read
 * and overwritten through one handle: that is what an edit is, and what came in between becomes a conflict.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { promises as fs } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { folderContents } from "./cloud-equals.ts";
import { run, startMount, type Mount } from "./mount-process.ts";
import { startSim, type Sim } from "./sim-process.ts";

export interface Play {
  readonly seed: number;
  readonly operations: number;
  /** Faults of the simulator that strike meanwhile. */
  readonly faults: readonly object[];
}

export interface Played {
  readonly contents: number;
  readonly kills: number;
  readonly copies: number;
}

const SYNC_MS = 180_000;
const ASLEEP = { poll: "3600", write_back: "3600", flush_timeout: "0", read_timeout: "20" };
const FILES = ["n0", "n1", "n2", "N1", "letter.txt", "a b.txt", "ü.txt"] as const;
const FOLDERS = ["f0", "f1", "F1", "docs"] as const;

/** Whatever the service does, a sync ends. */
async function synced(mount: Mount): Promise<void> {
  const late = AbortSignal.timeout(SYNC_MS);
  await Promise.race([mount.ctl("sync", mount.dir), once(late, "abort")]);
  assert.ok(!late.aborted, `a sync of ${mount.dir} ends within ${SYNC_MS} ms`);
}

/** A daemon asks the cloud when it starts; nobody acts before that has come in (or has failed and is tried again later). */
async function startedAgain(mount: Mount): Promise<void> {
  const began = Date.now();
  await mount.start();
  const cameIn = async (): Promise<boolean> => {
    const status = JSON.parse((await mount.ctl("status", mount.dir, "--json")).out) as {
      cursorAgeSeconds: number | null;
    };
    return status.cursorAgeSeconds !== null && Date.now() - status.cursorAgeSeconds * 1000 > began;
  };
  for (let tries = 0; tries < 10 && !(await cameIn()); tries++) await delay(100);
}

/** What an actor can do; `entries` are paths with "/" at the end of folders. */
interface Actor {
  readonly name: string;
  entries(): Promise<string[]>;
  read(path: string): Promise<string>;
  /** Overwrites what is there, which it returns, or makes a new file. */
  write(path: string, text: string): Promise<string | undefined>;
  mkdir(path: string): Promise<void>;
  /** To a free name; nothing happens when it is taken. */
  move(from: string, to: string): Promise<void>;
  replace(from: string, to: string): Promise<void>;
  remove(file: string): Promise<void>;
  /** Of an empty folder. */
  rmdir(folder: string): Promise<void>;
}

export async function playTwoMounts({ seed, operations, faults }: Play): Promise<Played> {
  const random = seededRandom(seed);
  const sim = await startSim("--latency", "2");
  const mounts: Mount[] = [];
  try {
    for (const name of ["first", "second"])
      mounts.push(await startMount(sim, { options: ASLEEP, env: { HOSTNAME: name } }));
    const play = new Players(sim, mounts, random);
    for (let step = 0; step < operations; step++) {
      play.begin(step);
      if (step % 40 === 0) await setFaults(sim, faults, seed + step);
      await play.step(step);
      await play.watch(step);
    }
    await sim.clearFaults();
    await play.calm();
    return await play.judge();
  } catch (error) {
    await keepEvidence(sim, mounts);
    throw new Error(`SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error });
  } finally {
    for (const mount of mounts) await mount.dispose();
    await sim.stop();
  }
}

/** With KEEP=folder: what the machines have and said, and what they asked. */
async function keepEvidence(sim: Sim, mounts: readonly Mount[]): Promise<void> {
  const folder = process.env["KEEP"];
  if (!folder) return;
  for (const [i, mount] of mounts.entries()) {
    await run("cp", ["-a", join(mount.home, "state"), join(folder, `state-${i}`)]);
    await fs.writeFile(join(folder, `stderr-${i}`), mount.stderr());
  }
  const requests = (await sim.requests()).map((request) => JSON.stringify(request));
  await fs.writeFile(join(folder, "requests"), requests.join("\n"));
}

async function setFaults(sim: Sim, faults: readonly object[], seed: number): Promise<void> {
  await sim.clearFaults();
  for (const each of faults) await sim.faults({ probability: 0.04, count: 30, seed, ...each });
}

class Players {
  readonly #sim: Sim;
  readonly #mounts: readonly Mount[];
  readonly #actors: readonly Actor[];
  readonly #random: Random;
  /** Bytes whose write returned. */
  readonly #made = new Set<string>();
  /** Bytes that an actor saw and overwrote or deleted. */
  readonly #destroyed = new Set<string>();
  readonly #history: string[] = [];
  /** The bytes of each version of an item that the cloud ever showed, and where and when bytes were seen last. */
  readonly #versions = new Map<string, string>();
  readonly #seen = new Map<string, string>();
  #kills = 0;

  constructor(sim: Sim, mounts: readonly Mount[], random: Random) {
    this.#sim = sim;
    this.#mounts = mounts;
    this.#random = random;
    this.#actors = [...mounts.map((mount, i) => mountActor(mount, `mount ${i}`)), webActor(sim)];
  }

  begin(step: number): void {
    this.#history.push(`-- ${step}`);
  }

  async step(step: number): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 12) return this.#sync(this.#random.pick(this.#mounts));
    if (dice < 15) return this.#killDuringSync(this.#random.pick(this.#mounts));
    if (dice < 17) return this.#restart(this.#random.pick(this.#mounts));
    const actor = this.#random.pick(this.#actors);
    try {
      await this.#act(actor, step);
    } catch (error) {
      const { code, errno } = error as NodeJS.ErrnoException;
      // What a merge may have taken away, or what cannot be read while the service misbehaves: the act did not happen.
      const expected = ["ENOENT", "EEXIST", "ENOTEMPTY", "EIO", "EISDIR", "ENOTDIR", "EINVAL", "EBUSY", "ESTALE"];
      const refused = /\/_sim\/.*: (404|409|400) /.test(String(error));
      if (!expected.includes(code ?? "") && errno !== -116 && !refused) throw error;
      this.#note(`   ${code ?? String(error).slice(0, 80)}`);
    }
  }

  /** Notes what is in the cloud, so that of what is missing in the end it can be said when it was there last, and where. */
  async watch(step: number): Promise<void> {
    for (const { path, id, cTag, folder } of await this.#sim.tree()) {
      if (folder) continue;
      const version = `${id} ${cTag}`;
      const known = this.#versions.get(version);
      const text = known ?? (await this.#sim.get(path).catch(() => undefined))?.toString();
      if (text === undefined) continue; // moved this very moment
      if (known === undefined) this.#versions.set(version, text);
      this.#seen.set(text, `last seen after step ${step}, ${path}, ${id}`);
    }
  }

  /** Every side knows all there is to know. */
  async calm(): Promise<void> {
    for (let round = 0; round < 4; round++)
      for (const mount of this.#mounts) {
        await synced(mount);
        await mount.settled(120);
      }
  }

  async judge(): Promise<Played> {
    const cloud = new Map<string, string | undefined>();
    for (const item of await this.#sim.tree())
      if (item.path !== "") cloud.set(item.path, item.folder ? undefined : (await this.#sim.get(item.path)).toString());
    for (const mount of this.#mounts) {
      const here = new Map([...folderContents(mount.dir)].map(([path, { bytes }]) => [path, bytes?.toString()]));
      assert.deepEqual(sorted(here), sorted(cloud), `${mount.dir} shows what the cloud has\n${this.#story()}`);
      const checked = await mount.ctl("check", mount.dir, "--json");
      const { problems } = JSON.parse(checked.out) as { problems: { where: string; what: string }[] };
      // A kill may leave clean bytes that belong to nothing: check removes them and says so.
      assert.deepEqual(
        problems.filter(({ what }) => !what.includes("belonged to nothing")),
        [],
      );
    }
    const times = new Map<string, number>();
    for (const text of cloud.values()) if (text !== undefined) times.set(text, (times.get(text) ?? 0) + 1);
    const lost = [...this.#made]
      .filter((text) => !this.#destroyed.has(text) && !times.has(text))
      .map((text) => `${text}: ${this.#seen.get(text) ?? "never seen in the cloud"}`);
    assert.deepEqual(lost, [], `bytes that nobody knowingly destroyed are lost\n${this.#story()}`);
    const doubled = [...times].filter(([text, count]) => text !== "" && count > 1);
    assert.deepEqual(doubled, [], `bytes are there more than once\n${this.#story()}`);
    const copies = [...cloud.keys()].filter((path) => path.includes("(conflict ")).length;
    return { contents: this.#made.size, kills: this.#kills, copies };
  }

  async #act(actor: Actor, step: number): Promise<void> {
    const entries = await actor.entries();
    const files = entries.filter((path) => !path.endsWith("/"));
    const folders = entries.filter((path) => path.endsWith("/")).map((path) => path.slice(0, -1));
    const place = (names: readonly string[]): string => {
      const folder = this.#random.pick(["", "", ...folders]);
      return join(folder, this.#random.pick(names));
    };
    const kind = this.#random.pick(KINDS);
    const file = files.length > 0 ? this.#random.pick(files) : undefined;
    const folder = folders.length > 0 ? this.#random.pick(folders) : undefined;
    if (kind === "create" || (kind === "edit" && file === undefined)) return this.#write(actor, place(FILES), step);
    if (kind === "edit") return this.#write(actor, file!, step);
    if (kind === "mkdir") return this.#do(actor, "mkdir", () => actor.mkdir(place(FOLDERS)));
    if (kind === "moveFile" && file !== undefined) return this.#move(actor, file, place(FILES), entries);
    if (kind === "moveFolder" && folder !== undefined) return this.#move(actor, `${folder}/`, place(FOLDERS), entries);
    if (kind === "remove" && file !== undefined) return this.#remove(actor, [file], []);
    if (kind === "removeFolder" && folder !== undefined) {
      const inside = (path: string): boolean => path === folder || path.startsWith(`${folder}/`);
      return this.#remove(actor, files.filter(inside), folders.filter(inside));
    }
  }

  async #write(actor: Actor, path: string, step: number): Promise<void> {
    const text = `${actor.name}, step ${step}, ${this.#random.next()}`;
    this.#note(`${step} ${actor.name} writes ${path}`);
    const before = await actor.write(path, text);
    if (before !== undefined) this.#destroyed.add(before);
    this.#made.add(text);
  }

  async #move(actor: Actor, from: string, to: string, entries: readonly string[]): Promise<void> {
    const source = from.replace(/\/$/, "");
    if (to === source || to.startsWith(`${source}/`)) return;
    if (entries.some((path) => fold(path) === fold(to)) && fold(to) !== fold(source)) {
      if (from.endsWith("/") || actor.name === "web") return;
      const over = await actor.read(to);
      this.#note(`${actor.name} moves ${from} over ${to}`);
      await actor.replace(source, to);
      this.#destroyed.add(over);
      return;
    }
    await this.#do(actor, `move ${from} to ${to}`, () => actor.move(source, to));
  }

  /** What it saw and nothing else: file by file, each read right before it goes, then the folders that are empty by that. */
  async #remove(actor: Actor, files: readonly string[], folders: readonly string[]): Promise<void> {
    this.#note(`${actor.name} removes ${[...files, ...folders].join(", ")}`);
    for (const path of files) {
      const text = await actor.read(path);
      this.#destroyed.add(text);
      await actor.remove(path);
    }
    for (const path of folders.toReversed()) await actor.rmdir(path);
  }

  async #do(actor: Actor, what: string, act: () => Promise<void>): Promise<void> {
    this.#note(`${actor.name} ${what}`);
    await act();
  }

  async #sync(mount: Mount): Promise<void> {
    this.#note(`sync ${this.#mounts.indexOf(mount)}`);
    await synced(mount);
  }

  async #killDuringSync(mount: Mount): Promise<void> {
    const afterMs = 150 + this.#random.below(500);
    this.#note(`kill ${this.#mounts.indexOf(mount)} ${afterMs} ms after the begin of a sync`);
    const syncing = mount.ctl("sync", mount.dir);
    await delay(afterMs);
    await mount.kill();
    await syncing;
    await startedAgain(mount);
    this.#kills++;
  }

  async #restart(mount: Mount): Promise<void> {
    this.#note(`unmount and mount ${this.#mounts.indexOf(mount)}`);
    assert.equal(await mount.unmount(), 0);
    await startedAgain(mount);
  }

  #note(line: string): void {
    this.#history.push(`${Date.now() % 10_000_000} ${line}`);
  }

  #story(): string {
    return this.#history.join("\n");
  }
}

const KINDS = [
  "create",
  "create",
  "create",
  "edit",
  "edit",
  "edit",
  "mkdir",
  "moveFile",
  "moveFile",
  "moveFolder",
  "remove",
  "removeFolder",
] as const;

const fold = (path: string): string => path.replace(/\/$/, "").toLowerCase();
const sorted = (tree: ReadonlyMap<string, string | undefined>): (readonly [string, string])[] =>
  [...tree].map(([path, text]) => [path, text ?? "/"] as const).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/** Undefined for what is not there; every other failure is one. */
function absentOnly(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT" || /: 404 /.test(String(error))) return undefined;
  throw error;
}

function mountActor(mount: Mount, name: string): Actor {
  return {
    name,
    async entries() {
      const found = await run("find", [
        mount.dir,
        "-mindepth",
        "1",
        "(",
        "-type",
        "d",
        "-printf",
        "%P/\\n",
        ")",
        "-o",
        "-printf",
        "%P\\n",
      ]);
      return found.out.split("\n").filter(Boolean).toSorted();
    },
    read: (path) => readNow(() => fs.readFile(mount.path(path), "utf8")),
    async write(path, text) {
      await fs.mkdir(dirname(mount.path(path)), { recursive: true });
      const file = await fs.open(mount.path(path), "r+").catch((error: unknown) => absentOnly(error));
      if (!file) return void (await fs.writeFile(mount.path(path), text, { flag: "wx" }));
      try {
        const before = await readNow(() => file.read({ position: 0, buffer: Buffer.alloc(1_000) }));
        await file.truncate(0);
        await file.write(text, 0);
        return before.buffer.subarray(0, before.bytesRead).toString();
      } finally {
        await file.close();
      }
    },
    mkdir: async (path) => void (await fs.mkdir(mount.path(path))),
    async move(from, to) {
      if (fold(from) === fold(to)) return fs.rename(mount.path(from), mount.path(to));
      const moved = await run("mv", ["-nT", mount.path(from), mount.path(to)]);
      if (moved.code !== 0) throw Object.assign(new Error(moved.err), { code: "EIO" });
    },
    replace: (from, to) => fs.rename(mount.path(from), mount.path(to)),
    remove: (path) => fs.unlink(mount.path(path)),
    rmdir: (path) => fs.rmdir(mount.path(path)),
  };
}

/** The version that the mount shows may be gone in the cloud; the mount notices by that and shows the new one a moment later. */
async function readNow<T>(read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).errno !== -116 || tries === 20) throw error;
      await delay(100);
    }
  }
}

function webActor(sim: Sim): Actor {
  return {
    name: "web",
    entries: async () =>
      (await sim.tree())
        .filter(({ path }) => path !== "")
        .map(({ path, folder }) => (folder ? `${path}/` : path))
        .toSorted(),
    read: async (path) => (await sim.get(path)).toString(),
    async write(path, text) {
      const before = await sim.get(path).catch((error: unknown) => absentOnly(error));
      await sim.put(path, text);
      return before?.toString();
    },
    mkdir: (path) => sim.mkdir(path),
    move: (from, to) => sim.move(from, to),
    replace: (from, to) => sim.move(from, to),
    remove: (path) => sim.remove(path),
    async rmdir(path) {
      if ((await sim.tree()).some((item) => item.path.startsWith(`${path}/`))) return;
      await sim.remove(path);
    },
  };
}
