/**
 * Expected outcomes as values. A `Result` is either `{ ok: true, value }` or `{ ok: false, fault }`; the fault type is a
 * closed union chosen by the caller (see model/fault.ts). Nothing here throws.
 */

export type Ok<T> = { readonly ok: true; readonly value: T };
export type Failed<F> = { readonly ok: false; readonly fault: F };
export type Result<T, F> = Ok<T> | Failed<F>;

export function ok(): Ok<undefined>;
export function ok<T>(value: T): Ok<T>;
export function ok<T>(value?: T): Ok<T | undefined> {
  return { ok: true, value };
}

export function failed<F>(fault: F): Failed<F> {
  return { ok: false, fault };
}
