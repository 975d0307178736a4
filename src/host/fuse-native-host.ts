/**
 * The host on fuse-native (libfuse 2, patched; see native-notes/fuse-native.md). It checks the mountpoint, mounts, turns libfuse's
 * calls by path into calls of the vfs by inode, and says when the mount has gone. It never waits inside a call: the answer follows when
 * the vfs has it. It cannot tell the kernel to forget names; attributes and names are kept for their timeouts only.
 */
import { systemClock, type Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { endMount, endOfMount, MOUNT_TYPE } from "./ending.ts";
import { desk } from "./fuse-desk.ts";
import { byteCalls, folderCalls, openCalls } from "./fuse-handle-calls.ts";
import { attributeCalls, nameCalls, xattrCalls } from "./fuse-name-calls.ts";
import { contextField, fusePackage, type FuseMount, type FuseOps, type FusePackage } from "./fuse-package.ts";
import type { Host, Mounted, MountFault, MountOptions } from "./host.ts";
import { prepareMountpoint } from "./mountpoint.ts";

const TIMEOUT_MS_DEFAULT = 1_000;

export function fuseNativeHost(clock: Clock = systemClock): Host {
  return {
    name: "fuse-native",
    async mount(vfs, options) {
      const loaded = await fusePackage();
      if (!loaded.ok) return loaded;
      const place = await prepareMountpoint(options, clock);
      if (!place.ok) return place;
      return start(loaded.value, vfs, { ...options, mountpoint: place.value }, clock);
    },
  };
}

async function start(
  Fuse: FusePackage,
  vfs: Vfs,
  options: MountOptions,
  clock: Clock,
): Promise<Result<Mounted, MountFault>> {
  const ending = endOfMount();
  let fuse: FuseMount | undefined;
  const at = desk(vfs, {
    context: (field) => fuse?._context[contextField[field]] ?? 0,
    signal: ending.signal,
    onDefect: options.onDefect,
  });
  const ops: FuseOps = {
    ...attributeCalls(at, Fuse),
    ...nameCalls(at),
    ...xattrCalls(at),
    ...openCalls(at, Fuse),
    ...byteCalls(at),
    ...folderCalls(at),
    gone: ending.reached,
  };
  fuse = new Fuse(options.mountpoint, ops, { options: optionList(options), timeout: false, checked: true });
  const error = await new Promise<Error | null>((done) => fuse.mount(done));
  if (error) return failed({ kind: "failed", why: `cannot mount at ${options.mountpoint}: ${error.message}` });
  return ok({
    gone: ending.gone,
    unmount: (lazy) => endMount(options.mountpoint, { ...ending, cut: () => fuse.abort() }, { lazy, clock }),
    forgetEntry: () => undefined, // libfuse 2 gives no way to name a node; the timeouts are short
    forgetNode: (node) => at.open.forget(node),
    forgetListing: () => undefined,
    told: async () => undefined,
  });
}

function optionList(options: MountOptions): readonly string[] {
  const seconds = (ms: number | undefined): number => (ms ?? TIMEOUT_MS_DEFAULT) / 1000;
  return [
    `fsname=${options.source.replace(/[\\,]/g, "\\$&")}`,
    `subtype=${MOUNT_TYPE}`,
    "default_permissions",
    "use_ino",
    "big_writes",
    "atomic_o_trunc",
    `attr_timeout=${seconds(options.attrTimeoutMs)}`,
    `entry_timeout=${seconds(options.entryTimeoutMs)}`,
    ...(options.readOnly ? ["ro"] : []),
    ...(options.noExec ? ["noexec"] : []),
    ...(options.allowOther ? ["allow_other"] : []),
  ];
}
