/**
 * What a person sees and says when something waits: operations with their reasons, retry, cancel, undo, conflicts and how they are
 * settled, and a mass deletion that is held. Whatever is said, no byte is lost.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { folderContents } from "../support/cloud-equals.ts";
import { eventually, run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  mount = await startMount(sim, { options: { write_back: "3600" } });
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

interface Op {
  readonly id: number;
  readonly type: string;
  readonly path: string;
  readonly state: string;
  readonly reason: string | null;
}

async function told<T>(on: Mount, ...args: string[]): Promise<T> {
  const ran = await on.ctl(...args, "--json");
  assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.out}${ran.err}`);
  return JSON.parse(ran.out) as T;
}

const opsOf = async (path: string, on = mount): Promise<Op[]> =>
  (await told<{ ops: Op[] }>(on, "ops", on.dir)).ops.filter((op) => op.path === on.path(path));

async function xattr(path: string, name: string): Promise<string | undefined> {
  const ran = await run("getfattr", ["--only-values", "--absolute-names", "-n", `user.onedrive.${name}`, path]);
  return ran.code === 0 ? ran.out : undefined;
}

const without = (path: string): string => path.replace(/ \(conflict [^()]+\)/, " (conflict)");

/** Files here by path with their text; the names of conflict copies without what differs from day to day. */
function here(folder: string): Record<string, string> {
  const rows = [...folderContents(mount.path(folder))].map(([path, { bytes }]) => [
    without(path),
    String(bytes ?? "/"),
  ]);
  return Object.fromEntries(rows) as Record<string, string>;
}

async function inCloud(folder: string): Promise<Record<string, string>> {
  const rows: [string, string][] = [];
  for (const item of await sim.tree())
    if (item.path.startsWith(`${folder}/`))
      rows.push([
        without(item.path.slice(folder.length + 1)),
        item.folder ? "/" : (await sim.get(item.path)).toString(),
      ]);
  return Object.fromEntries(rows);
}

/** Files in the cloud that the mount shows and has read. */
async function given(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await sim.put(`${folder}/${name}`, text);
  for (const [name, text] of Object.entries(files))
    await eventually(
      `${folder}/${name}`,
      async () => (await run("cat", [mount.path(folder, name)])).out === text,
      20_000,
    );
}

/** Asks both sides now: nothing is pushed by itself here, so that there is time to change one's mind. */
async function pushed(): Promise<void> {
  await told(mount, "sync", mount.dir);
  await mount.settled();
}

/** The service refuses changes of that item for good; the operation is parked. */
async function refusedFor(path: string, act: () => void): Promise<Op> {
  await sim.faults({ kind: "status", status: 403, code: "accessDenied", item: path });
  try {
    act();
    await told(mount, "sync", mount.dir);
    const parked = (await opsOf(path)).find(({ state }) => state === "parked");
    return parked ?? assert.fail(`${path} is not parked`);
  } finally {
    await sim.clearFaults();
  }
}

test("people: a refused change says why, in ops, status and on the file; retry sends it when it can go", async () => {
  await given("refused", { "a.txt": "A" });
  const op = await refusedFor("refused/a.txt", () => writeFileSync(mount.path("refused/a.txt"), "changed"));
  assert.match(op.reason ?? "", /.{10}/);
  assert.equal(await xattr(mount.path("refused/a.txt"), "state"), "error");
  assert.equal(await xattr(mount.path("refused/a.txt"), "error"), op.reason);
  const status = await told<{ parked: number; reasons: string[] }>(mount, "status", mount.dir);
  assert.equal(status.parked, 1);
  assert.ok(status.reasons.includes(op.reason!));
  const waited = await mount.ctl("status", mount.dir, "--wait", "--timeout", "20");
  assert.equal(waited.code, 3, "only parked operations are left");
  await mount.kill();
  await mount.start();
  assert.equal((await opsOf("refused/a.txt"))[0]?.reason, op.reason, "known after a kill");
  await told(mount, "retry", String(op.id), mount.dir);
  await pushed();
  assert.equal((await sim.get("refused/a.txt")).toString(), "changed");
  assert.equal(await xattr(mount.path("refused/a.txt"), "state"), "cached");
  assert.equal(await xattr(mount.path("refused/a.txt"), "error"), undefined);
});

