/**
 * The vfs as the daemon itself uses it, for what a person asks through onedrivectl. The kernel did not make these changes, so it is told
 * of each after it was made: names and attributes it may believe for an hour otherwise.
 */
import type { Mounted } from "../host/host.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Reply, Vfs } from "../vfs/vfs.ts";

interface Place {
  readonly parent: ItemKey;
  readonly name: string;
}

export function tellingVfs<V extends Vfs>(vfs: V, door: () => Mounted | undefined): V {
  const names = (...places: readonly Place[]): void => {
    for (const { parent, name } of places) door()?.forgetEntry(parent, name);
    for (const { parent } of places) door()?.forgetNode(parent, false);
  };
  const then = async <T>(reply: Reply<T>, tell: () => void): Promise<Awaited<Reply<T>>> => {
    const answer = await reply;
    tell();
    return answer;
  };
  const changed: Partial<Vfs> = {
    // oxlint-disable-next-line max-params -- the contract has it so
    create: (parent, name, mode, flags, caller) =>
      then(vfs.create(parent, name, mode, flags, caller), () => names({ parent, name })),
    unlink: (parent, name) => then(vfs.unlink(parent, name), () => names({ parent, name })),
    rmdir: (parent, name) => then(vfs.rmdir(parent, name), () => names({ parent, name })),
    rename: (from, to, how) => then(vfs.rename(from, to, how), () => names(from, to)),
    setxattr: (node, name, value, how) =>
      then(vfs.setxattr(node, name, value, how), () => door()?.forgetNode(node, false)),
    removexattr: (node, name) => then(vfs.removexattr(node, name), () => door()?.forgetNode(node, false)),
  };
  return { ...vfs, ...changed };
}
