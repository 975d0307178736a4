#!/usr/bin/env node
/**
 * The program mount.onedrive: joins the command line to the daemon, which is loaded when it is needed. A defect ends the process at once
 * with 70.
 */
import { setFlagsFromString } from "node:v8";
import { mountOneDrive } from "../cli/mount.ts";

// Left alone, the heap of a busy daemon grows to four times what it holds before anything is collected.
setFlagsFromString("--heap-growing-percent=60");
process.umask(0o077);
process.on("uncaughtException", die);
process.on("unhandledRejection", die);

const status = await mountOneDrive(
  process.argv.slice(2),
  {
    env: process.env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    terminal: process.stderr.isTTY,
    program: {
      path: process.execPath,
      script: process.argv[1]!,
      execArgv: process.execArgv,
      argv: process.argv.slice(2),
    },
    print: (line) => process.stdout.write(`${line}\n`),
    complain: (line) => process.stderr.write(`${line}\n`),
  },
  {
    start: async (config, usualRuntimeDir) => {
      const { startDaemon } = await import("../daemon/daemon.ts");
      return startDaemon(config, { usualRuntimeDir, onDefect: die });
    },
    openSignIn: async (wish) => (await import("../daemon/open-sign-in.ts")).openSignIn(wish),
  },
);
process.exit(status);

function die(error: unknown): never {
  if (error instanceof Error && error.name === "StoreDamaged") {
    process.stderr.write(`mount.onedrive: ${error.message}; it is restored at the next start\n`);
    process.exit(70);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`mount.onedrive: a defect, please report it; nothing that was saved is lost: ${text}\n`);
  process.exit(70);
}
