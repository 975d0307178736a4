/**
 * The few file operations that durability rests on, in one place so that a test can stand in for the disk and cut the power
 * between any two of them. Nothing here blocks the loop: everything runs in the threadpool.
 *
 * What the disk promises (POSIX on a local filesystem): bytes survive a power cut once `DiskFile.sync` of their file resolved,
 * names (created, renamed, removed) once `syncFolder` of their folder resolved; a rename is atomic. Nothing else.
 */
import { constants, createReadStream } from "node:fs";
import { copyFile, open, readdir, rename, rm, stat } from "node:fs/promises";

export interface DiskFile {
  /** All of `bytes`, at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Content and length survive a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** A new empty file, 0600; one that is there is emptied. */
  create(path: string): Promise<DiskFile>;
  /** A file that is there, for writing. */
  open(path: string): Promise<DiskFile>;
  /** The file's bytes from the start. */
  chunks(path: string): AsyncIterable<Buffer>;
  /** Undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  list(folder: string): Promise<readonly string[]>;
  /** Not durable. */
  copy(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Fine when it is not there. */
  remove(path: string): Promise<void>;
  syncFolder(folder: string): Promise<void>;
}

export const realDisk: Disk = {
  create: (path) => openFile(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC),
  open: (path) => openFile(path, constants.O_RDWR),
  chunks: (path) => createReadStream(path, { highWaterMark: 1024 * 1024 }),
  async size(path) {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  },
  list: (folder) => readdir(folder),
  copy: (from, to) => copyFile(from, to, constants.COPYFILE_FICLONE),
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncFolder(folder) {
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

async function openFile(path: string, flags: number): Promise<DiskFile> {
  const handle = await open(path, flags, 0o600);
  return {
    async write(bytes, position) {
      for (let done = 0; done < bytes.length;)
        done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    },
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

/** Replaces `folder/name` so that a crash shows the old or the new content, and a power cut after this resolved the new. */
export async function replaceFile(disk: Disk, folder: string, name: string, content: string): Promise<void> {
  const file = await disk.create(`${folder}/${name}.new`);
  try {
    await file.write(Buffer.from(content), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(`${folder}/${name}.new`, `${folder}/${name}`);
  await disk.syncFolder(folder);
}
