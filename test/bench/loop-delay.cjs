/** Loaded into the measured daemon with --require: at SIGUSR2 it writes how late its event loop was since the last time, and begins anew. */
const { writeFileSync, renameSync } = require("node:fs");
const { monitorEventLoopDelay } = require("node:perf_hooks");

const file = process.env.BENCH_LOOP_FILE;
const delays = monitorEventLoopDelay({ resolution: 5 });
delays.enable();
process.on("SIGUSR2", () => {
  // The resolution itself is part of every value.
  const ms = (value) => Math.max(0, value / 1e6 - 5);
  writeFileSync(`${file}.new`, JSON.stringify({ p99: ms(delays.percentile(99)), max: ms(delays.max) }));
  renameSync(`${file}.new`, file);
  delays.reset();
});
