/** Compares a mounted folder with the simulated cloud: same paths, same bytes, and the cloud's hashes are those of the bytes. */
import assert from "node:assert/strict";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Sim } from "./sim-process.ts";

export interface FolderEntry {
  readonly folder: boolean;
  readonly bytes: Buffer | undefined;
}

/** Every path below `dir` with its bytes. `skip` leaves paths out. */
export function folderContents(dir: string, skip: (path: string) => boolean = () => false): Map<string, FolderEntry> {
  const found = new Map<string, FolderEntry>();
  const walk = (folder: string): void => {
    for (const name of readdirSync(folder)) {
      const full = join(folder, name);
      const path = relative(dir, full);
      if (skip(path)) continue;
      const isFolder = lstatSync(full).isDirectory();
      found.set(path, { folder: isFolder, bytes: isFolder ? undefined : readFileSync(full) });
      if (isFolder) walk(full);
    }
  };
  walk(dir);
  return found;
}

/** Asserts that the cloud below `prefix` holds exactly what the folder holds, byte for byte, each thing once. */
export async function assertCloudEquals(
  sim: Sim,
  dir: string,
  prefix = "",
  skip: (path: string) => boolean = () => false,
): Promise<number> {
  const here = folderContents(dir, skip);
  const tree = (await sim.tree()).filter((item) =>
    prefix === "" ? item.path !== "" : item.path.startsWith(`${prefix}/`),
  );
  const names = tree
    .map((item) => (prefix === "" ? item.path : item.path.slice(prefix.length + 1)))
    .filter((path) => !skip(path));
  assert.equal(new Set(names).size, names.length, "no path twice in the cloud");
  assert.deepEqual(names.toSorted(), [...here.keys()].toSorted(), "the same paths in the cloud and here");
  let files = 0;
  for (const item of tree) {
    const path = prefix === "" ? item.path : item.path.slice(prefix.length + 1);
    if (skip(path)) continue;
    const entry = here.get(path)!;
    assert.equal(item.folder, entry.folder, `${path}: kind`);
    if (!entry.bytes) continue;
    files++;
    assert.equal(item.size, entry.bytes.length, `${path}: size`);
    const bytes = await sim.get(item.path);
    assert.ok(bytes.equals(entry.bytes), `${path}: bytes`);
  }
  return files;
}
