/**
 * What is wrong with the file of bytes that are here in part, as far as that can be told without a hash: it is too short, it cannot be
 * read, or blocks that should have bytes are holes. A hole reads as zeros, and so do bytes that are zeros; holes there are only when the
 * file takes less room than its bytes. (A file system that compresses may say so of good bytes: they cost one more download.)
 */
import { promises as fs } from "node:fs";
import { isMissing, readAt } from "./files.ts";
import type { Ranges } from "./ranges.ts";

const STEP_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;
const ZEROS = Buffer.alloc(PAGE_BYTES);
/** What stat counts in. */
const BLOCK_BYTES = 512;

/** Undefined when nothing is wrong, or the file is not there: then nothing of it is here. */
export async function partsFault(
  path: string,
  here: Ranges,
  use: (task: (fd: number) => Promise<string | undefined>) => Promise<string | undefined>,
): Promise<string | undefined> {
  const edges = here.toArray();
  try {
    const { size, blocks } = await fs.stat(path);
    if (size < here.end) return `are ${size} of ${here.end} bytes long`;
    const mayHaveHoles = blocks * BLOCK_BYTES < here.total;
    return await use(async (fd) => {
      for (let i = 0; i < edges.length; i += 2) {
        const wrong = await spanFault(fd, [edges[i]!, edges[i + 1]!], mayHaveHoles);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    });
  } catch (error) {
    return isMissing(error) ? undefined : `cannot be read: ${String((error as Error).message)}`;
  }
}

async function spanFault(
  fd: number,
  [from, to]: readonly [number, number],
  mayHaveHoles: boolean,
): Promise<string | undefined> {
  for (let at = from; at < to; at += STEP_BYTES) {
    const wanted = Math.min(STEP_BYTES, to - at);
    const bytes = await readAt(fd, at, wanted);
    if (bytes.length < wanted) return "end early";
    if (mayHaveHoles && hasZeroPage(bytes, at)) return "have holes";
  }
  return undefined;
}

/** `at` is where the bytes are in the file. */
function hasZeroPage(bytes: Uint8Array, at: number): boolean {
  const first = (PAGE_BYTES - (at % PAGE_BYTES)) % PAGE_BYTES;
  for (let page = first; page + PAGE_BYTES <= bytes.length; page += PAGE_BYTES)
    if (ZEROS.equals(bytes.subarray(page, page + PAGE_BYTES))) return true;
  return false;
}
