/**
 * The worker thread of hash.ts. Reads with blocking calls, which is what this thread is for; several files take turns, a slice each, so
 * that a small one does not wait for a large one. Bytes that cannot be read end as an answer with an error code.
 */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { answering } from "./answering-worker.ts";
import type { Digest } from "./hash.ts";
import { QuickXor } from "./quick-xor.ts";

export interface HashQuestion {
  readonly fd: number;
  readonly length: number;
  readonly withSha256: boolean;
}

const STEP_BYTES = 256 * 1024;
const SLICE_BYTES = 16 * 1024 * 1024;
const buffer = new Uint8Array(STEP_BYTES);

answering(digest);

async function digest({ fd, length, withSha256 }: HashQuestion): Promise<Digest> {
  const xor = new QuickXor();
  const sha = withSha256 ? createHash("sha256") : undefined;
  let at = 0;
  for (let slice = SLICE_BYTES; at < length;) {
    const got = readSync(fd, buffer, 0, Math.min(STEP_BYTES, length - at), at);
    if (got === 0) break;
    const bytes = buffer.subarray(0, got);
    xor.update(bytes);
    sha?.update(bytes);
    at += got;
    if (at < slice) continue;
    slice += SLICE_BYTES;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { length: at, hash: xor.digest(), sha256: sha?.digest("hex") ?? "" };
}
