/**
 * The file that keeps the tokens of one account: 0600 in a folder of 0700. It is replaced whole: written beside, synced, renamed, the
 * folder synced; so after a crash or a power cut it holds the tokens of before or of after, never half of them.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";

export interface TokenFile {
  /** Undefined when there is none. */
  read(): Promise<string | undefined>;
  /** Returns when the content survives a power cut. */
  write(content: string): Promise<void>;
  remove(): Promise<void>;
  /** Changes whenever anybody replaces the file. */
  stamp(): Promise<string>;
}

export const TOKENS_NAME = "tokens.json";
const ABANDONED_MS = 60_000;
const TEMPORARY = /^\.tokens\.[0-9a-f]+\.tmp$/;

export function tokenFile(folder: string, clock: Clock): TokenFile {
  const path = join(folder, TOKENS_NAME);
  return {
    async read() {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async write(content) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await sweep(folder, clock.now());
      const beside = join(folder, `.tokens.${randomBytes(8).toString("hex")}.tmp`);
      await writeSynced(beside, content);
      await rename(beside, path);
      await syncFolder(folder);
    },
    async remove() {
      await rm(path, { force: true });
      await sweep(folder, clock.now());
      await syncFolder(folder).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    },
    async stamp() {
      try {
        const { ino, mtimeMs, size } = await stat(path);
        return `${ino}:${mtimeMs}:${size}`;
      } catch (error) {
        if (isMissing(error)) return "none";
        throw error;
      }
    },
  };
}

async function writeSynced(path: string, content: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** What a killed process left behind; a live one's is young. */
async function sweep(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => TEMPORARY.test(each))) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && nowMs - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: string }).code === "ENOENT";
}
