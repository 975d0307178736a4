/**
 * A failing scenario with as few steps as can be had in a while: halves, quarters and so on down to single steps are left out for as
 * long as it still fails. The steps draw independently of each other, so what is left does what it did.
 */
import { play, STEPS, type Scenario } from "./scenario.ts";

const SHRINK_MS = 40_000;

export interface Shrunk {
  readonly scenario: Scenario;
  readonly why: string;
  /** Replays it. */
  readonly command: string;
}

export async function shrink(failing: Scenario, first: Error): Promise<Shrunk> {
  const until = performance.now() + SHRINK_MS;
  let steps = [...(failing.steps ?? Array.from({ length: STEPS }, (_, at) => at))];
  let why = first.message;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < steps.length && performance.now() < until;) {
      const fewer = [...steps.slice(0, from), ...steps.slice(from + size)];
      const failed = await failure({ ...failing, steps: fewer });
      if (failed === undefined) from += size;
      else [steps, why] = [fewer, failed.message];
    }
  }
  const scenario = { ...failing, steps };
  return { scenario, why, command: replayOf(scenario) };
}

export async function failure(scenario: Scenario): Promise<Error | undefined> {
  try {
    await play(scenario);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export function replayOf(scenario: Scenario): string {
  return `node --import tsx test/world/replay.ts '${JSON.stringify(scenario)}'`;
}
