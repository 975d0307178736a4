/**
 * Compares what the rows say of bytes with the bytes, file after file, on the hash worker and at a bounded rate, while everything goes on.
 *
 *   clean bytes that are wrong          go, and are fetched again by the next read (those that are here in part have no hash yet:
 *                                       they are wrong when they are too short, cannot be read, or are holes)
 *   clean bytes that are not there      their rows go; somebody emptied the cache folder, which is no problem
 *   unpushed bytes that are wrong,      are told, and stay: nobody else has them
 *     too short, unreadable, damaged
 *     before, of no file, or not there
 *   files that say nothing of           are described again
 *     themselves, or the wrong things
 *   files that no row names             are told; those of the cache go
 */
import { promises as fs } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { sleep, type Clock } from "../base/clock.ts";
import { breathe } from "../base/loop.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import { VERIFY_BYTES_PER_SECOND } from "../model/limits.ts";
import type { BlobRow } from "../store/schema.ts";
import type { Reader, Store } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { blobsOnDisk, recordedSize, type Blobs } from "./blobs.ts";
import type { Cache } from "./cache.ts";
import type { ContentProblem, Verified } from "./content.ts";
import { isMissing, removeFile } from "./files.ts";
import type { Hasher } from "./hash.ts";
import type { Identities } from "./identity.ts";

const STEP_BYTES = 1024 * 1024;

export interface VerifyOptions {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly cache: Cache;
  readonly hasher: Hasher;
  readonly identities: Identities;
  readonly clock: Clock;
  readonly blobFolder: string;
  /** Some Source shows the blob, or it was pushed a moment ago. */
  isInUse(blob: BlobId): boolean;
}

export async function verifyContent(options: VerifyOptions, signal: AbortSignal): Promise<Verified> {
  const { store, cache } = options;
  await store.barrier();
  const problems: ContentProblem[] = [];
  let files = 0;
  let bytes = 0;
  const done = async (began: number, read: number): Promise<void> => {
    files++;
    bytes += read;
    const due = (read / VERIFY_BYTES_PER_SECOND) * 1000 - (options.clock.now() - began);
    await (due > 1 ? sleep(options.clock, due, signal) : breathe());
  };
  for (const [blob, row] of Array.from(store.read.blobs.range())) {
    if (signal.aborted) break;
    if (row.state === "pushed") continue;
    const began = options.clock.now();
    const { read, problem } = await verifyBlob(options, blob, row);
    if (problem) problems.push(problem);
    await done(began, read);
  }
  for (const [node] of Array.from(store.read.cached.range())) {
    if (signal.aborted) break;
    const began = options.clock.now();
    const { read, problem } = await cache.verify(node);
    if (problem) problems.push({ node, what: problem, mended: true });
    await done(began, read);
  }
  if (!signal.aborted) problems.push(...(await orphans(options)));
  return { problems, files, bytes, complete: !signal.aborted };
}

interface OneBlob {
  readonly read: number;
  readonly problem?: ContentProblem;
}

async function verifyBlob(options: VerifyOptions, blob: BlobId, row: BlobRow): Promise<OneBlob> {
  const { store, blobs, hasher } = options;
  const path = blobs.path(blob);
  const tell = (what: string, read = 0): OneBlob => {
    const now = store.read.blobs.get(blob);
    // Pushed or given up meanwhile.
    if (now?.state !== row.state) return { read };
    return { read, problem: { node: now.node, what: `its unpushed bytes (${path}) ${what}`, mended: false } };
  };
  try {
    const { size } = await fs.stat(path);
    const wanted = row.state === "frozen" ? row.size : recordedSize(store.read, blob);
    if (row.state === "frozen" ? size !== wanted : size < wanted && !options.isInUse(blob))
      return tell(`are ${size} of ${wanted} bytes long`);
    if (row.damaged !== undefined) return tell(`are not sent: ${row.damaged}`);
    await describeWell(options, blob);
    const handle = await fs.open(path, "r");
    try {
      if (row.state !== "frozen") return await verifyOpen(options, blob, { handle, size, tell });
      const digest = await hasher.digest(handle.fd, size, true);
      return digest.hash === row.hash && digest.sha256 === row.sha256
        ? { read: size }
        : tell("are not those that were recorded: some were damaged on the disk", size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return isMissing(error) ? tell("are not there") : tell(`cannot be read: ${String((error as Error).message)}`);
  }
}

/** Of bytes that may still change no hash is known: all of them can be read, and some file shows them. */
async function verifyOpen(
  { store }: VerifyOptions,
  blob: BlobId,
  { handle, size, tell }: { handle: FileHandle; size: number; tell: (what: string, read?: number) => OneBlob },
): Promise<OneBlob> {
  const buffer = Buffer.allocUnsafe(STEP_BYTES);
  let read = 0;
  while (read < size) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, read);
    if (bytesRead === 0) break; // it was cut meanwhile
    read += bytesRead;
  }
  const node = store.read.blobs.get(blob)?.node;
  return node === undefined || isLocal(store.read, node, blob) ? { read } : tell("belong to no file", read);
}

/** Its identity is what the rows say. */
async function describeWell({ blobs, store, identities }: VerifyOptions, blob: BlobId): Promise<void> {
  const said = await identities.read(blobs.path(blob));
  const node = store.read.blobs.get(blob)?.node;
  if (node === undefined || !isLocal(store.read, node, blob)) return;
  if (said?.blob !== blob || said.node !== node) blobs.describeSoon(blob);
}

function isLocal(read: Reader, node: ItemKey, blob: BlobId): boolean {
  const content = viewLocal(read, node)?.content;
  return content?.from === "blob" && content.blob === blob;
}

async function orphans(options: VerifyOptions): Promise<ContentProblem[]> {
  const { store, blobFolder, cache, identities } = options;
  const next = (store.read.meta.get("nextBlob") as number | undefined) ?? 1;
  const problems: ContentProblem[] = [];
  for (const blob of await blobsOnDisk(blobFolder))
    if (blob >= next && !store.read.blobs.get(blob))
      problems.push({
        what: `${join(blobFolder, String(blob))} belongs to nothing; the next start keeps it aside`,
        mended: false,
      });
  for (const path of await cache.orphans()) {
    await removeFile(path);
    await identities.forget(path);
    problems.push({ what: `${path} belonged to nothing and was removed`, mended: true });
  }
  return problems;
}
