/** Plays one scenario, given as JSON: what a failing seed prints. Exits 1 when it fails. */
import { failure } from "./shrink.ts";
import type { Scenario } from "./scenario.ts";

const failed = await failure(JSON.parse(process.argv[2] ?? "{}") as Scenario);
console.log(failed === undefined ? "it holds" : failed.message);
process.exitCode = failed === undefined ? 0 : 1;
