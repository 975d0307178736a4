/**
 * Which host serves a mount. `auto` is our own where its binary loads, else fuse-native; a host that was asked for by name is that one or
 * a refusal in one line, never silently the other.
 */
import type { Config } from "../model/config.ts";
import { fuseNativeHost } from "./fuse-native-host.ts";
import type { Host } from "./host.ts";
import { fuseDevice } from "./kernel/fuse-device.ts";
import { kernelHost } from "./kernel/kernel-host.ts";

export function chooseHost(wanted: Config["host"], missing: (why: string) => void): Host {
  if (wanted === "kernel") return kernelHost();
  if (wanted === "fuse-native") return fuseNativeHost();
  const device = fuseDevice();
  if (device.ok) return kernelHost();
  missing(device.fault.why);
  return fuseNativeHost();
}
