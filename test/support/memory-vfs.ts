/**
 * A vfs in memory, for the tests of hosts: it keeps the contract of src/vfs/vfs.ts for everything a kernel can see, and none of the
 * product's promises about disks and clouds. Knobs are names: a file called `slow-N` takes N ms to read, `fails-flush` fails at
 * close with noSpace, `explodes` throws when it is looked up, and a folder called `never` is never made: that call gets no answer.
 */
import { assert } from "../../src/base/assert.ts";
import { ok } from "../../src/base/result.ts";
import { fault } from "../../src/model/fault.ts";
import { handleId, itemKey, ROOT, type HandleId, type ItemKey } from "../../src/model/ids.ts";
import type { Kind, Time } from "../../src/model/item.ts";
import type { Answer, Attributes, DirectoryEntry, Lock, OpenFlags, Reply, Vfs } from "../../src/vfs/vfs.ts";

interface Node {
  readonly inode: ItemKey;
  readonly kind: Kind;
  name: string;
  parent: ItemKey;
  linked: boolean;
  opened: number;
  mode: number;
  mtime: Time;
  ctime: Time;
  data: Buffer;
  size: number;
  readonly children: Map<string, ItemKey>;
  readonly xattrs: Map<string, Uint8Array>;
}

export interface MemoryVfs extends Vfs {
  readonly openCount: number;
  readonly nodeCount: number;
  readonly calls: Map<string, number>;
  readonly largestWrite: number;
  /** What another device would do: changes the bytes without a call. */
  replaceBytes(path: string, bytes: string): ItemKey;
  /** What another device would do: moves it without the kernel's knowledge. Answers the names that changed. */
  moveElsewhere(from: string, to: string): { parent: ItemKey; name: string }[];
}

/** Inode numbers start here: past 32 bits. */
export const FIRST_INODE = 2 ** 40;

