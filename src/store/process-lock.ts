/**
 * One process at a time: an abstract unix socket named after the folder, which the kernel releases when the process dies, however
 * it dies. It leaves no file behind. It does not reach across network namespaces.
 */
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { createServer } from "node:net";

export interface ProcessLock {
  release(): Promise<void>;
}

/** Undefined when another process (or this one) holds the folder's lock. */
export async function lockFolder(folder: string): Promise<ProcessLock | undefined> {
  const digest = createHash("sha256")
    .update(await realpath(folder))
    .digest("hex");
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen({ path: `\0mount.onedrive/store/${digest}` }, () => {
      server.unref();
      resolve({ release: () => new Promise((released) => server.close(() => released())) });
    });
  });
}
