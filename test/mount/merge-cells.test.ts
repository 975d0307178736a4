/**
 * Every cell of the merge matrices on a real mount: what people do here with ordinary calls, what another device does in the cloud
 * meanwhile, and the one tree that both show afterwards. In three ways: while the daemon waits, while it is offline and unmounted
 * in between, and while it is killed again and again on its way. All cells meet in one merge.
 */
import assert from "node:assert/strict";
import { promises as fs, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { folderContents } from "../support/cloud-equals.ts";
import type { Cell, Side, Tree } from "../support/merge-acts.ts";
import { cells } from "../support/merge-cells.ts";
import { eventually, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim, type SimItem } from "../support/sim-process.ts";

type Way = "waiting" | "offline" | "killed";

const folderOf = (cell: Cell): string => cell.name.replaceAll(/[^A-Za-z0-9+, -]/g, "").slice(0, 80);

/** A program at the mount. */
function mountSide(mount: Mount, folder: string): Side {
  const at = (path: string): string => mount.path(folder, path);
  const parents = (path: string): Promise<unknown> => fs.mkdir(dirname(at(path)), { recursive: true });
  return {
    async write(path, text) {
      await parents(path);
      await fs.writeFile(at(path), text);
    },
    mkdir: async (path) => void (await fs.mkdir(at(path), { recursive: true })),
    async move(from, to) {
      await parents(to);
      await fs.rename(at(from), at(to));
    },
    remove: (path) => fs.rm(at(path), { recursive: true }),
    touch: async (path, seconds) => utimesSync(at(path), seconds, seconds),
  };
}

/** Another device at the cloud. */
function cloudSide(sim: Sim, folder: string, token: string): Side {
  const at = (path: string): string => `${folder}/${path}`;
  return {
    write: (path, text) => sim.put(at(path), text),
    mkdir: (path) => sim.mkdir(at(path)),
    move: (from, to) => sim.move(at(from), at(to)),
    remove: (path) => sim.remove(at(path)),
    async touch(path, seconds) {
      const url = `${sim.url}/v1.0/me/drive/root:/${at(path).split("/").map(encodeURIComponent).join("/")}:`;
      const answer = await fetch(url, {
        method: "PATCH",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ fileSystemInfo: { lastModifiedDateTime: new Date(seconds * 1000).toISOString() } }),
      });
      assert.equal(answer.status, 200, await answer.text());
    },
  };
}

interface Played {
  readonly sim: Sim;
  readonly mount: Mount;
  readonly ids: ReadonlyMap<string, SimItem>;
  readonly cloud: ReadonlyMap<string, SimItem>;
  /** The conflicts that onedrivectl lists. */
  readonly conflicts: readonly { readonly path: string; readonly of: string; readonly why: string }[];
}

/** Nothing is pushed or pulled by itself until the acts of both sides are done. */
const ASLEEP = { poll: "3600", write_back: "3600", flush_timeout: "0" };

async function play(way: Way, chosen: readonly Cell[]): Promise<Played> {
  const sim = await startSim("--latency", "5");
  let started: Mount | undefined;
  try {
    for (const cell of chosen) {
      await sim.mkdir(folderOf(cell));
      for (const [path, text] of Object.entries(cell.base))
        await (path.endsWith("/")
          ? sim.mkdir(`${folderOf(cell)}/${path.slice(0, -1)}`)
          : sim.put(`${folderOf(cell)}/${path}`, text));
    }
    const mount = await startMount(sim, { options: ASLEEP });
    started = mount;
    await mount.ctl("sync", mount.dir);
    const ids = await sim.paths();
    folderContents(mount.dir); // everything is read once, so that it can be written and moved offline
    if (way === "offline") {
      await mount.unmount();
      await sim.network(false);
      await mount.start();
    }
    for (const cell of chosen) await cell.here(mountSide(mount, folderOf(cell)));
    if (way === "offline") {
      await mount.unmount();
      await mount.start();
    }
    const { access_token } = (await (way === "offline" ? Promise.resolve({}) : sim.token())) as {
      access_token?: string;
    };
    for (const cell of chosen) await cell.there(cloudSide(sim, folderOf(cell), access_token ?? ""));
    if (way === "offline") await sim.network(true);
    if (way === "killed") for (const after of [40, 80, 160, 320, 640, 1280]) await killDuringSync(mount, after);
    await eventually("sync", async () => (await mount.ctl("sync", mount.dir)).code === 0, 60_000);
    await mount.settled();
    const cloud = await sim.paths();
    const listed = await mount.ctl("conflicts", mount.dir, "--json");
    return { sim, mount, ids, cloud, conflicts: JSON.parse(listed.out).conflicts };
  } catch (error) {
    await started?.dispose();
    await sim.stop();
    throw error;
  }
}

