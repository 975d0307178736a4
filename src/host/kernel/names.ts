/**
 * Names in requests, by what they are for. `.` and `..` are never entries: `dots` is the errno that says so. Either function answers the
 * name, or the errno that refuses it.
 */
import { constants } from "node:os";
import type { Frame } from "./frame.ts";

const { EINVAL, ENOENT } = constants.errno;

/** A name under which something is to be. What is not text cannot be. */
export function newName(frame: Frame, at: number, dots: number): string | number {
  const name = frame.name(at, EINVAL);
  return name === "." || name === ".." ? dots : name;
}

/** A name under which something should be. What is not text is nowhere. */
export function oldName(frame: Frame, at: number, dots: number): string | number {
  const name = frame.name(at, ENOENT);
  return name === "." || name === ".." ? dots : name;
}
