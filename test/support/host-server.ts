/**
 * Mounts the memory vfs through the real host: `host-server.ts MOUNTPOINT TIMEOUT_MS ro|rw HOST` (started by host-process.ts). Reports over IPC: `{ up }` or
 * `{ fault }` once, `{ gone }`, `{ defect }`, and an answer to every message. Never touches the mount itself. When the test that started
 * it is no more, nothing stays mounted.
 */
import { chooseHost } from "../../src/host/choose-host.ts";
import type { Mounted } from "../../src/host/host.ts";
import { ROOT } from "../../src/model/ids.ts";
import { memoryVfs } from "./memory-vfs.ts";

export type Question =
  | { ask: "state" }
  | { ask: "unmount"; lazy: boolean }
  | { ask: "replaceBytes"; path: string; bytes: string }
  | { ask: "moveElsewhere"; from: string; to: string }
  | { ask: "tellAndFreeze"; busyMs: number; name: string }
  | { ask: "exit"; code: number };

const vfs = memoryVfs();
const name = process.argv[5] === "kernel" ? "kernel" : "fuse-native";
const host = chooseHost(name);
const mounted = await host.mount(vfs, {
  mountpoint: process.argv[2] ?? "",
  attrTimeoutMs: Number(process.argv[3] ?? 1000),
  entryTimeoutMs: Number(process.argv[3] ?? 1000),
  readOnly: process.argv[4] === "ro",
  allowOther: false,
  source: "onedrive:a,b\\c d",
  onDefect: (error) => process.send?.({ defect: (error as Error).message }),
});

if (mounted.ok) serve(mounted.value);
else process.send?.({ fault: mounted.fault }, () => process.disconnect());

function serve(mount: Mounted): void {
  process.on("message", (question: Question) => void reply(mount, question));
  process.on("disconnect", () => void mount.unmount(true));
  void mount.gone.then(() => process.send?.({ gone: true }, () => setTimeout(() => process.disconnect(), 50)));
  process.send?.({ up: true });
}

async function reply(mount: Mounted, question: Question): Promise<void> {
  switch (question.ask) {
    case "exit":
      return process.exit(question.code);
    case "unmount":
      return tell(await mount.unmount(question.lazy));
    case "replaceBytes":
      mount.forgetNode(vfs.replaceBytes(question.path, question.bytes), true);
      await mount.told();
      return tell("done");
    case "moveElsewhere":
      for (const { parent, name } of vfs.moveElsewhere(question.from, question.to)) mount.forgetEntry(parent, name);
      await mount.told();
      return tell("done");
    case "tellAndFreeze": // takes no request for a while, tells the kernel of a name, and stops before it takes one
      for (const until = Date.now() + question.busyMs; Date.now() < until;);
      mount.forgetEntry(ROOT, question.name);
      for (let i = 0; i < 10; i++) await Promise.resolve();
      return void process.kill(process.pid, "SIGSTOP");
    case "state": {
      const { openCount, nodeCount, largestWrite, calls } = vfs;
      return tell({
        openCount,
        nodeCount,
        largestWrite,
        calls: Object.fromEntries(calls),
        rss: process.memoryUsage.rss(),
      });
    }
  }
}

function tell(answer: unknown): void {
  process.send?.({ answer: answer ?? null });
}
