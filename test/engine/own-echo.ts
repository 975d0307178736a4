/**
 * The cases of own-echo.test.ts (a share of them) and test/soak/own-echo.test.ts (all): every kind of request, its answer lost or its process killed around it, times every second act of the person, times the order in
 * which the cloud tells what became of the request. Whatever happens: what the person did last is what everybody sees, once, on the same
 * items, with its times; nobody's own echo becomes a conflict. The wanted end is what the same acts give when nothing fails.
 */
import assert from "node:assert/strict";
import { ROOT } from "../../src/model/ids.ts";
import { localChildren, viewLocal } from "../../src/store/tree.ts";
import type { CallName } from "../support/fake-drive.ts";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

type Act = (device: Device) => Promise<unknown>;

interface First {
  readonly act: Act;
  readonly call: CallName;
  readonly next: Record<string, Act>;
}

const LARGE = 5 * 1024 * 1024;
const large = (letter: string): Uint8Array => Buffer.alloc(LARGE, letter);

const nothing: Act = async () => undefined;

/** What a person does next with a file that is at `path` now and was at `before`. */
function withFile(path: string, before: string): Record<string, Act> {
  return {
    nothing,
    "renamed again": (device) => device.rename(path, "z"),
    "renamed back": (device) => (path === before ? nothing(device) : device.rename(path, before)),
    "moved to another folder": (device) => device.rename(path, "e/z"),
    edited: (device) => device.write(path, "second"),
    "edited and renamed": async (device) => {
      await device.write(path, "second");
      await device.rename(path, "z");
    },
    "saved by rename": async (device) => {
      await device.write("temporary", "second");
      await device.rename("temporary", path);
    },
    touched: (device) => device.touch(path, 1_000_000_000),
    deleted: (device) => device.unlink(path),
    "deleted and made anew": async (device) => {
      await device.unlink(path);
      await device.write(path, "second");
    },
    swapped: async (device) => {
      await device.rename(path, "t");
      await device.rename("b", path);
      await device.rename("t", "b");
    },
    "given its name away": async (device) => {
      await device.rename(path, "z");
      await device.rename("b", path);
    },
    "renamed over another": (device) => device.rename(path, "b"),
  };
}

function withFolder(path: string, before: string): Record<string, Act> {
  return {
    nothing,
    "renamed again": (device) => device.rename(path, "z"),
    "renamed back": (device) => (path === before ? nothing(device) : device.rename(path, before)),
    "moved to another folder": (device) => device.rename(path, "e/z"),
    "given a child": (device) => device.write(`${path}/n`, "new"),
    "given a child and renamed": async (device) => {
      await device.write(`${path}/n`, "new");
      await device.rename(path, "z");
    },
    "given an item": (device) => device.rename("b", `${path}/b`),
    deleted: (device) => device.remove(path),
    "deleted and made anew": async (device) => {
      await device.remove(path);
      await device.mkdir(path);
      await device.write(`${path}/n`, "new");
    },
    "replaced by another": async (device) => {
      await device.rename(path, "z");
      await device.rename("e", path);
    },
  };
}

