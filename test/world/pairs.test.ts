/**
 * Two acts a side, for as long as PAIRS_SECONDS (50 for each of two trees): always the same scattered order, from its start. `npm run
 * soak` goes to the end of it.
 */
import { testPairs } from "./run-pairs.ts";

testPairs(Number(process.env["PAIRS_SECONDS"] ?? 50));
