#!/usr/bin/env node
/** `onedrive-sim`: prints one JSON line when ready, serves until SIGTERM or SIGINT, exits 0; 1 for wrong options or a bad start. */
import { systemClock } from "../base/clock.ts";
import { readOptions, usage } from "../sim/options.ts";
import { runSim } from "../sim/run-sim.ts";

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
const options = readOptions(args);
if (!options.ok) {
  process.stderr.write(`onedrive-sim: ${options.message}\n${usage}\n`);
  process.exit(1);
}

const complain = (error: unknown): void => {
  process.stderr.write(`onedrive-sim: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
};

try {
  const running = await runSim(options.settings, systemClock, complain);
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        complain(error);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.stdout.write(`${JSON.stringify(running.ready)}\n`);
} catch (error) {
  process.stderr.write(`onedrive-sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
