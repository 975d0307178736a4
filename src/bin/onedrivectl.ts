#!/usr/bin/env node
/** The program onedrivectl. */
import { onedrivectl } from "../cli/ctl.ts";

process.exitCode = await onedrivectl(
  process.argv.slice(2),
  {
    env: process.env,
    cwd: process.cwd(),
    uid: process.geteuid?.(),
    print: (line) => process.stdout.write(`${line}\n`),
    complain: (line) => process.stderr.write(`${line}\n`),
  },
  { openSignIn: async (wish) => (await import("../daemon/open-sign-in.ts")).openSignIn(wish) },
);
