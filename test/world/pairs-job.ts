/** One core's share of the pairs: every `cores`-th from its own, until the last one wanted or the time is up. Reports the first that is wrong. */
import { answer, givenWork } from "./both-cores.ts";
import { counts } from "./check-merge.ts";
import { Pairs } from "./pairs.ts";

export interface PairsWork {
  readonly base: string;
  readonly core: number;
  readonly cores: number;
  readonly seconds: number;
}

export interface PairsDone {
  readonly merges: number;
  readonly crashes: number;
  readonly of: number;
  readonly wrong?: string;
}

function work({ base, core, cores, seconds }: PairsWork): PairsDone {
  const pairs = new Pairs(base, 2);
  const count = counts();
  const until = performance.now() + seconds * 1000;
  let wrong: string | undefined;
  for (let n = core; n < pairs.count && wrong === undefined && performance.now() < until; n += cores)
    wrong = pairs.check(n, count);
  return { merges: count.merges, crashes: count.crashes, of: pairs.count, ...(wrong === undefined ? {} : { wrong }) };
}

answer<PairsDone>(work(givenWork<PairsWork>()));
