/**
 * The folder `found`: files with unpushed bytes whose place in the tree the index does not know. Here they are listed, hashed and given
 * back as blobs; who decides where they belong is recover/take-back.ts. Nothing here removes bytes that nobody has taken over.
 *
 * Giving back, so that at every moment the file has a name that nothing removes:
 *  1. A second name `blobs/N` (or a copy, where there are no second names), N beyond every number the store has given out; the file
 *     and the folder are synced. Killed now: recovery finds a number it never gave out and takes the second name away again.
 *  2. The caller's transaction names N. 3. A barrier. 4. The name in `found` goes. Killed before: the two are told to be one.
 */
import fsSync, { promises as fs } from "node:fs";
import { join } from "node:path";
import { blobId, type BlobId } from "../model/ids.ts";
import type { Store, Writer } from "../store/store.ts";
import { BLOBS_FOLDER, blobsOnDisk } from "./blobs.ts";
import { removeFile, syncFolder, syncPath } from "./files.ts";
import type { Digest, Hasher } from "./hash.ts";
import { identities, isSidecar, type Identity } from "./identity.ts";

export const FOUND_FOLDER = "found";

export interface FoundFile {
  readonly path: string;
  readonly identity: Identity | undefined;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

export interface Found {
  /** What is there, older blobs first. Names of files that were given back already are removed on the way. */
  list(): Promise<FoundFile[]>;
  digest(file: FoundFile): Promise<Digest>;
  /**
   * `record` names the blob in the transaction and returns what is to be done in the same turn after it. False when the number was
   * taken meanwhile and nothing happened.
   */
  giveBack(file: FoundFile, record: (tx: Writer, blob: BlobId) => () => void): Promise<boolean>;
  drop(file: FoundFile): Promise<void>;
}

export function foundFiles(options: {
  readonly stateDir: string;
  readonly store: Store;
  readonly hasher: Hasher;
}): Found {
  const { store, hasher } = options;
  const folder = join(options.stateDir, FOUND_FOLDER);
  const blobs = join(options.stateDir, BLOBS_FOLDER);
  const described = identities(() => undefined);
  const drop = async (file: FoundFile): Promise<void> => {
    await removeFile(file.path);
    await described.forget(file.path);
  };
  return {
    async list() {
      const names = (await fs.readdir(folder).catch(() => [])).filter((name) => !isSidecar(name));
      if (names.length === 0) return [];
      const named = await namedInodes(store, blobs);
      const files: FoundFile[] = [];
      for (const name of names) {
        const path = join(folder, name);
        const { size, mtimeMs, ino } = await fs.stat(path);
        const file = { path, identity: await described.read(path), size, mtime: Math.floor(mtimeMs / 1000) };
        if (named.has(ino)) await drop(file);
        else files.push(file);
      }
      return files.sort((a, b) => (a.identity?.blob ?? 0) - (b.identity?.blob ?? 0));
    },
    async digest(file) {
      const handle = await fs.open(file.path, "r");
      try {
        return await hasher.digest(handle.fd, file.size, true);
      } finally {
        await handle.close();
      }
    },
    async giveBack(file, record) {
      let blob = blobId(nextBlob(store));
      while (fsSync.existsSync(join(blobs, String(blob)))) blob = blobId(blob + 1);
      const path = join(blobs, String(blob));
      await fs.link(file.path, path).catch(() => copyAcross(file.path, path));
      await syncPath(path);
      await syncFolder(blobs);
      if (nextBlob(store) > blob || !fsSync.existsSync(path)) {
        await removeFile(path);
        return false;
      }
      let then: () => void;
      try {
        then = store.transact((tx) => {
          tx.meta.put("nextBlob", blob + 1);
          return record(tx, blob);
        });
      } catch (error) {
        await removeFile(path);
        throw error;
      }
      then();
      await store.barrier();
      await drop(file);
      return true;
    },
    drop,
  };
}

function nextBlob(store: Store): number {
  return (store.read.meta.get("nextBlob") as number | undefined) ?? 1;
}

/** Files in `blobs` that a row names. */
async function namedInodes(store: Store, folder: string): Promise<Set<number>> {
  const inodes = new Set<number>();
  for (const blob of await blobsOnDisk(folder)) {
    if (!store.read.blobs.get(blob)) continue;
    const stat = await fs.stat(join(folder, String(blob))).catch(() => undefined);
    if (stat && stat.nlink > 1) inodes.add(stat.ino);
  }
  return inodes;
}

async function copyAcross(from: string, to: string): Promise<void> {
  await fs.copyFile(from, to, fsSync.constants.COPYFILE_FICLONE | fsSync.constants.COPYFILE_EXCL);
}
