/** The name of a conflict copy made outside a rebase, in the same words as one made by it. */
import { isoDate } from "../merge/aside.ts";
import { conflictName } from "../model/name.ts";
import { base32 } from "./trees.ts";

export interface CopyOf {
  readonly name: string;
  readonly device: string;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Hex; of the bytes. */
  readonly sha256: string;
}

export function copyName({ name, device, mtime, sha256 }: CopyOf, taken: (name: string) => boolean): string {
  return conflictName(name, { device, date: isoDate(mtime), tag: base32(sha256) }, taken);
}
