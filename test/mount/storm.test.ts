/** A short storm (test/soak/storm.test.ts) for every change: one seed, one kill -9. Longer ones, and those with faults, are run by hand. */
process.env["SEED"] ??= "32";
process.env["STORM_SECONDS"] ??= "4";
process.env["KILLS"] ??= "1";
await import("../soak/storm.test.ts");
