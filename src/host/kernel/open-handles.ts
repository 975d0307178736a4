/**
 * What is open through the mount, and what the kernel may do with its pages of a file. The kernel has one set of pages and one size for
 * a node; the vfs lets a handle keep the bytes it opened when the cloud changes the file. Where both meet:
 *
 *   - pages are kept over an open as long as nobody but us changed the bytes: the kernel saw our own writes
 *   - the bytes changed (`renewed`): handles open now are of an old version. Who opens the file while one of them is open reads past the
 *     pages, which the old handle may fill; and after the last of them is closed the pages are dropped once more
 */
import type { HandleId, ItemKey } from "../../model/ids.ts";

export interface OpenHandle {
  readonly node: ItemKey;
  readonly append: boolean;
  readonly write: boolean;
  /** The file got other bytes since. */
  old: boolean;
}

/** What becomes of the kernel's pages at an open. */
export type Pages = "keep" | "drop" | "bypass";

export interface OpenHandles {
  add(id: HandleId, handle: Omit<OpenHandle, "old">): void;
  get(id: number): OpenHandle | undefined;
  remove(id: number): void;
  pages(node: ItemKey): Pages;
  /** Other bytes than the kernel has seen are the file's now. */
  renewed(node: ItemKey): void;
  /** True while somebody has an older version open: what stat tells depends on who asks. */
  mixed(node: ItemKey): boolean;
  /** The kernel has dropped the node, and its pages with it. */
  forget(node: number): void;
  readonly count: number;
}

interface OfNode {
  open: OpenHandle[];
  /** A closed handle of an old version may have left pages. */
  tainted: boolean;
}

export function openHandles(): OpenHandles {
  const byId = new Map<number, OpenHandle>();
  const byNode = new Map<number, OfNode>();
  const tidy = (node: ItemKey, here: OfNode): void => {
    if (here.open.length === 0 && !here.tainted) byNode.delete(node);
  };
  const mixed = (node: ItemKey): boolean => byNode.get(node)?.open.some(({ old }) => old) ?? false;
  return {
    add(id, { node, append, write }) {
      const handle: OpenHandle = { node, append, write, old: false };
      byId.set(id, handle);
      const here = byNode.get(node);
      if (here) here.open.push(handle);
      else byNode.set(node, { open: [handle], tainted: false });
    },
    get: (id) => byId.get(id),
    remove(id) {
      const handle = byId.get(id);
      const here = handle && byNode.get(handle.node);
      if (!here) return;
      byId.delete(id);
      here.open.splice(here.open.indexOf(handle), 1);
      here.tainted ||= handle.old;
      tidy(handle.node, here);
    },
    pages(node) {
      const here = byNode.get(node);
      if (!here) return "keep";
      if (mixed(node)) return "bypass";
      if (!here.tainted) return "keep";
      here.tainted = false;
      tidy(node, here);
      return "drop";
    },
    renewed(node) {
      for (const handle of byNode.get(node)?.open ?? []) handle.old = true;
    },
    mixed,
    forget(node) {
      if (byNode.get(node)?.open.length === 0) byNode.delete(node);
    },
    get count() {
      return byId.size;
    },
  };
}
