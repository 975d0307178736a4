/**
 * Which host serves a mount. `auto` is fuse-native, until every test of a mount has passed on our own host as well. A host that was asked
 * for by name is that one or a refusal in one line, never silently the other.
 */
import type { Config } from "../model/config.ts";
import { fuseNativeHost } from "./fuse-native-host.ts";
import type { Host } from "./host.ts";
import { kernelHost } from "./kernel/kernel-host.ts";

export function chooseHost(wanted: Config["host"]): Host {
  return wanted === "kernel" ? kernelHost() : fuseNativeHost();
}