test("people: ops --graph draws what has to come before what", async () => {
  mkdirSync(mount.path("drawn"));
  writeFileSync(mount.path("drawn/inside.txt"), "x");
  await eventually("both are planned", async () =>
    (await mount.ctl("ops", mount.dir, "--graph")).out.includes("inside"),
  );
  const graph = (await mount.ctl("ops", mount.dir, "--graph")).out.trim().split("\n");
  assert.equal(graph[0], "flowchart TD");
  const nameOf = (what: string): string =>
    graph
      .find((line) => line.includes(what))!
      .trim()
      .split("[")[0]!;
  const folder = nameOf("createFolder /drawn");
  const file = nameOf("createFile /drawn/inside.txt");
  assert.ok(
    graph.some((line) => line.trim() === `${folder} --> ${file}`),
    graph.join("\n"),
  );
  await pushed();
});

test("people: cancel of a refused edit brings the cloud's bytes back and keeps the edit, which resolve can bring back", async () => {
  for (const keep of ["mine", "theirs", "both"] as const) {
    const folder = `cancelled ${keep}`;
    await given(folder, { "a.txt": "A" });
    const { id } = (await sim.paths()).get(`${folder}/a.txt`)!;
    const op = await refusedFor(`${folder}/a.txt`, () => writeFileSync(mount.path(folder, "a.txt"), "edited"));
    await told(mount, "cancel", String(op.id), mount.dir);
    assert.deepEqual(here(folder), { "a.txt": "A", "a (conflict).txt": "edited" });
    const [copy] = readdirSync(mount.path(folder)).filter((name) => name.includes("(conflict"));
    assert.equal(await xattr(mount.path(folder, copy!), "state"), "conflict");
    assert.equal(await xattr(mount.path(folder, copy!), "local"), "1");
    assert.equal((await opsOf(`${folder}/${copy}`)).length, 0);
    await told(mount, "sync", mount.dir);
    await mount.kill();
    await mount.start();
    await pushed();
    assert.deepEqual(await inCloud(folder), { "a.txt": "A" }, "the cloud got nothing of it");
    assert.deepEqual(here(folder), { "a.txt": "A", "a (conflict).txt": "edited" }, "here, after a kill");
    await told(mount, "resolve", mount.path(folder, copy!), "--keep", keep);
    await pushed();
    const after = {
      mine: { "a.txt": "edited" },
      theirs: { "a.txt": "A" },
      both: { "a.txt": "A", "a (conflict).txt": "edited" },
    }[keep];
    assert.deepEqual(here(folder), after);
    assert.deepEqual(await inCloud(folder), after);
    assert.equal((await sim.paths()).get(`${folder}/a.txt`)!.id, id, "the same item");
    const listed = await told<{ conflicts: { path: string }[] }>(mount, "conflicts", mount.dir);
    assert.equal(listed.conflicts.filter(({ path }) => path.startsWith(mount.path(folder))).length, 0);
  }
});

test("people: a new file that is cancelled stays here and goes nowhere, one that is undone steps aside", async () => {
  mkdirSync(mount.path("new"));
  writeFileSync(mount.path("new/stays.txt"), "stays");
  writeFileSync(mount.path("new/leaves.txt"), "leaves");
  const create = async (path: string): Promise<string> =>
    String((await opsOf(path)).find(({ type }) => type === "createFile")!.id);
  await told(mount, "cancel", await create("new/stays.txt"), mount.dir);
  await told(mount, "undo", await create("new/leaves.txt"), mount.dir);
  await pushed();
  assert.deepEqual(here("new"), { "stays.txt": "stays", "leaves (conflict).txt": "leaves" });
  assert.deepEqual(await inCloud("new"), {});
  assert.ok((await sim.paths()).has("new"), "the folder was not meant");
  await run("setfattr", ["-x", "user.onedrive.local", mount.path("new/stays.txt")]);
  await pushed();
  assert.deepEqual(await inCloud("new"), { "stays.txt": "stays" }, "goes after all when the mark is taken off");
});

