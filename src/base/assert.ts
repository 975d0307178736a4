/**
 * Assertions for defects (our own bugs). They stay on in production: the daemon stops rather than write on.
 * Expected failures are never asserted; they are `Result` values.
 */

export class Defect extends Error {
  override readonly name = "Defect";
}

/** Throws a `Defect` when `condition` is false. `message` says what must hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Defect(message);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never, what: string): never {
  throw new Defect(`${what}: unexpected ${JSON.stringify(value)}`);
}

/** The value, or a `Defect` when it is null or undefined. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Defect(`${what} is missing`);
  return value;
}
