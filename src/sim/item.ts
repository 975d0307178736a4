/**
 * One driveItem as the simulator keeps it, and the questions one asks of its place in the tree. A million of these must fit,
 * so ids, tags and hashes are computed when written out, never stored.
 *
 * Invariants: `children` is a map exactly for folders; a live item other than a root is in its parent's map under
 * `collate(name)`; `size` of a folder is the sum of its live descendants' sizes; `binned` is 0 for live items, else the
 * number of the deletion that took it, equal for everything deleted together, whose parent links stay as they were.
 */
import type { Content } from "./content.ts";
import type { Drive } from "./drive.ts";

/** Who did it: the signed-in device, and the application it used. */
export interface Actor {
  readonly device: string;
  readonly app: string;
}

export interface Version {
  readonly label: number;
  readonly content: Content;
  readonly modified: number;
  readonly by: Actor;
}

/** What few items have. */
export interface Extra {
  versions?: Version[];
  special?: string;
  package?: string;
  malware?: boolean;
  remote?: { readonly driveId: string; readonly id: string };
  description?: string;
  /** Gone from the recycle bin too, with its bytes. */
  purged?: boolean;
}

export interface Item {
  readonly num: number;
  readonly drive: Drive;
  name: string;
  parent: Item | null;
  readonly children: Map<string, Item> | null;
  content: Content | null;
  size: number;
  /** Counts every change; the n of the eTag. */
  changes: number;
  /** Counts changes of content; the m of the cTag. */
  contentChanges: number;
  created: number;
  modified: number;
  clientCreated: number;
  clientModified: number;
  createdBy: Actor;
  modifiedBy: Actor;
  /** Journal position of the last change. */
  seq: number;
  binned: number;
  extra: Extra | null;
}

export interface Birth {
  readonly num: number;
  readonly drive: Drive;
  readonly parent: Item | null;
  readonly name: string;
  readonly content: Content | null;
  readonly at: number;
  readonly by: Actor;
}

/** A new item, not yet in its parent's map; a folder when it has no content. */
export function newItem({ num, drive, parent, name, content, at, by }: Birth): Item {
  return {
    num,
    drive,
    name,
    parent,
    children: content ? null : new Map<string, Item>(),
    content,
    size: content?.size ?? 0,
    changes: 1,
    contentChanges: 1,
    created: at,
    modified: at,
    clientCreated: at,
    clientModified: at,
    createdBy: by,
    modifiedBy: by,
    seq: 0,
    binned: 0,
    extra: null,
  };
}

/** From the root, without a leading slash; "" for the root itself. */
export function pathOf(item: Item): string {
  const parts: string[] = [];
  for (let at = item; at.parent; at = at.parent) parts.push(at.name);
  return parts.reverse().join("/");
}

/** True when `item` is `folder` or lies below it. */
export function isWithin(item: Item, folder: Item): boolean {
  for (let at: Item | null = item; at; at = at.parent) if (at === folder) return true;
  return false;
}

/** The item and everything live below it, parents first. */
export function* subtree(top: Item): Iterable<Item> {
  const waiting = [top];
  for (let item = waiting.pop(); item; item = waiting.pop()) {
    yield item;
    for (const child of item.children?.values() ?? []) waiting.push(child);
  }
}

export function isFolder(item: Item): boolean {
  return item.content === null && !item.extra?.package && !item.extra?.remote;
}
