/**
 * Reads the store's files again while the store is open: the database and the last checkpoint to their ends, in a child process, and the
 * journals line by line. A database that cannot be read is marked, so that the next start restores it from the others.
 */
import { writeFile } from "node:fs/promises";
import { realDisk } from "./disk.ts";
import { isReadable } from "./file-check.ts";
import { journalGenerations, journalPath, readJournal } from "./journal.ts";
import { CHECKPOINT, DISTRUST, LIVE } from "./paths.ts";
import type { Store } from "./store.ts";

const COPY = "checkpoint.verify";

/** One sentence for each file that is not what it should be. */
export async function verifyStoreFiles(dir: string, store: Store): Promise<readonly string[]> {
  await store.barrier();
  const found: string[] = [];
  if (!(await isReadable(`${dir}/${LIVE}`))) {
    await writeFile(`${dir}/${DISTRUST}`, "", { mode: 0o600 });
    found.push("the database is damaged; it is restored at the next start: unmount and mount again");
  }
  if (!(await isCheckpointSound(dir))) {
    await realDisk.rename(`${dir}/${CHECKPOINT}`, `${dir}/${CHECKPOINT}.damaged`);
    found.push(
      "the checkpoint is damaged and was set aside; a new one is made at the next start: unmount and mount again",
    );
  }
  for (const generation of await journalGenerations(realDisk, dir)) {
    const lost = (await lostBytes(dir, generation)) && (await store.barrier().then(() => lostBytes(dir, generation)));
    if (lost) found.push(`journal-${generation} is damaged: ${lost} bytes of it cannot be read`);
  }
  return found;
}

/** Of a copy: a checkpoint may be replaced meanwhile, and reading leaves a lock file beside it. */
async function isCheckpointSound(dir: string): Promise<boolean> {
  if ((await realDisk.size(`${dir}/${CHECKPOINT}`)) === undefined) return true;
  try {
    await realDisk.copy(`${dir}/${CHECKPOINT}`, `${dir}/${COPY}`);
    return await isReadable(`${dir}/${COPY}`);
  } finally {
    await realDisk.remove(`${dir}/${COPY}`);
    await realDisk.remove(`${dir}/${COPY}-lock`);
  }
}

/** Bytes that cannot be believed; 0 also when the journal was replaced meanwhile. */
async function lostBytes(dir: string, generation: number): Promise<number> {
  const path = journalPath(dir, generation);
  try {
    const reading = await readJournal(realDisk, path);
    if (!reading) return (await realDisk.size(path)) ?? 0;
    for (;;) {
      const next = await reading.commits.next();
      if (next.done) return next.value?.bytesLost ?? 0;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
