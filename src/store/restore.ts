/**
 * Rebuilds the LMDB file after a power cut or damage from the last checkpoint and the journals after it.
 *
 * Steps; a crash between any two of them leaves everything they need in place, so the next start does them again:
 *  1. Copy the checkpoint (if it can be read) to a new file, or start from nothing.
 *  2. Replay the journals in the order of their generations: commits the checkpoint has are skipped; the first line that is torn and
 *     the first gap in the numbers of commits end the replay.
 *  3. Note in the new file that it was restored (whoever has reconciled the bytes with it removes the note), and sync it.
 *  4. When commits are missing, leave word of it (`lacking`) that lasts until the bytes were reconciled with what is here.
 *  5. Move the old file aside (an earlier one aside gives way), move the new one to its place.
 * When checkpoint or journals are themselves damaged, the old file is a second starting point, if it can be read to its end (every row
 * has a checksum) and goes further. It never deletes the file it distrusts, never changes checkpoint or journals.
 */
import { hasBelievableLine, journalGenerations, journalPath, readJournal, type Change } from "./journal.ts";
import { replaceFile, type Disk } from "./disk.ts";
import { openLmdbFile, type LmdbFile } from "./lmdb-file.ts";
import { ASIDE, CHECKPOINT, LACKING, LIVE, RESTORING, SECOND } from "./paths.ts";
import { TABLES } from "./schema.ts";
import type { Key } from "./store.ts";

export interface Restored {
  readonly commit: number;
  /** What could not be replayed, for a person; undefined when everything could. */
  readonly lost: string | undefined;
  /** Something that had been made safe could not be read. */
  readonly damaged: boolean;
  readonly aside: boolean;
}

interface Place {
  readonly disk: Disk;
  readonly folder: string;
  readonly generations: readonly number[];
  readonly isReadable: (path: string) => Promise<boolean>;
}

type Replayed = Omit<Restored, "aside">;

const CHANGES_AT_ONCE = 5_000;

/** What is known of the store that was there. */
export interface Before {
  /** The old file may show anything then, so it is looked at only when the others are damaged. */
  readonly powerMayHaveBeenCut: boolean;
  /** It had more than the commits up to this one. */
  hadMore(commit: number): boolean;
}

/** Undefined when there is nothing to restore from. */
export async function restore(
  { disk, dir: folder, isReadable }: Pick<Place, "disk" | "isReadable"> & { readonly dir: string },
  { powerMayHaveBeenCut, hadMore }: Before,
): Promise<Restored | undefined> {
  const generations = await journalGenerations(disk, folder);
  const place: Place = { disk, folder, generations, isReadable };
  const chain = await fromChain(place);
  const best = chain && !chain.damaged && powerMayHaveBeenCut ? chain : ((await fromLive(place, chain)) ?? chain);
  if (!best) return undefined;
  const damaged = best.damaged || hadMore(best.commit);
  if (damaged) await leaveWord(disk, folder);
  return { ...best, damaged, aside: await putInPlace(disk, folder) };
}

/** Step 4. */
export function leaveWord(disk: Disk, folder: string): Promise<void> {
  return replaceFile(disk, folder, LACKING, "");
}

/** From the checkpoint, or from nothing when there never was one. */
async function fromChain(place: Place): Promise<Replayed | undefined> {
  const { disk, folder, generations } = place;
  const hasCheckpoint = (await disk.size(`${folder}/${CHECKPOINT}`)) !== undefined;
  const started = hasCheckpoint && (await startFrom(place, CHECKPOINT, RESTORING));
  if (!started) await disk.remove(`${folder}/${RESTORING}`); // an earlier restore may have been cut short
  if (!started && (await firstBase(disk, folder, generations)) !== 0) return undefined;
  const done = await replayOnto(place, RESTORING);
  return hasCheckpoint && !started ? { ...done, damaged: true } : done;
}

/** From the file in use, when it goes further than the chain. */
async function fromLive(place: Place, chain: Replayed | undefined): Promise<Replayed | undefined> {
  const { disk, folder } = place;
  if ((await disk.size(`${folder}/${LIVE}`)) === undefined || !(await startFrom(place, LIVE, SECOND))) return undefined;
  const done = await replayOnto(place, SECOND);
  if (chain && done.commit < chain.commit) {
    await disk.remove(`${folder}/${SECOND}`);
    return undefined;
  }
  await disk.rename(`${folder}/${SECOND}`, `${folder}/${RESTORING}`);
  return { ...done, damaged: true };
}

/** Step 1. True when `name` is sound, and copied. */
async function startFrom({ disk, folder, isReadable }: Place, name: string, to: string): Promise<boolean> {
  await disk.remove(`${folder}/${to}`);
  await disk.remove(`${folder}/${to}-lock`);
  await disk.copy(`${folder}/${name}`, `${folder}/${to}`);
  if (await isReadable(`${folder}/${to}`)) return true;
  await disk.remove(`${folder}/${to}`);
  await disk.remove(`${folder}/${to}-lock`);
  return false;
}

async function firstBase(disk: Disk, folder: string, generations: readonly number[]): Promise<number | undefined> {
  const [first] = generations;
  return first === undefined ? undefined : (await readJournal(disk, journalPath(folder, first)))?.base;
}

/** Steps 2 and 3. */
async function replayOnto(place: Place, name: string): Promise<Replayed> {
  const path = `${place.folder}/${name}`;
  if ((await place.disk.size(path)) === undefined) await place.disk.remove(`${path}-lock`);
  const file = openLmdbFile(path);
  try {
    const done = await replay(place, file);
    file.transact(() => file.put("meta", "restored", "true"));
    await file.sync();
    return done;
  } finally {
    await file.close();
    await place.disk.remove(`${path}-lock`);
  }
}

async function replay({ disk, folder, generations }: Place, file: LmdbFile): Promise<Replayed> {
  const applier = batches(file);
  let lost: string | undefined;
  let damaged = false;
  for (const generation of generations) {
    const path = journalPath(folder, generation);
    const reading = await readJournal(disk, path);
    if (!reading || reading.base > applier.commit) {
      lost ??= `journal-${generation} does not continue what is there`;
      // One that does not continue is ordinary (its checkpoint was not finished); so is one whose first line never got to the disk.
      damaged ||= !reading && (await hasBelievableLine(disk, path, 0));
      break;
    }
    for (let next = await reading.commits.next(); ; next = await reading.commits.next()) {
      if (next.done) {
        const torn = next.value;
        if (torn) {
          lost = `journal-${generation} was not written completely: ${torn.bytesLost} bytes at its end`;
          damaged ||= generation !== generations.at(-1) || (await hasBelievableLine(disk, path, torn.atByte));
        }
        break;
      }
      if (next.value.commit > applier.commit + 1) break;
      if (next.value.commit === applier.commit + 1) applier.add(next.value.changes);
    }
  }
  applier.flush();
  return { commit: applier.commit, lost, damaged };
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

/** Step 5. True when there was an old file. */
async function putInPlace(disk: Disk, folder: string): Promise<boolean> {
  const old = (await disk.size(`${folder}/${LIVE}`)) !== undefined;
  if (old) await disk.rename(`${folder}/${LIVE}`, `${folder}/${ASIDE}`);
  await disk.remove(`${folder}/${LIVE}-lock`);
  await disk.remove(`${folder}/${RESTORING}-lock`);
  await disk.rename(`${folder}/${RESTORING}`, `${folder}/${LIVE}`);
  await disk.syncFolder(folder);
  return old;
}
