/**
 * Rebuilds the LMDB file after a power cut from the last checkpoint and the journals after it.
 *
 * Steps; a crash between any two of them leaves everything they need in place, so the next start does them again:
 *  1. Copy the checkpoint (if it can be read) to a new file, or start from nothing.
 *  2. Replay the journals in the order of their generations: commits the checkpoint has are skipped; the first line that is torn and
 *     the first gap in the numbers of commits end the replay.
 *  3. Note in the new file that it was restored (whoever has reconciled the bytes with it removes the note), and sync it.
 *  4. Move the old file aside (an earlier one aside gives way), move the new one to its place.
 * It never deletes the file it distrusts, never changes checkpoint or journals.
 */
import { journalGenerations, journalPath, readJournal, type Change } from "./journal.ts";
import type { Disk } from "./disk.ts";
import { openLmdbFile, type LmdbFile } from "./lmdb-file.ts";
import { ASIDE, CHECKPOINT, LIVE, RESTORING } from "./paths.ts";
import { TABLES } from "./schema.ts";
import type { Key } from "./store.ts";

export interface Restored {
  readonly commit: number;
  /** What could not be replayed, for a person; undefined when everything could. */
  readonly lost: string | undefined;
  readonly aside: boolean;
}

const CHANGES_AT_ONCE = 5_000;

/** Undefined when there is nothing to restore from. */
export async function restore(
  disk: Disk,
  folder: string,
  isReadable: (path: string) => Promise<boolean>,
): Promise<Restored | undefined> {
  const generations = await journalGenerations(disk, folder);
  const fromCheckpoint = await startingPoint(disk, folder, isReadable);
  const base = fromCheckpoint ? 0 : await firstBase(disk, folder, generations);
  if (base !== 0) return undefined;
  const file = openLmdbFile(`${folder}/${RESTORING}`);
  try {
    const { commit, lost } = await replay(disk, folder, generations, file);
    file.transact(() => file.put("meta", "restored", "true"));
    await file.sync();
    await file.close();
    return { commit, lost, aside: await putInPlace(disk, folder) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Step 1. True when there is a sound checkpoint, copied. */
async function startingPoint(
  disk: Disk,
  folder: string,
  isReadable: (path: string) => Promise<boolean>,
): Promise<boolean> {
  await disk.remove(`${folder}/${RESTORING}`);
  await disk.remove(`${folder}/${RESTORING}-lock`);
  if ((await disk.size(`${folder}/${CHECKPOINT}`)) === undefined) return false;
  await disk.copy(`${folder}/${CHECKPOINT}`, `${folder}/${RESTORING}`);
  if (await isReadable(`${folder}/${RESTORING}`)) return true;
  await disk.remove(`${folder}/${RESTORING}`);
  return false;
}

async function firstBase(disk: Disk, folder: string, generations: readonly number[]): Promise<number | undefined> {
  const [first] = generations;
  return first === undefined ? undefined : (await readJournal(disk, journalPath(folder, first)))?.base;
}

async function replay(
  disk: Disk,
  folder: string,
  generations: readonly number[],
  file: LmdbFile,
): Promise<{ commit: number; lost: string | undefined }> {
  const applier = batches(file);
  let lost: string | undefined;
  for (const generation of generations) {
    const reading = await readJournal(disk, journalPath(folder, generation));
    if (!reading || reading.base > applier.commit) {
      lost ??= `journal-${generation} does not continue what is there`;
      break;
    }
    for (let next = await reading.commits.next(); ; next = await reading.commits.next()) {
      if (next.done) {
        if (next.value)
          lost = `journal-${generation} was not written completely: ${next.value.bytesLost} bytes at its end`;
        break;
      }
      if (next.value.commit > applier.commit + 1) break;
      if (next.value.commit === applier.commit + 1) applier.add(next.value.changes);
    }
  }
  applier.flush();
  return { commit: applier.commit, lost };
}

/** Applies commits, several in one transaction. */
function batches(file: LmdbFile): { readonly commit: number; add(changes: readonly Change[]): void; flush(): void } {
  let commit = Number(file.get("meta", "commit") ?? 0);
  let waiting: Change[] = [];
  const flush = (): void => {
    file.transact(() => {
      for (const [table, key, row] of waiting) apply(file, table, key as Key, row);
      if (waiting.length > 0) file.put("meta", "commit", String(commit));
    });
    waiting = [];
  };
  return {
    get commit() {
      return commit;
    },
    add(changes) {
      commit++;
      for (const change of changes) waiting.push(change);
      if (waiting.length > CHANGES_AT_ONCE) flush();
    },
    flush,
  };
}

function apply(file: LmdbFile, table: number, key: Key, row: unknown): void {
  const name = TABLES[table];
  if (name === undefined) throw new Error(`the journal names a table ${table} that this program does not have`);
  if (row === null) file.remove(name, key);
  else file.put(name, key, JSON.stringify(row));
}

/** Step 4. True when there was an old file. */
async function putInPlace(disk: Disk, folder: string): Promise<boolean> {
  const old = (await disk.size(`${folder}/${LIVE}`)) !== undefined;
  if (old) await disk.rename(`${folder}/${LIVE}`, `${folder}/${ASIDE}`);
  await disk.remove(`${folder}/${LIVE}-lock`);
  await disk.remove(`${folder}/${RESTORING}-lock`);
  await disk.rename(`${folder}/${RESTORING}`, `${folder}/${LIVE}`);
  await disk.syncFolder(folder);
  return old;
}
