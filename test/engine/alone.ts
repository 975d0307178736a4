/**
 * One person on one device, and nobody else: random acts between requests that are slow, fail, and lose their answers, while the process is
 * killed now and then. However the cloud tells of what it got, there is nothing to disagree about: at the end mount and cloud hold what a plain
 * map of paths holds, and no conflict was ever told. A seed replays it all.
 */
import assert from "node:assert/strict";
import type { Random } from "../../src/base/random.ts";
import type { CloudKnobs } from "../support/fake-cloud.ts";
import type { CallName } from "../support/fake-drive.ts";
import type { Device } from "./device.ts";
import { SimWorld } from "./sim-world.ts";
import { World } from "./world.ts";

export interface Alone {
  readonly seed: string;
  readonly steps: number;
  /** The fake drive, or the product's own on the simulator. */
  readonly cloud?: "fake" | "sim";
  /** Chances of a request: refused for now, carried out without an answer, neither carried out nor answered. */
  readonly refused: number;
  readonly lostAfter: number;
  readonly lostBefore: number;
  /** Chance of a kill before an act. */
  readonly killed: number;
  readonly knobs?: Partial<CloudKnobs>;
}

const CHANGING: readonly CallName[] = ["createFolder", "update", "remove", "upload", "sendFragment", "openSession"];
const READING: readonly CallName[] = ["item", "itemAt", "changes", "children", "sessionStatus", "download"];

/** What the person knows to be there: null for folders. */
type Known = Map<string, string | null>;

export async function runAlone(options: Alone, trace: (line: string) => void = () => undefined): Promise<void> {
  const world =
    options.cloud === "sim"
      ? new SimWorld(options.seed, "personal")
      : new World(options.seed, { pageItems: 7, ...options.knobs });
  const device = world.device("laptop", { writeBackMs: 300, pollMs: 2_000 });
  await world.quiet();
  const random = world.random.split("person");
  if (world instanceof SimWorld) disturbSim(world, options);
  else disturb(device, options);
  const known: Known = new Map();
  for (let step = 0; step < options.steps; step++) {
    if (random.next() < options.killed) {
      trace(`${world.clock.now()} killed`);
      device.kill();
    }
    const done = await act(device, known, { random, step, elapse: (ms) => world.pass(ms) });
    trace(`${world.clock.now()} ${step} ${done}`);
    await world.pass(random.pick([0, 0, 10, 60, 150, 400, 1_500] as const));
    const conflicts = [...device.store.read.conflicts.range()].map(([node, row]) => `${node}: ${row.why}`).join("; ");
    assert.equal(conflicts, "", `step ${step} (${done}): a conflict with nobody`);
  }
  device.drive.clearFaults();
  device.drive.latencyMs = 0;
  if (world instanceof SimWorld) {
    world.sim.service.faults.clear();
    world.latencyMs = 0;
  }
  await world.pass(400_000);
  await world.quiet();
  const wanted = sorted(new Map([...known].map(([path, text]) => [path, text ?? "/"])));
  const there = world.view.tree().map(({ path, text }) => [path, text ?? "/"] as const);
  assert.deepEqual(withoutEmptyFolders(there, known), wanted, "the cloud");
  assert.deepEqual(withoutEmptyFolders([...(await world.wait(device.tree()))], known), wanted, "the mount");
  assert.equal(device.store.read.conflicts.count, 0, "no conflict is told");
  for (const table of ["intents", "ops", "sessions", "parks", "local", "sent"] as const)
    assert.equal(device.store.read[table].count, 0, `${table} are empty`);
  await world.stop();
}

function disturbSim(world: SimWorld, { refused, lostAfter, lostBefore }: Alone): void {
  const strikes = [
    { kind: "lost", when: "after", probability: lostAfter / 2 },
    { kind: "status", status: 500, when: "after", probability: lostAfter / 2 },
    { kind: "lost", when: "before", probability: lostBefore },
    { kind: "status", status: 503, probability: refused },
  ];
  for (const strike of strikes)
    world.sim.service.faults.add({ ...strike, count: 1_000_000, seed: world.random.below(1_000_000) });
  world.latencyMs = 100;
}

function disturb({ drive }: Device, { refused, lostAfter, lostBefore }: Alone): void {
  const lost = { kind: "timedOut", why: "lost", unclear: true } as const;
  drive.latencyMs = 100;
  drive.fail({ call: CHANGING, chance: lostAfter, moment: "after", fault: lost });
  drive.fail({ call: CHANGING, chance: lostBefore, moment: "before", fault: lost });
  drive.fail({ call: CHANGING, chance: refused, moment: "before", fault: "unavailable" });
  drive.fail({ call: READING, chance: refused, moment: "before", fault: "timedOut" });
  drive.fail({ call: READING, chance: lostAfter, moment: "after", fault: "timedOut" });
}

