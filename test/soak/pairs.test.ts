/** Every pair of up to two acts a side, with a crash after every step of every script. */
import { testPairs } from "../world/run-pairs.ts";

testPairs();
