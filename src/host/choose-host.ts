/**
 * Which host serves a mount. `auto` is fuse-native: on our own host the kernel still takes a rename that changes only the case of a name
 * for nothing to do (both spellings are one node), and a listing it keeps can miss a name made elsewhere. A host that was asked for by
 * name is that one or a refusal in one line, never silently the other.
 */
import type { Config } from "../model/config.ts";
import { fuseNativeHost } from "./fuse-native-host.ts";
import type { Host } from "./host.ts";
import { kernelHost } from "./kernel/kernel-host.ts";

export function chooseHost(wanted: Config["host"]): Host {
  return wanted === "kernel" ? kernelHost() : fuseNativeHost();
}
