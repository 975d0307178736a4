/**
 * Long work in small steps: a generator that yields after each, so that whoever carries it out decides how much of it there is between
 * two turns of everything else. Pure: the work itself never waits and knows of no time.
 */
export type Stepwise<T> = Generator<undefined, T, undefined>;

/** All of it in one go. */
export function atOnce<T>(work: Stepwise<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** At most that many steps; undefined while there is more to do. */
export function someSteps<T>(work: Stepwise<T>, most: number): { readonly value: T } | undefined {
  for (let steps = 0; steps < most; steps++) {
    const step = work.next();
    if (step.done) return { value: step.value };
  }
  return undefined;
}
