/**
 * Digests of content files, off the event loop: one worker thread reads the file by its descriptor and computes quickXorHash and, when
 * asked, SHA-256 in the same pass. Small files are read on the thread pool and hashed here, which is cheaper than a message.
 * The worker starts with the first large file and never keeps the process alive.
 */
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { HASH_INLINE_BYTES_MAX } from "../model/limits.ts";
import { readAt } from "./files.ts";
import { quickXorHash } from "./quick-xor.ts";
import type { HashAnswer, HashQuestion } from "./hash-worker.ts";

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
  let worker: Worker | undefined;
  let serial = 0;
  const waiting = new Map<number, { resolve(digest: Digest): void; reject(error: Error): void }>();

  const failAll = (error: Error): void => {
    worker = undefined;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const made = startWorker(import.meta.url);
    made.unref();
    made.on("message", (answer: HashAnswer) => {
      const asker = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (waiting.size === 0) made.unref();
      if ("code" in answer) asker?.reject(Object.assign(new Error(answer.why), { code: answer.code }));
      else asker?.resolve({ length: answer.length, hash: answer.hash, sha256: answer.sha256 });
    });
    made.on("error", failAll);
    made.on("exit", () => failAll(Object.assign(new Error("the hash worker ended"), { code: "EIO" })));
    return made;
  };
  return {
    async digest(fd, length, withSha256) {
      if (length <= HASH_INLINE_BYTES_MAX) return digestOf(await readAt(fd, 0, length), withSha256);
      worker ??= start();
      const question: HashQuestion = { id: serial++, fd, length, withSha256 };
      return new Promise((resolve, reject) => {
        waiting.set(question.id, { resolve, reject });
        worker?.ref();
        worker?.postMessage(question);
      });
    },
    async close() {
      const ending = worker;
      worker = undefined;
      await ending?.terminate();
    },
  };
}

export function digestOf(bytes: Uint8Array, withSha256: boolean): Digest {
  const sha256 = withSha256 ? createHash("sha256").update(bytes).digest("hex") : "";
  return { length: bytes.length, hash: quickXorHash(bytes), sha256 };
}

/**
 * The worker lies beside this file, compiled. Sources that tsx runs are the one exception: a thread of Node 20 does not inherit tsx's
 * loader, so it registers it first.
 */
function startWorker(ownUrl: string): Worker {
  if (!ownUrl.endsWith(".ts")) return new Worker(new URL("./hash-worker.js", ownUrl));
  const [loader, source] = [import.meta.resolve("tsx/esm/api"), new URL("./hash-worker.ts", ownUrl).href];
  const load = `import("${loader}").then((tsx) => (tsx.register(), import("${source}")))`;
  return new Worker(load, { eval: true });
}
