/** Reads LMDB files to their end for store/bit-rot: a child that may crash on a damaged page, and is then simply started again. */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { readEverything } from "../../src/store/file-check.ts";

export interface Reader {
  isReadable(path: string): Promise<boolean>;
  readonly crashes: number;
  close(): void;
}

export function reader(): Reader {
  let child: ChildProcess | undefined;
  let crashes = 0;
  return {
    get crashes() {
      return crashes;
    },
    isReadable(path) {
      const running = (child ??= fork(fileURLToPath(import.meta.url), { execArgv: ["--import", "tsx"] }));
      return new Promise((resolve) => {
        const died = (): void => {
          crashes++;
          child = undefined;
          resolve(false);
        };
        running.once("exit", died);
        running.once("message", (readable) => {
          running.off("exit", died);
          resolve(readable === true);
        });
        running.send(path);
      });
    },
    close: () => void child?.kill(),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on("message", (path: string) => {
    readEverything(path).then(
      () => process.send?.(true),
      () => process.send?.(false),
    );
  });
}