const FIRSTS: Record<string, First> = {
  "a file renamed": { act: (device) => device.rename("f", "g"), call: "update", next: withFile("g", "f") },
  "a file moved": { act: (device) => device.rename("f", "d/g"), call: "update", next: withFile("d/g", "f") },
  "a file edited": { act: (device) => device.write("f", "first"), call: "upload", next: withFile("f", "f") },
  "a large edit": { act: (device) => device.write("f", large("1")), call: "sendFragment", next: withFile("f", "f") },
  "a file emptied": { act: (device) => device.write("f", ""), call: "upload", next: withFile("f", "f") },
  "a file touched": { act: (device) => device.touch("f", 1_111_111_111), call: "update", next: withFile("f", "f") },
  "a file made": { act: (device) => device.write("n", "first"), call: "upload", next: withFile("n", "n") },
  "an empty file made": { act: (device) => device.write("n", ""), call: "upload", next: withFile("n", "n") },
  "a large file made": {
    act: (device) => device.write("n", large("1")),
    call: "sendFragment",
    next: withFile("n", "n"),
  },
  "a file deleted": {
    act: (device) => device.unlink("f"),
    call: "remove",
    next: {
      nothing,
      "made anew": (device) => device.write("f", "second"),
      "made anew with the same bytes": (device) => device.write("f", "F"),
      "replaced by another": (device) => device.rename("b", "f"),
      "replaced by a folder": (device) => device.mkdir("f"),
    },
  },
  "a folder renamed": { act: (device) => device.rename("d", "g"), call: "update", next: withFolder("g", "d") },
  "a folder moved": { act: (device) => device.rename("d", "e/d"), call: "update", next: withFolder("e/d", "d") },
  "a folder made": { act: (device) => device.mkdir("m"), call: "createFolder", next: withFolder("m", "m") },
  "a folder deleted": {
    act: (device) => device.remove("d"),
    call: "remove",
    next: {
      nothing,
      "made anew": (device) => device.mkdir("d"),
      "replaced by another": (device) => device.rename("e", "d"),
      "replaced by a file": (device) => device.write("d", "second"),
    },
  },
};
delete FIRSTS["a folder moved"]!.next["moved to another folder"];
delete FIRSTS["a folder moved"]!.next["replaced by another"];

/** `lost`: the answer never came. `killed`: the process died. `before`, `after`: the request was carried out. */
const HOWS = ["lost before", "lost after", "killed before", "killed after"] as const;
/** Whether the person's next act comes before anybody looked, and who looks first: the flusher by id, or the puller at the feed. */
const ORDERS = ["flusher first", "puller first", "looked already"] as const;
type How = (typeof HOWS)[number];
type Order = (typeof ORDERS)[number];

async function prepared(seed: string): Promise<{ world: World; device: Device }> {
  const world = new World(seed);
  const device = world.device("laptop");
  await world.quiet();
  for (const folder of ["d", "e"]) await device.mkdir(folder);
  for (const path of ["f", "b", "d/1", "d/2"]) await device.write(path, path.toUpperCase());
  await world.quiet();
  return { world, device };
}

/** Paths with what is there: the item (by the name it was born with) and the bytes. */
function shown(world: World, born: ReadonlyMap<string, string>): string[] {
  return world.cloud.tree().map(({ path, item, bytes }) => {
    const text = bytes && (bytes.length > 100 ? `${bytes.length} x ${bytes[0]}` : Buffer.from(bytes).toString());
    return `${path}${text === undefined ? "/" : `=${text}`} (${born.get(item.id) ?? "new"})`;
  });
}

function bornNames(world: World): Map<string, string> {
  return new Map(world.cloud.tree().map(({ path, item }) => [item.id, path]));
}

function times(device: Device): Map<string, number> {
  const found = new Map<string, number>();
  const { read } = device.store;
  const walk = (folder: typeof ROOT, above: string): void => {
    for (const node of localChildren(read, folder)) {
      const view = viewLocal(read, node)!;
      if (view.kind === "folder") walk(node, `${above}${view.name}/`);
      else found.set(`${above}${view.name}`, view.mtime);
    }
  };
  walk(ROOT, "");
  return found;
}

const calmEnds = new Map<Act, Promise<string[]>>();

function withoutFaults(first: First, second: Act): Promise<string[]> {
  const known = calmEnds.get(second);
  if (known && second !== nothing) return known;
  const end = runCalm(first, second);
  calmEnds.set(second, end);
  return end;
}

async function runCalm(first: First, second: Act): Promise<string[]> {
  const { world, device } = await prepared("calm");
  const born = bornNames(world);
  await first.act(device);
  await world.quiet();
  await second(device);
  await world.quiet();
  const tree = shown(world, born);
  await world.stop();
  return tree;
}

