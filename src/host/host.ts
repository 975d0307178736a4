/**
 * The contract of a kernel door: it takes calls from the kernel, asks the vfs by inode, and answers. It knows nothing of the cloud.
 * Paths, if a host's library has them, end inside that host.
 */
import type { Result } from "../base/result.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Vfs } from "../vfs/vfs.ts";

export interface MountOptions {
  readonly mountpoint: string;
  readonly attrTimeoutMs: number | undefined;
  readonly entryTimeoutMs: number | undefined;
  readonly readOnly: boolean;
  readonly noExec?: boolean;
  readonly allowOther: boolean;
  /** Shown as the source in the mount table; onedrivectl finds the daemon by it. */
  readonly source: string;
  /** A bug in a handler: the daemon must stop rather than write on. */
  onDefect(error: unknown): void;
}

/** Why the mount failed, as one line for a person. `absent`: this host cannot be had here, and nothing was mounted. */
export interface MountFault {
  readonly kind: "noFuse" | "denied" | "notEmpty" | "notFolder" | "missing" | "busy" | "stock" | "absent" | "failed";
  readonly why: string;
}

export interface Mounted {
  /** Resolves when the kernel no longer has the mount, whoever ended it. */
  readonly gone: Promise<void>;
  /** Ends it from our side; `lazy` also when busy. Resolves when it is gone or cannot be ended now (false). */
  unmount(lazy: boolean): Promise<boolean>;
  /**
   * The kernel should forget what it knows of these: a name in a folder (with `gone`, the node of that name is no more, and who
   * watches it hears so), the attributes of a node; with `bytes` also its pages: the
   * file has other bytes than were read or written through this mount. Called after the change was committed. A host without the
   * means ignores it.
   */
  forgetEntry(parent: ItemKey, name: string, gone?: ItemKey): void;
  forgetNode(node: ItemKey, bytes: boolean): void;
  /** Somebody came into the folder under a name that nobody had: the listing of the folder is all there is to forget. */
  forgetListing(folder: ItemKey): void;
  /** Resolves when the kernel has heard everything it was to forget until now. */
  told(): Promise<void>;
}

export interface Host {
  readonly name: "fuse-native" | "kernel" | "auto";
  mount(vfs: Vfs, options: MountOptions): Promise<Result<Mounted, MountFault>>;
}
