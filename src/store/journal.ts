/**
 * The journal: what every commit changed, in files that only grow and that a barrier makes durable. Together with a checkpoint it
 * restores the store after a power cut, when the LMDB file itself is not to be believed.
 *
 * A file `journal-N` is lines of `CRC32 JSON`; the first says which generation it is and after which commit it starts, the others
 * are (parts of) commits in order. A reader stops at the first line whose checksum or form is wrong: what a power cut tore.
 * `append` writes at the end of the durable part, so a failed append is simply written over by the next.
 */
import { crc32 } from "node:zlib";
import type { Disk, DiskFile } from "./disk.ts";

/** Number of the table in TABLES, the key, and the row's text as JSON value, or null when removed. */
export type Change = readonly [table: number, key: unknown, row: unknown];

/** One commit, its changes already as JSON text. */
export interface CommitText {
  readonly commit: number;
  readonly changes: readonly string[];
}

export interface Journal {
  readonly generation: number;
  /** Bytes that are durable. */
  readonly bytes: number;
  /** Durable when it resolves; when it rejects nothing counts as written. */
  append(commits: readonly CommitText[]): Promise<void>;
  close(): Promise<void>;
}

/** Text of about this length is made and written at once: making that of thousands of commits takes a while. */
const PART_CHARACTERS = 128 * 1024;
/** A line is about this long at most, unless a single change is longer. */
const LINE_CHARACTERS = 1_000_000;
const NAME = /^journal-(\d+)$/;

export const journalPath = (folder: string, generation: number): string => `${folder}/journal-${generation}`;

/** Generations in the folder, oldest first. */
export async function journalGenerations(disk: Disk, folder: string): Promise<number[]> {
  const found = (await disk.list(folder)).map((name) => NAME.exec(name)?.[1]).filter((match) => match !== undefined);
  return found.map(Number).sort((a, b) => a - b);
}

/** A new journal that starts after commit `base`; durable, name and all, when it resolves. */
export async function createJournal(disk: Disk, folder: string, generation: number, base: number): Promise<Journal> {
  const file = await disk.create(journalPath(folder, generation));
  try {
    const header = line(JSON.stringify({ journal: 1, generation, base }));
    await file.write(header, 0);
    await file.sync();
    await disk.syncFolder(folder);
    return journal(file, generation, header.length);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Goes on with a journal that was closed cleanly with `bytes` durable bytes. */
export async function reopenJournal(disk: Disk, folder: string, generation: number, bytes: number): Promise<Journal> {
  return journal(await disk.open(journalPath(folder, generation)), generation, bytes);
}

function journal(file: DiskFile, generation: number, durable: number): Journal {
  let bytes = durable;
  return {
    generation,
    get bytes() {
      return bytes;
    },
    async append(commits) {
      let end = bytes;
      for (const some of inParts(commits)) {
        const text = Buffer.concat(some.flatMap(lines));
        await file.write(text, end);
        end += text.length;
      }
      await file.sync();
      bytes = end;
    },
    close: () => file.close(),
  };
}

/** What a journal holds, as far as it can be believed. */
export interface JournalReading {
  readonly generation: number;
  readonly base: number;
  readonly commits: AsyncGenerator<{ readonly commit: number; readonly changes: readonly Change[] }, Torn | undefined>;
}

/** Where reading stopped before the end of the file. */
export interface Torn {
  readonly atByte: number;
  readonly bytesLost: number;
}

/** Undefined when not even the first line can be believed. */
export async function readJournal(disk: Disk, path: string): Promise<JournalReading | undefined> {
  const rest = believable(disk, path);
  const first = await rest.next();
  if (first.done) return undefined;
  const header = first.value as { journal?: unknown; generation?: unknown; base?: unknown };
  if (header.journal !== 1 || typeof header.generation !== "number" || typeof header.base !== "number")
    return undefined;
  return { generation: header.generation, base: header.base, commits: wholeCommits(rest) };
}

/** Whether a whole line follows the one at `from` that cannot be believed: then that one was damaged, not torn by a power cut. */
export async function hasBelievableLine(disk: Disk, path: string, from: number): Promise<boolean> {
  let at = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of disk.chunks(path)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      if (at + start > from && isWhole(rest.subarray(start, end))) return true;
      start = end + 1;
    }
    rest = rest.subarray(start);
    at += start;
  }
  return false;
}

async function* wholeCommits(
  values: AsyncGenerator<unknown, Torn | undefined>,
): AsyncGenerator<{ commit: number; changes: readonly Change[] }, Torn | undefined> {
  let parts: Change[] = [];
  for (;;) {
    const next = await values.next();
    if (next.done) return next.value;
    const [commit, last, changes] = next.value as [number, 0 | 1, Change[]];
    parts = parts.length === 0 ? changes : parts.concat(changes);
    if (last === 0) continue;
    yield { commit, changes: parts };
    parts = [];
  }
}

/** The JSON of each line up to the first that is torn. */
async function* believable(disk: Disk, path: string): AsyncGenerator<unknown, Torn | undefined> {
  const size = (await disk.size(path)) ?? 0;
  let offset = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of disk.chunks(path)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      const value = parse(rest.subarray(start, end));
      if (value === undefined) return { atByte: offset, bytesLost: size - offset };
      yield value;
      offset += end + 1 - start;
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
  return offset < size ? { atByte: offset, bytesLost: size - offset } : undefined;
}

function* inParts(commits: readonly CommitText[]): Generator<readonly CommitText[]> {
  let part: CommitText[] = [];
  let length = 0;
  for (const commit of commits) {
    part.push(commit);
    for (const change of commit.changes) length += change.length;
    if (length < PART_CHARACTERS) continue;
    yield part;
    part = [];
    length = 0;
  }
  if (part.length > 0) yield part;
}

/** A commit of many or long changes takes several lines; the last one says so. */
function lines(record: CommitText): Buffer[] {
  const out: Buffer[] = [];
  let part: string[] = [];
  let length = 0;
  const flush = (last: 0 | 1): void => {
    out.push(line(`[${record.commit},${last},[${part.join(",")}]]`));
    part = [];
    length = 0;
  };
  for (const change of record.changes) {
    if (length + change.length > LINE_CHARACTERS && part.length > 0) flush(0);
    part.push(change);
    length += change.length;
  }
  flush(1);
  return out;
}

function line(json: string): Buffer {
  const text = Buffer.from(`00000000 ${json}\n`);
  text.write(crc32(text.subarray(9, -1)).toString(16).padStart(8, "0"), 0, "latin1");
  return text;
}

function parse(text: Buffer): unknown {
  return isWhole(text) ? (JSON.parse(text.toString("utf8", 9)) as unknown) : undefined;
}

function isWhole(text: Buffer): boolean {
  return (
    text.length >= 10 && text.toString("latin1", 0, 9) === `${crc32(text.subarray(9)).toString(16).padStart(8, "0")} `
  );
}
