/**
 * The door of fuse-native. Loads the package, refuses one that does not carry our patch (the published one loses times and never
 * says that the mount has gone), and names the parts of a call's context. The patch is told in native-notes/fuse-native.md.
 */
import type Fuse from "fuse-native";
import { failed, ok, type Result } from "../base/result.ts";
import type { MountFault } from "./host.ts";

export type { Done, FuseOps, FuseStat, FuseTime } from "fuse-native";
export type FuseMount = Fuse;
export type FusePackage = typeof Fuse;

/** The patch level this host was written for; the same number stands in the patch, twice. */
const PATCH_LEVEL = 1;
const REMEDY = "run `npm ci` (or `npm run postinstall`) where mount.onedrive is installed";

export async function fusePackage(): Promise<Result<FusePackage, MountFault>> {
  try {
    const { default: loaded } = await import("fuse-native");
    return isPatched(loaded) ? ok(loaded) : failed(stock("fuse-native was installed without mount.onedrive's patch"));
  } catch (error) {
    return failed(stock(`fuse-native cannot be loaded (${(error as Error).message.split("\n")[0]})`));
  }
}

/** Both halves must be ours: npm can leave patched JavaScript beside the published binary. */
export function isPatched(loaded: Pick<FusePackage, "mountOneDrivePatch" | "binding">): boolean {
  return loaded.mountOneDrivePatch === PATCH_LEVEL && loaded.binding?.mountOneDrivePatch === PATCH_LEVEL;
}

/** Kernel opcodes that tell why libfuse asks. */
export const opcode = { lookup: 1, unlink: 10, rename: 12, release: 18 } as const;

/** Where things stand in `_context`. */
export const contextField = { opcode: 0, node: 1, uid: 2, gid: 3, pid: 4 } as const;

function stock(what: string): MountFault {
  return { kind: "stock", why: `${what}; ${REMEDY}` };
}
