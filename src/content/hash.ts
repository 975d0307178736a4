/**
 * Digests of content files, off the event loop: one worker thread reads the file by its descriptor and computes quickXorHash and, when
 * asked, SHA-256 in the same pass. Small files are read on the thread pool and hashed here, which is cheaper than a message.
 * The worker starts with the first large file and never keeps the process alive.
 */
import { createHash } from "node:crypto";
import { HASH_INLINE_BYTES_MAX } from "../model/limits.ts";
import { askingWorker } from "./asking-worker.ts";
import { readAt } from "./files.ts";
import type { HashQuestion } from "./hash-worker.ts";
import { quickXorHash } from "./quick-xor.ts";
import { startWorker } from "./start-worker.ts";

export interface Digest {
  /** Bytes there were, up to the length asked for. */
  readonly length: number;
  /** quickXorHash, base64. */
  readonly hash: string;
  /** Hex; empty when not asked for. */
  readonly sha256: string;
}

export interface Hasher {
  /** Digests of the first `length` bytes. The descriptor must stay open until the answer. */
  digest(fd: number, length: number, withSha256: boolean): Promise<Digest>;
  close(): Promise<void>;
}

export function hasher(): Hasher {
  const thread = askingWorker<HashQuestion, Digest>(() => startWorker("hash-worker", HEAP_MIB));
  return {
    async digest(fd, length, withSha256) {
      if (length <= HASH_INLINE_BYTES_MAX) return digestOf(await readAt(fd, 0, length), withSha256);
      return thread.ask({ fd, length, withSha256 });
    },
    close: () => thread.close(),
  };
}

const HEAP_MIB = 32;

export function digestOf(bytes: Uint8Array, withSha256: boolean): Digest {
  const sha256 = withSha256 ? createHash("sha256").update(bytes).digest("hex") : "";
  return { length: bytes.length, hash: quickXorHash(bytes), sha256 };
}
