/**
 * Persistence in a folder: `state-N.ndjson`, one JSON line per step, and `content/` with the blobs.
 *
 * Guarantees: a step is one line, written before its answer is sent, so kill -9 loses no answered change; a torn last line
 * is a step nobody was told of and is cut off. Starting rewrites a long file as one of the next generation (written aside,
 * then renamed), so a crash while doing so loses nothing. A power cut is not covered.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { Population } from "./populate.ts";
import { toRecord, type ItemRecord } from "./records.ts";
import type { ProfileName } from "./profile.ts";
import type { Persist } from "./sim.ts";
import type { TokenState } from "./tokens.ts";

const FORMAT = 1;
const REWRITE_AT_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 8 * 1024 * 1024;
const RECORDS_PER_LINE = 500;

export interface Founding {
  readonly format: number;
  readonly profile: ProfileName;
  readonly seed: string;
  readonly population?: Population & { readonly at: number };
}

interface Line {
  readonly founding?: Founding;
  readonly items?: readonly ItemRecord[];
  readonly tokens?: TokenState;
  readonly advancedMs?: number;
  readonly quotaBytes?: number;
}

export interface Stored {
  readonly founding: Founding;
  readonly records: ReadonlyMap<number, ItemRecord>;
  readonly tokens: TokenState | undefined;
  readonly advancedMs: number;
  readonly quotaBytes: number | undefined;
}

export interface DataFolder {
  readonly contentFolder: string;
  readonly stored: Stored;
  readonly persist: Persist;
  close(): void;
}

export class DataFault extends Error {
  override readonly name = "DataFault";
}

/** Opens a folder, or founds a new one with what `found` says. */
export function openDataFolder(folder: string, found: () => Founding): DataFolder {
  const contentFolder = path.join(folder, "content");
  fs.mkdirSync(contentFolder, { recursive: true, mode: 0o700 });
  const generation = generations(folder).at(-1);
  const file = path.join(folder, `state-${generation ?? 1}.ndjson`);
  if (generation === undefined) writeAside(file, [{ founding: found() }]);
  const { stored, bytes } = readAll(file);
  const current = bytes > REWRITE_AT_BYTES ? rewrite(folder, { stored, next: (generation ?? 1) + 1 }) : file;
  for (const each of generations(folder)) {
    const old = path.join(folder, `state-${each}.ndjson`);
    if (old !== current) fs.unlinkSync(old);
  }
  const fd = fs.openSync(current, "a", 0o600);
  const append = (line: Line): void => writeWhole(fd, lineOf(line));
  return {
    contentFolder,
    stored,
    persist: {
      items: (changed) => append({ items: [...changed].map(toRecord) }),
      note: append,
    },
    close: () => fs.closeSync(fd),
  };
}

function generations(folder: string): number[] {
  return fs
    .readdirSync(folder)
    .flatMap((name) => (/^state-(\d+)\.ndjson$/.exec(name) ?? []).slice(1, 2).map(Number))
    .sort((a, b) => a - b);
}

function readAll(file: string): { stored: Stored; bytes: number } {
  const records = new Map<number, ItemRecord>();
  let known: Omit<Line, "items"> = {};
  let end = 0;
  for (const { text, next } of lines(file)) {
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
    } catch (error) {
      throw new DataFault(`${file} is damaged at byte ${end}`, { cause: error });
    }
    end = next;
    for (const record of line.items ?? []) records.set(record.i, record);
    const { items: _items, ...more } = line;
    known = { ...known, ...more };
  }
  if (fs.statSync(file).size > end) fs.truncateSync(file, end);
  const { founding, tokens, advancedMs = 0, quotaBytes } = known;
  if (!founding) throw new DataFault(`${file} does not begin as a state file does`);
  if (founding.format !== FORMAT)
    throw new DataFault(`${file} has format ${founding.format}; this program knows ${FORMAT}`);
  return { stored: { founding, records, tokens, advancedMs, quotaBytes }, bytes: end };
}

/** Whole lines with the offset behind them; what follows the last line end is left out. */
function* lines(file: string): Iterable<{ text: string; next: number }> {
  const fd = fs.openSync(file, "r");
  try {
    let rest: Buffer = Buffer.alloc(0);
    let at = 0;
    for (;;) {
      const piece = Buffer.allocUnsafe(READ_BYTES);
      const count = fs.readSync(fd, piece);
      if (count === 0) return;
      let text = Buffer.concat([rest, piece.subarray(0, count)]);
      for (let cut = text.indexOf(10); cut >= 0; cut = text.indexOf(10)) {
        at += cut + 1;
        yield { text: text.subarray(0, cut).toString("utf8"), next: at };
        text = text.subarray(cut + 1);
      }
      rest = text;
    }
  } finally {
    fs.closeSync(fd);
  }
}

function rewrite(folder: string, { stored, next }: { stored: Stored; next: number }): string {
  const file = path.join(folder, `state-${next}.ndjson`);
  writeAside(file, shortest(stored));
  return file;
}

function* shortest(stored: Stored): Iterable<Line> {
  const { founding, tokens, advancedMs, quotaBytes } = stored;
  yield { founding, advancedMs, ...(tokens ? { tokens } : {}), ...(quotaBytes === undefined ? {} : { quotaBytes }) };
  let items: ItemRecord[] = [];
  for (const record of stored.records.values()) {
    items.push(record);
    if (items.length < RECORDS_PER_LINE) continue;
    yield { items };
    items = [];
  }
  yield { items };
}

function writeAside(file: string, all: Iterable<Line>): void {
  const aside = `${file}.new`;
  const fd = fs.openSync(aside, "w", 0o600);
  for (const line of all) writeWhole(fd, lineOf(line));
  fs.closeSync(fd);
  fs.renameSync(aside, file);
}

function lineOf(line: Line): Buffer {
  return Buffer.from(JSON.stringify(line) + "\n");
}

function writeWhole(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at);
}