test("people: undo brings back a deleted folder with all in it, and takes an edit and a rename back together", async () => {
  await given("undone", { "d/1.txt": "1", "d/e/2.txt": "2", "f.txt": "F" });
  const before = await inCloud("undone");
  const ids = (await sim.tree()).filter(({ path }) => path.startsWith("undone/")).map(({ id }) => id);
  rmSync(mount.path("undone/d"), { recursive: true });
  writeFileSync(mount.path("undone/f.txt"), "edited");
  renameSync(mount.path("undone/f.txt"), mount.path("undone/g.txt"));
  const deletion = (await opsOf("undone/d")).find(({ type }) => type === "deleteFolder")!;
  const edit = (await opsOf("undone/g.txt")).find(({ type }) => type === "writeContent")!;
  await told(mount, "undo", String(deletion.id), mount.dir);
  await told(mount, "undo", String(edit.id), mount.dir);
  await pushed();
  assert.deepEqual(here("undone"), { ...before, "f (conflict).txt": "edited" });
  assert.deepEqual(await inCloud("undone"), before);
  assert.deepEqual(
    (await sim.tree()).filter(({ path }) => path.startsWith("undone/")).map(({ id }) => id),
    ids,
  );
});

test("people: an edit on both sides is settled as the person says, from either name, and the cloud follows", async () => {
  for (const keep of ["mine", "theirs", "both"] as const) {
    const folder = `both ${keep}`;
    await given(folder, { "a.txt": "base" });
    writeFileSync(mount.path(folder, "a.txt"), "here");
    await sim.put(`${folder}/a.txt`, "there");
    await pushed();
    const { id } = (await sim.paths()).get(`${folder}/a.txt`)!;
    assert.deepEqual(here(folder), { "a.txt": "there", "a (conflict).txt": "here" });
    const [copy] = readdirSync(mount.path(folder)).filter((name) => name.includes("(conflict"));
    assert.equal(await xattr(mount.path(folder, copy!), "state"), "conflict");
    const named = keep === "mine" ? mount.path(folder, copy!) : mount.path(folder, "a.txt");
    await told(mount, "resolve", named, "--keep", keep);
    await pushed();
    const after = {
      mine: { "a.txt": "here" },
      theirs: { "a.txt": "there" },
      both: { "a.txt": "there", "a (conflict).txt": "here" },
    }[keep];
    assert.deepEqual(here(folder), after);
    assert.deepEqual(await inCloud(folder), after);
    assert.equal((await sim.paths()).get(`${folder}/a.txt`)!.id, id, "the same item");
    assert.equal((await mount.ctl("resolve", named, "--keep", keep)).code, 1, "it is settled already");
    if (keep === "mine") assert.equal(statSync(mount.path(folder, "a.txt")).mode & 0o777, 0o644);
  }
});

test("people: a file renamed aside because its name was taken is settled against the one that has the name", async () => {
  for (const keep of ["mine", "theirs"] as const) {
    const folder = `aside ${keep}`;
    await given(folder, { "x.txt": "x" });
    writeFileSync(mount.path(folder, "n.txt"), "here");
    await sim.put(`${folder}/n.txt`, "there");
    await pushed();
    const [copy] = readdirSync(mount.path(folder)).filter((name) => name.includes("(conflict"));
    await told(mount, "resolve", mount.path(folder, copy!), "--keep", keep);
    await pushed();
    const after = { "x.txt": "x", "n.txt": keep === "mine" ? "here" : "there" };
    assert.deepEqual(here(folder), after);
    assert.deepEqual(await inCloud(folder), after);
  }
});

