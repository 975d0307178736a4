/**
 * Which host serves a mount. `auto` is our own, and fuse-native where our own cannot be had (it was not built, or the kernel is too
 * old for it), which is said in one line. A host that was asked for by name is that one or a refusal in one line, never silently the other.
 */
import { log } from "../base/log.ts";
import type { Config } from "../model/config.ts";
import { fuseNativeHost } from "./fuse-native-host.ts";
import type { Host } from "./host.ts";
import { kernelHost } from "./kernel/kernel-host.ts";

export interface Hosts {
  readonly kernel: Host;
  readonly "fuse-native": Host;
  /** A line for a person. */
  say(line: string): void;
}

export function chooseHost(wanted: Config["host"], hosts: Hosts = ours()): Host {
  return wanted === "auto" ? eitherHost(hosts) : hosts[wanted];
}

function eitherHost(hosts: Hosts): Host {
  return {
    name: "auto",
    async mount(vfs, options) {
      const mounted = await hosts.kernel.mount(vfs, options);
      if (mounted.ok || mounted.fault.kind !== "absent") return mounted;
      hosts.say(`${mounted.fault.why} (this mount goes through fuse-native)`);
      return hosts["fuse-native"].mount(vfs, options);
    },
  };
}

function ours(): Hosts {
  return { kernel: kernelHost(), "fuse-native": fuseNativeHost(), say: (line) => log("host").fault(line) };
}
