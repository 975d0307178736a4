/**
 * libfuse 2 speaks in paths, the vfs in inodes; here is the only place where they meet. A path is walked from the root by
 * `vfs.lookup`, one name after the other, each time anew: nothing is remembered that could go stale.
 *
 * Two things besides names are known, both exactly as long as they are true:
 *
 *   hidden names  An open file that is unlinked or replaced keeps a name in libfuse's books, `.fuse_hidden...`, because the kernel
 *                 still asks about it by path (fstat, fchmod). Here such a name is an alias of the inode. The vfs never sees it.
 *   open nodes    A call about a node that is open means the inode that was opened, when nothing is at its path any more
 *                 (moved or deleted on another device).
 */
import { ROOT, type ItemKey } from "../model/ids.ts";
import type { Answer, Attributes, Reply, Vfs } from "../vfs/vfs.ts";

export interface Place {
  readonly parent: ItemKey;
  readonly name: string;
}

export interface Paths {
  /** What is at a path. `open` is the inode that the kernel's node has open, if any. */
  item(path: string, open?: ItemKey): Reply<Attributes>;
  /** The folder and the name that a path means; whether something is there does not matter. */
  place(path: string): Reply<Place>;
  /** libfuse asks whether a hidden name is free; the rename that follows is `takeExpected`. */
  expect(path: string): void;
  /** True once for a path that libfuse is about to rename to. */
  takeExpected(path: string): boolean;
  hide(path: string, inode: ItemKey): void;
  /** True when the path was a hidden name; it no longer is. */
  unhide(path: string): boolean;
}

export function paths(vfs: Pick<Vfs, "lookup" | "getattr">): Paths {
  const hidden = new Map<string, ItemKey>();
  const expected = new Set<string>();

  function item(path: string, open?: ItemKey): Reply<Attributes> {
    const alias = hidden.get(lastName(path));
    if (alias !== undefined) return vfs.getattr(alias);
    const found = walk(vfs, names(path));
    if (open === undefined) return found;
    return eventually(found, (answer) => (isMissing(answer) ? vfs.getattr(open) : answer));
  }

  function place(path: string): Reply<Place> {
    const all = names(path);
    const name = all.pop() ?? "";
    if (all.length === 0) return { ok: true, value: { parent: ROOT, name } };
    return andThen(walk(vfs, all), ({ inode }) => ({ ok: true, value: { parent: inode, name } }));
  }

  return {
    item,
    place,
    expect: (path) => void expected.add(lastName(path)),
    takeExpected: (path) => expected.delete(lastName(path)),
    hide: (path, inode) => void hidden.set(lastName(path), inode),
    unhide: (path) => hidden.delete(lastName(path)),
  };
}

/** The number of libfuse's node is the first half of a hidden name. */
export function nodeOfHiddenName(path: string): number {
  return Number.parseInt(lastName(path).slice(".fuse_hidden".length, -8), 16);
}

/** `next` with the value, or the fault; stays synchronous as long as the replies are. */
export function andThen<A, B>(reply: Reply<A>, next: (value: A) => Reply<B>): Reply<B> {
  if (reply instanceof Promise) return reply.then((answer) => (answer.ok ? next(answer.value) : answer));
  return reply.ok ? next(reply.value) : reply;
}

function eventually<A>(reply: Reply<A>, change: (answer: Answer<A>) => Answer<A>): Reply<A> {
  return reply instanceof Promise ? reply.then(change) : change(reply);
}

function walk(vfs: Pick<Vfs, "lookup" | "getattr">, way: readonly string[]): Reply<Attributes> {
  let found: Reply<Attributes> = way.length === 0 ? vfs.getattr(ROOT) : vfs.lookup(ROOT, way[0]!);
  for (const name of way.slice(1)) found = andThen(found, ({ inode }) => vfs.lookup(inode, name));
  return found;
}

const names = (path: string): string[] => path.split("/").filter((name) => name !== "");
const lastName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const isMissing = (answer: Answer<unknown>): boolean =>
  !answer.ok && (answer.fault.kind === "notFound" || answer.fault.kind === "notFolder");
