/** One core's share of the seeds: every `cores`-th from its own, for a number of seeds or of seconds. Failures come back shrunk. */
import { answer, givenWork } from "./both-cores.ts";
import { play, type Scenario } from "./scenario.ts";
import { shrink } from "./shrink.ts";

export interface SeedsWork {
  readonly first: number;
  readonly count: number;
  readonly core: number;
  readonly cores: number;
  readonly seconds: number;
  /** False: the first failure is enough as it is. */
  readonly shrinks?: boolean;
}

export interface SeedsDone {
  readonly fake: number;
  readonly sim: number;
  readonly failures: readonly string[];
}

const FAILURES_MAX = 5;

/** One in three on the fake drive, two on the product's own drive and the simulator. */
export function scenarioOf(seed: number): Scenario {
  return { seed, cloud: seed % 3 === 0 ? "fake" : "sim" };
}

async function work({ first, count, core, cores, seconds, shrinks = true }: SeedsWork): Promise<SeedsDone> {
  const until = performance.now() + seconds * 1000;
  const done = { fake: 0, sim: 0 };
  const failures: string[] = [];
  for (let seed = first + core; seed < first + count; seed += cores) {
    if (performance.now() >= until || failures.length >= FAILURES_MAX) break;
    const scenario = scenarioOf(seed);
    try {
      await play(scenario);
    } catch (error) {
      failures.push(`seed ${seed}`);
      if (!shrinks) break;
      const { why, command } = await shrink(scenario, error as Error);
      failures.push(`${failures.pop()}: ${why}\n  replay: ${command}`);
    }
    done[scenario.cloud]++;
  }
  return { ...done, failures };
}

const done = await work(givenWork<SeedsWork>());
console.log(done.failures.join("\n"));
process.exitCode = done.failures.length > 0 ? 1 : 0;
answer<SeedsDone>(done);
