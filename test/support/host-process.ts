/**
 * A mount of the memory vfs in another process, for tests of the host. `dispose` unmounts (lazily), kills only its own process and
 * deletes the folder.
 */
import { execFile, fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { MountFault } from "../../src/host/host.ts";
import type { Question } from "./host-server.ts";

const run = promisify(execFile);

export interface VfsState {
  readonly openCount: number;
  readonly nodeCount: number;
  readonly largestWrite: number;
  readonly calls: Readonly<Record<string, number>>;
  readonly rss: number;
}

export interface HostProcess {
  readonly dir: string;
  readonly child: ChildProcess;
  /** Set when the mount was refused. */
  readonly fault: MountFault | undefined;
  readonly defects: readonly string[];
  readonly exited: Promise<number | null>;
  path(...parts: string[]): string;
  ask(question: Question): Promise<unknown>;
  state(): Promise<VfsState>;
  dispose(): Promise<void>;
}

export interface HostWishes {
  readonly timeoutMs?: number;
  readonly readOnly?: boolean;
  readonly dir?: string;
  /** Default: fuse-native, or what the environment's HOST says. */
  readonly host?: HostName;
}

export type HostName = "fuse-native" | "kernel";
export const hostNames: readonly HostName[] = ["fuse-native", "kernel"];

export async function startHost({
  timeoutMs = 1000,
  readOnly = false,
  dir,
  host,
}: HostWishes = {}): Promise<HostProcess> {
  const home = mkdtempSync(join(tmpdir(), "onedrive-host-"));
  const mountpoint = dir ?? home;
  const name = host ?? process.env["HOST"] ?? "fuse-native";
  const args = [mountpoint, String(timeoutMs), readOnly ? "ro" : "rw", name];
  const child = fork(join(import.meta.dirname, "host-server.ts"), args, { execArgv: ["--import", "tsx"] });
  const defects: string[] = [];
  const answers: ((value: unknown) => void)[] = [];
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const first = once(child, "message");
  child.on("message", (message: { defect?: string; answer?: unknown }) => {
    if (message.defect !== undefined) defects.push(message.defect);
    if ("answer" in message) answers.shift()?.(message.answer);
  });
  void exited.then(() => answers.splice(0).forEach((answered) => answered("the process ended")));
  const [{ fault }] = (await first) as [{ fault?: MountFault }];

  const ask = (question: Question): Promise<unknown> => {
    const answer = new Promise((resolve) => answers.push(resolve));
    child.send(question);
    return answer;
  };
  return {
    dir: mountpoint,
    child,
    fault,
    defects,
    exited,
    path: (...parts) => join(mountpoint, ...parts),
    ask,
    state: async () => (await ask({ ask: "state" })) as VfsState,
    async dispose() {
      if (fault === undefined) await run("fusermount", ["-uz", mountpoint]).catch(() => undefined);
      await Promise.race([exited, delay(2000)]);
      child.kill("SIGKILL");
      await exited;
      rmSync(home, { recursive: true, force: true });
    },
  };
}
