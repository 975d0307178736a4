/**
 * A Drive of which at most so many calls run at once; the others wait in the order they came. A download counts until its first byte.
 * Copies do not count: they mostly wait for the service, for minutes at times.
 */
import { limit } from "../base/limit.ts";
import type { Drive } from "./drive.ts";
import { wrapCalls } from "./wrap-calls.ts";

export function withLimit(drive: Drive, most: number): Drive {
  const slots = limit(most);
  return wrapCalls(drive, (name, call) => (name === "copy" ? call() : slots.run(call)));
}