async function disturb(world: World, device: Device, { call, how }: { call: CallName; how: How }): Promise<void> {
  const moment = how.endsWith("before") ? "before" : "after";
  if (how.startsWith("lost")) {
    const fault = { kind: "timedOut", why: "lost", unclear: true } as const;
    device.drive.fail({ call, count: 1, moment, fault });
    await world.pass(3_500);
    return;
  }
  const held = device.drive.hold({ call, count: 1, moment });
  await world.pass(3_500);
  await held.reached;
  device.kill();
}

async function runCase(
  name: string,
  first: First,
  second: Act,
  { how, order }: { how: How; order: Order },
): Promise<void> {
  const { world, device } = await prepared(name);
  const born = bornNames(world);
  await first.act(device);
  const byId = device.drive.hold({ call: ["item", "itemAt"], moment: "before" });
  // What a request reads before it is sent is not held up.
  if (first.call === "sendFragment" || first.call === "remove") byId.release();
  const feed = device.drive.hold({ call: "changes", moment: "before" });
  const { call } = first;
  await disturb(world, device, { call, how });
  if (order === "looked already") {
    byId.release();
    feed.release();
    await world.pass(40_000);
  }
  await second(device);
  const wantedTimes = times(device);
  (order === "puller first" ? feed : byId).release();
  await world.pass(40_000);
  byId.release();
  feed.release();
  await world.pass(40_000);
  await world.quiet();
  const calm = await withoutFaults(first, second);
  if (!isEndByRule(shown(world, born), calm, name)) assert.deepEqual(shown(world, born), calm, "the cloud");
  assert.deepEqual(
    [...(await world.wait(device.tree())).keys()].sort(),
    world.cloud
      .tree()
      .map(({ path }) => path)
      .sort(),
    "the mount",
  );
  assert.deepEqual(times(device), wantedTimes, "times here");
  for (const [path, mtime] of wantedTimes)
    assert.equal(world.cloud.at(path)?.item.mtime, mtime, `time of ${path} there`);
  assert.equal(device.store.read.conflicts.count, 0, "no conflict is told");
  await assertAtRest(world, device);
  await world.stop();
}

/**
 * Other ends that are right: a folder deleted here while nobody knew whether it was made comes back (it may be somebody else's); a file
 * replaced under a name that the cloud never had for it is a new item; a file whose predecessor was not touched yet is still that item.
 */
function isEndByRule(is: readonly string[], calm: readonly string[], name: string): boolean {
  if (name.startsWith("a folder made") && name.includes("then deleted,"))
    return is.filter((row) => row !== "m/ (new)").join() === calm.join();
  const bare = (rows: readonly string[]): string => rows.map((row) => row.replace(/ \([^)]*\)$/, "")).join();
  const mayDiffer =
    /^a file (renamed|moved), .* (saved by rename|deleted and made anew)|renamed over another|a file deleted/;
  return mayDiffer.test(name) && bare(is) === bare(calm);
}

async function assertAtRest(world: World, device: Device): Promise<void> {
  await world.pass(10_000);
  const { intents, ops, sessions, parks, local, sent, blobs } = device.store.read;
  for (const [name, table] of Object.entries({ intents, ops, sessions, parks, local, sent }))
    assert.equal(table.count, 0, `${name} are empty`);
  const unpushed = [...blobs.range()].filter(([, row]) => row.state !== "pushed");
  assert.deepEqual(unpushed, [], "no unpushed bytes are left");
}

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

/** Every case, in a fixed order. */
export function* cases(): Generator<Case> {
  for (const [firstName, first] of Object.entries(FIRSTS))
    for (const how of HOWS)
      for (const [secondName, second] of Object.entries(first.next))
        for (const order of ORDERS) {
          const name = `${firstName}, ${how}, then ${secondName}, ${order}`;
          yield { name, run: () => runCase(name, first, second, { how, order }) };
        }
}

/** Runs them one after another and tells all that failed. */
export async function runAll(some: Iterable<Case>): Promise<number> {
  const failures: string[] = [];
  let count = 0;
  for (const { name, run } of some) {
    count++;
    await run().catch((error: unknown) => failures.push(`${name}: ${String((error as Error).message)}`));
  }
  assert.equal(failures.length, 0, failures.join("\n"));
  return count;
}
