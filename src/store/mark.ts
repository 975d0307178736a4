/**
 * The mark: a small file that says how the last process left the store, written durably before the first commit of a session and
 * after the last. It decides whether the LMDB file may be believed without looking into it.
 *
 *   opening   a process was about to open the LMDB file
 *   running   it opened it; with the same boot id its commits are all there, with another one the file is not to be believed
 *   clean     it closed it, everything synced; what the journal holds is in `chain`
 */
import { crc32 } from "node:zlib";
import { replaceFile, type Disk } from "./disk.ts";

export interface Mark {
  readonly state: "opening" | "running" | "clean";
  readonly bootId: string;
  /** Only with `opening`: the folder was empty, nothing was ever committed. */
  readonly first?: boolean;
  /** Only with `clean`: the last commit, the files that would restore it, and what the LMDB file's bytes add up to. */
  readonly commit?: number;
  readonly digest?: string;
  readonly chain?: Chain;
}

/** The files that restore the store: a checkpoint (unless there never was one) and the journals after it. */
export interface Chain {
  readonly checkpoint: boolean;
  readonly generations: readonly number[];
  /** Durable bytes of the last generation. */
  readonly bytes: number;
}

const NAME = "mark";

/** Length and CRC32 of a file. */
export async function digestOf(disk: Disk, path: string): Promise<string> {
  let length = 0;
  let sum = 0;
  for await (const chunk of disk.chunks(path)) {
    length += chunk.length;
    sum = crc32(chunk, sum);
  }
  return `${length} ${sum.toString(16)}`;
}

/** Undefined when there is none, or none that can be read. */
export async function readMark(disk: Disk, folder: string): Promise<Mark | undefined> {
  if ((await disk.size(`${folder}/${NAME}`)) === undefined) return undefined;
  const parts: Buffer[] = [];
  for await (const chunk of disk.chunks(`${folder}/${NAME}`)) parts.push(chunk);
  try {
    const { sum, ...mark } = JSON.parse(Buffer.concat(parts).toString()) as Mark & { readonly sum?: number };
    if (sum !== undefined && sum !== crc32(JSON.stringify(mark))) return undefined;
    const known = mark.state === "opening" || mark.state === "running" || mark.state === "clean";
    return known && typeof mark.bootId === "string" ? mark : undefined;
  } catch {
    return undefined;
  }
}

export function writeMark(disk: Disk, folder: string, mark: Mark): Promise<void> {
  return replaceFile(disk, folder, NAME, `${JSON.stringify({ ...mark, sum: crc32(JSON.stringify(mark)) })}\n`);
}
