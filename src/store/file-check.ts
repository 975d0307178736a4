/**
 * Whether an LMDB file can be read to its end. A damaged page can crash the reader, so a child process does the reading; this
 * file is both the parent's side and, run as a program with a path, the child.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { assert } from "../base/assert.ts";
import { openLmdbFile, type LmdbFile, type TableName } from "./lmdb-file.ts";
import { TABLES } from "./schema.ts";
import type { Key } from "./store.ts";

const ENTRIES_AT_ONCE = 1_000;

/** True when a child process could read every row. Also those of a later version of this program: it is not damaged. Nothing is changed. */
export function isReadable(path: string): Promise<boolean> {
  const self = fileURLToPath(import.meta.url);
  const loaders = process.execArgv.filter((argument, i, all) => isLoader(argument) || isLoader(all[i - 1] ?? ""));
  const child = spawn(process.execPath, [...loaders, self, path], { stdio: "ignore" });
  return new Promise((resolve) => {
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}

const isLoader = (argument: string): boolean => argument === "--import" || argument.startsWith("--import=");

/** Throws, or crashes the process, when something is damaged. */
export async function readEverything(path: string): Promise<void> {
  const file = openLmdbFile(path, { readOnly: true });
  try {
    for (const table of TABLES) readTable(file, table);
  } finally {
    await file.close();
  }
}

function readTable(file: LmdbFile, table: TableName): void {
  let after: Key | undefined;
  let rows = 0;
  for (;;) {
    const entries = file.entries(table, {}, ENTRIES_AT_ONCE, after);
    for (const [, text] of entries) JSON.parse(text);
    rows += entries.length;
    if (entries.length < ENTRIES_AT_ONCE) break;
    after = entries.at(-1)?.[0];
  }
  assert(rows === file.count(table), `${table} has as many rows as it says`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  readEverything(process.argv[2] ?? "").then(
    () => (process.exitCode = 0),
    () => (process.exitCode = 1),
  );
}
