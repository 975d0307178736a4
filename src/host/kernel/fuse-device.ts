/**
 * The door of our native addon (native/fuse-device.c, built by scripts/postinstall.mjs): the system calls between JavaScript and
 * /dev/fuse. Nothing else loads it. A machine without the binary, or with one of another source, has the other host.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { endianness } from "node:os";
import { join } from "node:path";
import { failed, ok, type Result } from "../../base/result.ts";
import type { MountFault } from "../host.ts";

/** Numbers below 0 are errnos. */
export interface FuseDevice {
  mountDirectly(mountpoint: string, source: string, type: string, options: string, flags: number): number;
  socketPair(): readonly [ours: number, theirs: number] | number;
  receive(socket: number): number;
  close(fd: number): number;
  read(fd: number, into: Uint8Array): number;
  /** Bytes of any file that are in the system's memory: how many from `position` on there were; they are in `into`. */
  readCached(fd: number, into: Uint8Array, position: number): number;
  write(fd: number, head: Uint8Array, length: number, payload: Uint8Array | undefined): number;
  watch(fd: number, ready: () => void): object | number;
  unwatch(watch: object): void;
  readonly level: number;
}

/** The same number stands in fuse-device.c. */
const LEVEL = 3;
/** The same from src/ and from dist/. */
const BUILD = join(import.meta.dirname, "../../../src/host/kernel/native/build");
const BINARY = join(BUILD, "fuse-device.node");
/** The program that writes notices (notice-writer.ts). */
export const NOTICE_WRITER = join(BUILD, "notice-writer");
const REMEDY =
  "run `npm run postinstall` where mount.onedrive is installed (it needs a C compiler), or mount with -o host=fuse-native";

export function fuseDevice(): Result<FuseDevice, MountFault> {
  if (endianness() !== "LE") return failed(absent("the kernel host knows little-endian machines only"));
  try {
    const loaded = createRequire(import.meta.url)(BINARY) as FuseDevice;
    if (loaded.level !== LEVEL || !existsSync(NOTICE_WRITER))
      return failed(absent("the kernel host was built from another version"));
    return ok(loaded);
  } catch (error) {
    const built = (error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND";
    const why = built ? `cannot be loaded (${(error as Error).message.split("\n")[0]})` : "was not built";
    return failed(absent(`the kernel host ${why}`));
  }
}

function absent(what: string): MountFault {
  return { kind: "absent", why: `${what}; ${REMEDY}` };
}