interface Acting {
  readonly random: Random;
  readonly step: number;
  elapse(ms: number): Promise<void>;
}

const KINDS = ["write", "write", "append", "rename", "rename", "unlink", "renew", "saveByRename", "touch"] as const;
const FOLDER_KINDS = ["mkdir", "moveFolder", "removeFolder", "madeAndGone"] as const;

async function act(device: Device, known: Known, acting: Acting): Promise<string> {
  const { random, step } = acting;
  const files = [...known].filter(([, text]) => text !== null).map(([path]) => path);
  const folders = ["", ...[...known].filter(([, text]) => text === null).map(([path]) => path)];
  const place = (): string => join(random.pick(folders), `n${random.below(5)}`);
  const isFree = (path: string): boolean => known.get(path) !== null;
  const text = `step ${step} ${"x".repeat(random.below(40))}`;
  const kind = random.pick([...KINDS, ...FOLDER_KINDS]);
  if (kind === "mkdir" || (FOLDER_KINDS.includes(kind as never) && folders.length === 1)) {
    const path = join(random.pick(folders), `f${step}`);
    if (path.split("/").length > 3) return "";
    await device.mkdir(path);
    known.set(path, null);
    return `mkdir ${path}`;
  }
  if (kind === "madeAndGone") return madeAndGone(device, join(random.pick(folders), `g${step}`));
  if (kind === "moveFolder" || kind === "removeFolder") {
    const path = random.pick(folders.slice(1));
    if (kind === "removeFolder") {
      await device.remove(path);
      for (const each of below(known, path)) known.delete(each);
      return `remove ${path}`;
    }
    const to = random.pick([0, 1]) === 0 ? join(parentOf(path), `m${step}`) : join(random.pick(folders), `m${step}`);
    if (to.startsWith(`${path}/`)) return "";
    await device.rename(path, to);
    moveAll(known, path, to);
    return `move ${path} to ${to}`;
  }
  const path = files.length > 0 && kind !== "write" ? random.pick(files) : place();
  if (!isFree(path)) return "";
  const before = known.get(path);
  if (kind === "write" || typeof before !== "string") {
    await device.write(path, random.below(6) === 0 ? "" : text);
    known.set(path, await device.read(path));
    return `write ${path} ${known.get(path)!.length}`;
  }
  if (kind === "append") {
    const handle = await device.open(path, "r+");
    await device.vfs.write(handle, before.length, Buffer.from(text));
    await device.close(handle);
    known.set(path, before + text);
  } else if (kind === "unlink") {
    await device.unlink(path);
    known.delete(path);
  } else if (kind === "renew") {
    await device.unlink(path);
    await acting.elapse(random.pick([0, 0, 200] as const));
    await device.write(path, text);
    known.set(path, text);
  } else if (kind === "saveByRename") {
    await device.write(`${path}.new`, text);
    await acting.elapse(random.pick([0, 0, 500] as const));
    await device.rename(`${path}.new`, path);
    known.set(path, text);
  } else if (kind === "touch") {
    await device.touch(path, 1_000_000_000 + step);
  } else {
    const to = place();
    if (!isFree(to)) return "";
    await device.rename(path, to);
    if (to !== path) known.delete(path);
    known.set(to, before);
    return `rename ${path} to ${to}`;
  }
  return `${kind} ${path}`;
}

async function madeAndGone(device: Device, path: string): Promise<string> {
  await device.mkdir(path);
  await device.rename(path, `${path}x`);
  await device.rmdir(`${path}x`);
  return `made and removed ${path}`;
}

function moveAll(known: Known, from: string, to: string): void {
  for (const path of below(known, from)) {
    const text = known.get(path) as string | null;
    known.delete(path);
    known.set(`${to}${path.slice(from.length)}`, text);
  }
}

function below(known: Known, top: string): string[] {
  return [...known.keys()].filter((path) => path === top || path.startsWith(`${top}/`));
}

function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

function parentOf(path: string): string {
  return path.split("/").slice(0, -1).join("/");
}

/** A folder that was deleted while nobody knew whether it had been made may come back, empty: it might be somebody else's. */
function withoutEmptyFolders(rows: readonly (readonly [string, string])[], known: Known): string[] {
  const isExtra = ([path, text]: readonly [string, string]): boolean =>
    text === "/" &&
    !known.has(path) &&
    !rows.some(([other, what]) => other.startsWith(`${path}/`) && (what !== "/" || known.has(other)));
  return sorted(rows.filter((row) => !isExtra(row)));
}

function sorted(rows: Iterable<readonly [string, string]>): string[] {
  return Array.from(rows, ([path, text]) => `${path}=${text}`).sort();
}