export function memoryVfs(): MemoryVfs {
  const nodes = new Map<ItemKey, Node>();
  const handles = new Map<HandleId, { node: Node; flags: OpenFlags }>();
  const calls = new Map<string, number>();
  let lastInode = FIRST_INODE;
  let lastHandle = 0;
  let ticks = 0;
  let largestWrite = 0;
  nodes.set(ROOT, newNode(ROOT, "folder", "", ROOT, 0o755));

  function newNode(inode: ItemKey, kind: Kind, name: string, parent: ItemKey, mode: number): Node {
    const time = tick();
    const empty = { data: Buffer.alloc(0), size: 0, children: new Map(), xattrs: new Map() };
    return { inode, kind, name, parent, linked: true, opened: 0, mode, mtime: time, ctime: time, ...empty };
  }

  function tick(): Time {
    return { s: 1_800_000_000 + Math.floor(ticks / 1000), n: (ticks++ % 1000) * 1_000_001 };
  }

  const get = (inode: ItemKey): Node | undefined => nodes.get(inode);
  const child = (parent: Node, name: string): Node | undefined => {
    const inode = parent.children.get(name);
    return inode === undefined ? undefined : nodes.get(inode);
  };
  const touch = (node: Node): void => {
    node.mtime = node.ctime = tick();
  };
  const attributes = (node: Node): Attributes => ({
    inode: node.inode,
    kind: node.kind,
    mode: node.mode,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size: node.kind === "folder" ? 4096 : node.size,
    blocks: Math.ceil(node.size / 512),
    links: node.linked ? (node.kind === "folder" ? 2 : 1) : 0,
    atime: node.mtime,
    mtime: node.mtime,
    ctime: node.ctime,
    birth: node.ctime,
  });

  function inFolder<T>(inode: ItemKey, act: (folder: Node) => Reply<T>): Reply<T> {
    const folder = get(inode);
    if (!folder?.linked) return fault("notFound", "no such folder");
    return folder.kind === "folder" ? act(folder) : fault("notFolder", folder.name);
  }

  function add(parent: Node, name: string, kind: Kind, mode: number): Node {
    const node = newNode(itemKey(++lastInode), kind, name, parent.inode, mode);
    nodes.set(node.inode, node);
    parent.children.set(name, node.inode);
    touch(parent);
    return node;
  }

  function drop(parent: Node, node: Node): void {
    parent.children.delete(node.name);
    node.linked = false;
    node.ctime = tick();
    touch(parent);
    forgetWhenUnused(node);
  }

  function forgetWhenUnused(node: Node): void {
    if (!node.linked && node.opened === 0) nodes.delete(node.inode);
  }

  function openNode(node: Node, flags: OpenFlags): HandleId {
    if (flags.truncate) resize(node, 0);
    node.opened++;
    const handle = handleId(++lastHandle);
    handles.set(handle, { node, flags });
    return handle;
  }

  function resize(node: Node, size: number): void {
    if (size > node.data.length) {
      const bigger = Buffer.alloc(Math.max(size, node.data.length * 2, 4096));
      node.data.copy(bigger, 0, 0, node.size);
      node.data = bigger;
    }
    if (size < node.size) node.data.fill(0, size, node.size);
    node.size = size;
    touch(node);
  }

  const opened = (handle: HandleId): { node: Node; flags: OpenFlags } => {
    const found = handles.get(handle);
    assert(found, `handle ${handle} is open`);
    return found;
  };

  const at = (path: string): Node => {
    const node = path
      .split("/")
      .filter(Boolean)
      .reduce<Node | undefined>((folder, name) => folder && child(folder, name), get(ROOT));
    assert(node, `${path} exists`);
    return node;
  };

  function replace(from: Node, oldParent: Node, newParent: Node, name: string): Answer<undefined> {
    const target = child(newParent, name);
    if (target && target !== from) {
      if (target.kind === "folder" && from.kind === "file") return fault("isFolder", name);
      if (target.kind === "file" && from.kind === "folder") return fault("notFolder", name);
      if (target.children.size > 0) return fault("notEmpty", name);
      drop(newParent, target);
    }
    oldParent.children.delete(from.name);
    Object.assign(from, { name, parent: newParent.inode, ctime: tick() });
    newParent.children.set(name, from.inode);
    touch(oldParent);
    touch(newParent);
    return ok();
  }

  const vfs: Vfs = {
    lookup: (parent, name) =>
      inFolder(parent, (folder) => {
        if (name === "explodes") throw new Error("a bug, on purpose");
        if (Buffer.byteLength(name) > 255) return fault("nameTooLong", name);
        const node = child(folder, name);
        return node ? ok(attributes(node)) : fault("notFound", name);
      }),
    parentOf: (node) => ok(get(node)?.parent ?? ROOT),
    getattr(inode) {
      const node = get(inode);
      return node ? ok(attributes(node)) : fault("stale", "gone");
    },
    setattr(inode, change) {
      const node = get(inode);
      if (!node) return fault("stale", "gone");
      if (change.size !== undefined) resize(node, change.size);
      if (change.mode !== undefined) node.mode = change.mode;
      if (change.mtime !== undefined) node.mtime = change.mtime === "now" ? tick() : change.mtime;
      node.ctime = tick();
      return ok(attributes(node));
    },
    readdir: (inode, after, most) =>
      inFolder(inode, (folder) => {
        const all = [...folder.children.keys()].sort();
        const from = after === undefined ? 0 : all.findIndex((name) => name > after);
        const page = from < 0 ? [] : all.slice(from, from + most);
        return ok(page.map((name): DirectoryEntry => entry(child(folder, name)!)));
      }),
    readdirPlus: (inode, after, most) =>
      inFolder(inode, (folder) => {
        const all = [...folder.children.keys()].sort();
        const from = after === undefined ? 0 : all.findIndex((name) => name > after);
        const page = from < 0 ? [] : all.slice(from, from + most);
        return ok(
          page.map((name) => ({ ...entry(child(folder, name)!), attributes: attributes(child(folder, name)!) })),
        );
      }),
    create: (parent, name, mode, flags) =>
      inFolder(parent, (folder) => {
        if (Buffer.byteLength(name) > 255) return fault("nameTooLong", name);
        const there = child(folder, name);
        if (there && flags.exclusive) return fault("exists", name);
        const node = there ?? add(folder, name, "file", mode);
        return ok({ handle: openNode(node, flags), attributes: attributes(node) });
      }),
    open(inode, flags) {
      const node = get(inode);
      if (!node) return fault("stale", "gone");
      return ok(openNode(node, flags));
    },
    read(handle, position, length, signal) {
      const { node } = opened(handle);
      const bytes = (): Answer<Uint8Array> =>
        ok(node.data.subarray(Math.min(position, node.size), Math.min(position + length, node.size)));
      const slow = /^slow-(\d+)$/.exec(node.name)?.[1];
      if (!slow) return bytes();
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve(bytes()), Number(slow));
        signal?.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve(fault("interrupted", "the mount is going"));
        });
      });
    },
    write(handle, position, bytes) {
      const { node } = opened(handle);
      largestWrite = Math.max(largestWrite, bytes.length);
      if (position + bytes.length > node.size) resize(node, position + bytes.length);
      node.data.set(bytes, position);
      touch(node);
      return ok(bytes.length);
    },
    flush: (handle) => (opened(handle).node.name === "fails-flush" ? fault("noSpace", "no room") : ok()),
    release(handle) {
      const { node } = opened(handle);
      handles.delete(handle);
      node.opened--;
      forgetWhenUnused(node);
      return ok();
    },
    fsync: async (handle) => {
      opened(handle);
      return ok();
    },
    fsyncdir: () => ok(),
    mkdir(parent, name, mode) {
      if (name === "never") return new Promise(() => undefined);
      return inFolder(parent, (folder) =>
        child(folder, name) ? fault("exists", name) : ok(attributes(add(folder, name, "folder", mode))),
      );
    },
    unlink: (parent, name) =>
      inFolder(parent, (folder) => {
        const node = child(folder, name);
        if (!node) return fault("notFound", name);
        if (node.kind === "folder") return fault("isFolder", name);
        drop(folder, node);
        return ok();
      }),
    rmdir: (parent, name) =>
      inFolder(parent, (folder) => {
        const node = child(folder, name);
        if (!node) return fault("notFound", name);
        if (node.kind === "file") return fault("notFolder", name);
        if (node.children.size > 0) return fault("notEmpty", name);
        drop(folder, node);
        return ok();
      }),
    rename: (from, to) =>
      inFolder(from.parent, (oldParent) =>
        inFolder(to.parent, (newParent) => {
          const node = child(oldParent, from.name);
          return node ? replace(node, oldParent, newParent, to.name) : fault("notFound", from.name);
        }),
      ),
    statfs: () =>
      ok({
        blockSize: 4096,
        blocks: 2 ** 33,
        blocksFree: 2 ** 32,
        blocksAvailable: 1000,
        files: 7,
        filesFree: 5,
        nameMax: 255,
      }),
    getxattr(inode, name) {
      if (name.startsWith("system.posix_acl_")) return fault("noAttribute", name);
      if (!name.startsWith("user.")) return fault("notSupported", name);
      const value = get(inode)?.xattrs.get(name);
      return value ? ok(value) : fault("noAttribute", name);
    },
    setxattr(inode, name, value, how) {
      const xattrs = get(inode)?.xattrs;
      if (!xattrs || !name.startsWith("user.")) return fault("notSupported", name);
      if (how === "create" && xattrs.has(name)) return fault("exists", name);
      if (how === "replace" && !xattrs.has(name)) return fault("noAttribute", name);
      xattrs.set(name, value);
      return ok();
    },
    listxattr: (inode) => ok([...(get(inode)?.xattrs.keys() ?? [])]),
    removexattr: (inode, name) => (get(inode)?.xattrs.delete(name) ? ok() : fault("noAttribute", name)),
    getlk: (_node, lock: Lock) => ok({ ...lock, kind: "unlock" }),
    setlk: () => ok(),
    unlockAll: () => undefined,
  };

  for (const [name, call] of Object.entries(vfs) as [keyof Vfs, (...args: unknown[]) => unknown][]) {
    const counted = (...args: unknown[]): unknown => {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      return call(...args);
    };
    Object.assign(vfs, { [name]: counted });
  }

  return {
    ...vfs,
    calls,
    replaceBytes(path, bytes) {
      const node = at(path);
      resize(node, 0);
      resize(node, Buffer.byteLength(bytes));
      node.data.write(bytes);
      return node.inode;
    },
    moveElsewhere(from, to) {
      const node = at(from);
      const parent = at(to.slice(0, to.lastIndexOf("/")));
      const before = { parent: node.parent, name: node.name };
      replace(node, nodes.get(node.parent)!, parent, to.slice(to.lastIndexOf("/") + 1));
      return [before, { parent: node.parent, name: node.name }];
    },
    get openCount() {
      return handles.size;
    },
    get nodeCount() {
      return nodes.size;
    },
    get largestWrite() {
      return largestWrite;
    },
  };
}

const entry = (node: Node): DirectoryEntry => ({
  name: node.name,
  inode: node.inode,
  kind: node.kind,
  cookie: node.name,
});
