/**
 * Whether the LMDB file in the folder can be believed, and what to do when it cannot. Decided by the mark, not by looking into the
 * file: after a power cut it may be damaged anywhere, and reading a damaged page can crash the process.
 *
 *   nothing there, or a first start that was interrupted   start over
 *   it was found to be damaged                             restore it
 *   clean mark                                             believe it, when its bytes add up to what the mark says
 *   mark `running` of this boot                            only the process died: let a child read it first when that is quick,
 *                                                          else believe it and have it read beside the work
 *   mark `opening` of this boot                            the last process died while opening it: let a child read it first
 *   anything else                                          restore it, or refuse when there is nothing to restore from
 */
import { unusable } from "../base/unusable.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { READ_FIRST_BYTES_MAX } from "../model/limits.ts";
import type { Disk } from "./disk.ts";
import { journalGenerations, journalPath } from "./journal.ts";
import { openLmdbFile, type LmdbFile } from "./lmdb-file.ts";
import { digestOf, type Mark } from "./mark.ts";
import { CHECKPOINT, DISTRUST, LIVE } from "./paths.ts";
import { leaveWord, restore, type Before, type Restored } from "./restore.ts";
import { StoreFull, type Recovered, type StoreFault } from "./store.ts";

export interface Found extends Omit<Recovered, "commit"> {
  /** It is believed without having been read: that is to be done beside the work. */
  readonly unread?: true;
}

export interface Place {
  readonly disk: Disk;
  readonly dir: string;
  readonly bootId: string;
  readonly isReadable: (path: string) => Promise<boolean>;
}

/** Decides about the LMDB file; afterwards it may be opened. */
export async function settle(place: Place, mark: Mark | undefined): Promise<Result<Found, StoreFault>> {
  const { disk, dir, bootId } = place;
  const live = `${dir}/${LIVE}`;
  const hasLive = (await disk.size(live)) !== undefined;
  const hasChain =
    (await disk.size(`${dir}/${CHECKPOINT}`)) !== undefined || (await journalGenerations(disk, dir)).length > 0;
  if (mark?.first || (!mark && !hasLive && !hasChain)) return startOver(place);
  const distrusted = (await disk.size(`${dir}/${DISTRUST}`)) !== undefined;
  if (mark && hasLive && !distrusted && mark.state === "clean" && (await isAsItWas(disk, live, mark)))
    return ok({ how: "clean" });
  if (mark && hasLive && !distrusted && mark.state !== "clean" && mark.bootId === bootId) {
    const isLong = ((await disk.size(live)) ?? 0) > READ_FIRST_BYTES_MAX;
    if (isLong && mark.state === "running" && (await looksWhole(disk, live)))
      return ok({ how: "afterKill", unread: true });
    if (await place.isReadable(live)) return ok({ how: "afterKill" });
  }
  const restored = await restore(place, before(mark, bootId));
  if (restored) {
    await disk.remove(`${dir}/${DISTRUST}`);
    return ok(asRestored(restored, mark, bootId));
  }
  const why = `${dir} holds files that are not a state folder of this program, or that are damaged`;
  return failed({ kind: "corrupt", why });
}

/** Nothing was ever committed here: what an interrupted first start left is removed. It knows nothing of the files that may be there. */
async function startOver({ disk, dir }: Place): Promise<Result<Found, StoreFault>> {
  await leaveWord(disk, dir);
  await disk.remove(`${dir}/${LIVE}`);
  await disk.remove(`${dir}/${LIVE}-lock`);
  for (const generation of await journalGenerations(disk, dir)) await disk.remove(journalPath(dir, generation));
  return ok({ how: "fresh" });
}

/** The bytes that a process left when it ended cleanly. */
async function isAsItWas(disk: Disk, path: string, mark: Mark): Promise<boolean> {
  return mark.digest === undefined ? looksWhole(disk, path) : mark.digest === (await digestOf(disk, path));
}

/** Has the first page of an LMDB file. */
async function looksWhole(disk: Disk, path: string): Promise<boolean> {
  for await (const chunk of disk.chunks(path))
    return chunk.length >= 8_192 && chunk.readUInt32LE(LMDB_MAGIC_AT) === LMDB_MAGIC;
  return false;
}

const LMDB_MAGIC = 0xbeefc0de;
const LMDB_MAGIC_AT = 24;

/** A file that was to be believed and cannot be opened all the same (a failing disk) is restored too. */
export async function openOrRestore(
  place: Place,
  found: Found,
  mark: Mark | undefined,
): Promise<Result<{ readonly file: LmdbFile; readonly found: Found }, StoreFault>> {
  const { dir, bootId } = place;
  const file = openFile(`${dir}/${LIVE}`);
  if (file.ok) return ok({ file: file.value, found });
  if (file.fault.kind !== "corrupt" || found.how === "fresh" || found.how === "restored") return file;
  const restored = await restore(place, { ...before(mark, bootId), powerMayHaveBeenCut: true });
  if (!restored) return file;
  const again = openFile(`${dir}/${LIVE}`);
  if (!again.ok) return again;
  return ok({ file: again.value, found: asRestored(restored, mark, bootId) });
}

const DAMAGED = "the database was damaged; what was not yet safe against a power cut is gone";

/** After a power cut the chain has all that was promised; else only when it goes as far as the last commit of a clean end. */
function before(mark: Mark | undefined, bootId: string): Before {
  const short = (commit: number): boolean =>
    mark?.state === "clean" && mark.commit !== undefined && commit < mark.commit;
  return {
    powerMayHaveBeenCut: mark !== undefined,
    hadMore: (commit) => mark === undefined || wasRunning(mark, bootId) || short(commit),
  };
}

function wasRunning(mark: Mark | undefined, bootId: string): boolean {
  return mark?.state !== "clean" && mark?.bootId === bootId;
}

function asRestored({ lost, damaged }: Restored, mark: Mark | undefined, bootId: string): Found {
  const why = wasRunning(mark, bootId) ? DAMAGED : lost;
  return {
    how: "restored",
    ...(why === undefined ? {} : { lost: why }),
    ...(damaged ? { damaged: true } : {}),
  };
}

function openFile(path: string): Result<LmdbFile, StoreFault> {
  try {
    return ok(openLmdbFile(path));
  } catch (error) {
    const known = asStoreFault(error);
    return failed(known ?? { kind: "corrupt", why: `${path} cannot be opened: ${String(error)}` });
  }
}

/** The fault that an error of the file system stands for, if it is one. */
export function asStoreFault(error: unknown): StoreFault | undefined {
  if (error instanceof StoreFull) return { kind: "full", why: error.message };
  const { code } = error as NodeJS.ErrnoException;
  const kind = KINDS[code ?? ""];
  return kind && { kind, why: unusable(error) ?? "the state folder cannot be used" };
}

const KINDS: Readonly<Record<string, StoreFault["kind"]>> = {
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  EEXIST: "denied",
  ENOTDIR: "denied",
  ENOSPC: "full",
  EDQUOT: "full",
};