async function killDuringSync(mount: Mount, afterMs: number): Promise<void> {
  const syncing = mount.ctl("sync", mount.dir);
  await delay(300 + afterMs);
  await mount.kill();
  await syncing;
  await mount.start();
}

const withoutTag = (path: string): string => path.replaceAll(/ \(conflict [^()]+\)/g, " (conflict)");

/** The tree as the cells write it: files with their text, folders with a slash and nothing. */
function plain(entries: Iterable<readonly [string, string | undefined]>): Tree {
  const tree: Record<string, string> = {};
  for (const [path, text] of entries) {
    const name = withoutTag(text === undefined ? `${path}/` : path);
    assert.equal(tree[name], undefined, `${name} is there once`);
    tree[name] = text ?? "";
  }
  return tree;
}

/** Folders need not be written out where a file below says them. */
function complete(tree: Tree): Tree {
  const whole: Record<string, string> = { ...tree };
  for (const path of Object.keys(tree))
    for (let at = dirname(path.replace(/\/$/, "")); at !== "."; at = dirname(at)) whole[`${at}/`] = "";
  return whole;
}

async function checkCell(cell: Cell, { sim, mount, ids, cloud, conflicts }: Played): Promise<void> {
  const folder = folderOf(cell);
  const inCloud: [string, string | undefined][] = [];
  for (const [path, item] of cloud)
    if (path.startsWith(`${folder}/`))
      inCloud.push([path.slice(folder.length + 1), item.folder ? undefined : (await sim.get(path)).toString()]);
  const here = [...folderContents(mount.path(folder))].map(
    ([path, { bytes }]) => [path, bytes?.toString()] as [string, string | undefined],
  );
  assert.deepEqual(plain(inCloud), complete(cell.after), "in the cloud");
  assert.deepEqual(plain(here), complete(cell.after), "here");
  assert.deepEqual(here.map(([path]) => path).toSorted(), inCloud.map(([path]) => path).toSorted(), "the same names");
  for (const [from, to] of Object.entries(cell.same ?? {})) {
    const [found] = inCloud.map(([path]) => path).filter((path) => withoutTag(path) === to);
    assert.equal(cloud.get(`${folder}/${found}`)?.id, ids.get(`${folder}/${from}`)!.id, `${from} is ${to} now`);
  }
  const copies = here.map(([path]) => path).filter((path) => /\(conflict [^()]+\)[^/]*$/.test(path));
  const listed = conflicts.filter(({ path }) => path.startsWith(`${mount.path(folder)}/`));
  assert.deepEqual(
    listed.map(({ path }) => path).toSorted(),
    copies.map((path) => mount.path(folder, path)).toSorted(),
    "each conflict copy is listed, and nothing else",
  );
}

for (const way of ["waiting", "offline", "killed"] as const) {
  const chosen = cells.filter((cell) => way !== "offline" || !cell.online);
  describe(`merge cells, the daemon ${way}`, () => {
    let played: Played;
    before(async () => void (played = await play(way, chosen)));
    after(async () => {
      await played?.mount.dispose();
      await played?.sim.stop();
    });
    for (const cell of chosen) it(`${way}: ${cell.name}`, () => checkCell(cell, played));
  });
}
