/**
 * What is open through the mount. A number handed to the kernel (`fd`) stands for an open file or folder of the vfs until its
 * release, and is used again after that. Also decides about the kernel's pages of a file: they are kept over an open only when the
 * same kernel node is known to hold this version of this inode (a handle of another version could still fill it), and bypassed
 * while a node is open for another inode.
 */
import { assert, present } from "../base/assert.ts";
import type { HandleId, ItemKey } from "../model/ids.ts";
import { PAGE_VERSIONS_MAX } from "../model/limits.ts";
import type { Attributes } from "../vfs/vfs.ts";

export interface OpenFile {
  readonly handle: HandleId;
  readonly inode: ItemKey;
  /** See `versionOf`; of the moment when it was opened. */
  readonly version: string;
  /** libfuse's number of the kernel node; 0 until it is known (a create does not tell). */
  node: number;
}

export type Pages = "drop" | "keep" | "bypass";

export interface OpenFiles {
  add(file: OpenFile): number;
  /** The open file, told which kernel node its call is about. */
  get(fd: number, node: number): OpenFile;
  remove(fd: number): OpenFile;
  addFolder(inode: ItemKey): number;
  folder(fd: number): ItemKey;
  removeFolder(fd: number): void;
  /** The inode that a kernel node has open. */
  openInode(node: number): ItemKey | undefined;
  /** What the kernel should do with its pages of `node` when it opens the file now. */
  pages(node: number, attributes: Attributes): Pages;
  /** The pages of an inode are not to be trusted at the next open. */
  forget(inode: ItemKey): void;
  readonly count: number;
}

export function openFiles(): OpenFiles {
  const files = slots<OpenFile>();
  const folders = slots<ItemKey>();
  const byNode = new Map<number, Set<OpenFile>>();
  const versions = new Map<number, { inode: ItemKey; version: string }>();

  function learn(file: OpenFile, node: number): void {
    file.node = node;
    if (node === 0) return;
    const known = byNode.get(node);
    if (known) known.add(file);
    else byNode.set(node, new Set([file]));
  }

  function openInode(node: number): ItemKey | undefined {
    const [first] = byNode.get(node) ?? [];
    return first?.inode;
  }

  function pages(node: number, attributes: Attributes): Pages {
    const { inode } = attributes;
    const open = openInode(node);
    if (open !== undefined && open !== inode) {
      versions.delete(node);
      return "bypass";
    }
    const version = versionOf(attributes);
    const before = versions.get(node);
    if (versions.size >= PAGE_VERSIONS_MAX) versions.clear();
    const mixed = [...(byNode.get(node) ?? [])].some((file) => file.version !== version);
    if (mixed) versions.delete(node);
    else versions.set(node, { inode, version });
    return !mixed && before?.inode === inode && before.version === version ? "keep" : "drop";
  }

  return {
    add(file) {
      learn(file, file.node);
      return files.add(file);
    },
    get(fd, node) {
      const file = files.get(fd);
      if (file.node === 0) learn(file, node);
      return file;
    },
    remove(fd) {
      const file = files.remove(fd);
      const others = byNode.get(file.node);
      others?.delete(file);
      if (others?.size === 0) byNode.delete(file.node);
      return file;
    },
    addFolder: folders.add,
    folder: folders.get,
    removeFolder: (fd) => void folders.remove(fd),
    openInode,
    pages,
    forget(inode) {
      for (const [node, known] of versions) if (known.inode === inode) versions.delete(node);
    },
    get count() {
      return files.count() + folders.count();
    },
  };
}

/** Moves with every change of content, whoever made it: ctime is local and precise. */
export function versionOf({ size, mtime, ctime }: Attributes): string {
  return `${size} ${mtime.s}.${mtime.n} ${ctime.s}.${ctime.n}`;
}

/** Small numbers from 1 for values; a number is free again after `remove`. */
function slots<T>() {
  const values: (T | undefined)[] = [];
  const free: number[] = [];
  const get = (fd: number): T => present(values[fd - 1], `open number ${fd}`);
  return {
    add(value: T): number {
      const fd = free.pop() ?? values.length + 1;
      assert(values[fd - 1] === undefined, `open number ${fd} is free`);
      values[fd - 1] = value;
      return fd;
    },
    get,
    remove(fd: number): T {
      const value = get(fd);
      values[fd - 1] = undefined;
      free.push(fd);
      return value;
    },
    count: () => values.length - free.length,
  };
}