/** Deletes everything but what `keep` names, while new files in the same folders are still being uploaded. */
async function removeWhileUploading(on: Mount, folders: readonly string[]): Promise<void> {
  for (let i = 0; i < 200; i++) writeFileSync(on.path(folders[i % folders.length]!, `young ${i}.txt`), `young ${i}`);
  const ran = await run("rm", ["-rf", ...folders.map((folder) => on.path(folder))]);
  assert.equal(ran.code, 0, ran.err);
  for (const folder of folders) assert.equal(existsSync(on.path(folder)), false);
}

/** The same paths here and in the cloud; gives them. */
async function assertSameNames(cloud: Sim, on: Mount): Promise<string[]> {
  const left = (await cloud.tree()).map(({ path }) => path).filter((path) => path !== "");
  const found = (await run("find", [on.dir, "-mindepth", "1", "-printf", "%P\\n"])).out.split("\n").filter(Boolean);
  assert.deepEqual(found.toSorted(), left.toSorted(), "the same names here and in the cloud");
  return left;
}

const foldersOf = (on: Mount): string[] => readdirSync(on.dir).filter((name) => statSync(on.path(name)).isDirectory());

test("people: rm -rf of 5,000 files out of 21,000 goes to the cloud, also of those that were still being uploaded", async () => {
  const large = await startSim("--populate", "210x100x40", "--latency", "10");
  const on = await startMount(large, { options: { write_back: "0" } });
  try {
    await removeWhileUploading(on, foldersOf(on).slice(0, 50));
    await on.settled(240);
    assert.equal((await large.tree()).filter(({ path }) => path.includes("young")).length, 0, "no orphan in the cloud");
    const left = await assertSameNames(large, on);
    assert.equal(left.length, 160 * 101);
  } finally {
    await on.dispose();
    await large.stop();
  }
});

test("people: rm -rf of a drive of 5,000 files is held over a kill, taken back with undo, and goes with release", async () => {
  const whole = await startSim("--populate", "50x100x40", "--latency", "10");
  const on = await startMount(whole, { options: { write_back: "1" } });
  try {
    const original = new Map((await whole.tree()).map(({ path, id }) => [path, id]));
    const folders = foldersOf(on);
    await removeWhileUploading(on, folders);
    await eventually(
      "it is held",
      async () => (await told<{ held: number }>(on, "status", on.dir)).held >= 5_000,
      60_000,
    );
    await on.kill();
    await on.start();
    const waited = await on.ctl("status", on.dir, "--wait", "--timeout", "60");
    assert.equal(waited.code, 3, `${waited.out}${waited.err}`);
    assert.deepEqual(foldersOf(on), [], "here it is gone");
    const cloud = (await whole.tree()).filter(({ path }) => !path.includes("young"));
    assert.equal(cloud.length, original.size, "in the cloud nothing is");
    const shown = (await on.ctl("status", on.dir)).out.split("\n").filter((line) => line.includes("!"));
    assert.equal(shown.length, 1, shown.join("\n"));
    assert.match(shown[0]!, /deletions are held.*onedrivectl release.*onedrivectl undo held.*\(\d{4}\)/);

    const { restored } = await told<{ restored: number }>(on, "undo", "held", on.dir);
    assert.ok(restored >= 5_050, String(restored));
    await on.settled(120);
    await assertSameNames(whole, on);
    for (const { path, id } of await whole.tree())
      if (original.has(path)) assert.equal(id, original.get(path), `${path} is the same item`);
    assert.equal(readFileSync(on.path([...original.keys()].find((path) => path.includes("/"))!)).length, 40);

    assert.equal((await run("rm", ["-rf", ...foldersOf(on).map((folder) => on.path(folder))])).code, 0);
    await eventually(
      "held again",
      async () => (await told<{ held: number }>(on, "status", on.dir)).held >= 5_000,
      60_000,
    );
    await told(on, "release", on.dir);
    await on.settled(240);
    assert.deepEqual(
      (await whole.tree()).filter(({ path }) => path !== ""),
      [],
    );
    assert.deepEqual(readdirSync(on.dir), []);
  } finally {
    await on.dispose();
    await whole.stop();
  }
});
