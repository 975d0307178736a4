/** Whole worlds from many seeds: SEEDS (5000) of them from SEED_FIRST (1) on. */
import { testSeeds } from "../world/run-seeds.ts";

testSeeds({ first: Number(process.env["SEED_FIRST"] ?? 1), count: Number(process.env["SEEDS"] ?? 5_000) });
