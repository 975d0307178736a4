/** Paths for people: from a node to where it is in the mount, and back. Inside the product nothing goes by path. */
import { ROOT, type ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import { isGone, localAt, viewLocal } from "../store/tree.ts";
import type { Reader } from "../store/store.ts";

/** Where the node is (or, when it is gone here, was) below the mountpoint. */
export function pathOf(read: Reader, mountpoint: string, node: ItemKey): string {
  const parts: string[] = [];
  for (let at = node, depth = 0; at !== ROOT && depth < 1_000; depth++) {
    const row = read.local.get(at);
    const place = row && !isGone(row) ? row : read.mirror.get(at);
    if (!place) {
      parts.unshift("?");
      break;
    }
    parts.unshift(place.name);
    at = place.parent;
  }
  return [mountpoint === "/" ? "" : mountpoint, ...parts].join("/");
}

/** The node at an absolute path, or undefined when nothing is there (or outside the mountpoint). */
export function nodeAt(read: Reader, mountpoint: string, path: string): ItemKey | undefined {
  if (path !== mountpoint && !path.startsWith(mountpoint === "/" ? "/" : `${mountpoint}/`)) return undefined;
  let at: ItemKey = ROOT;
  for (const part of path.slice(mountpoint.length).split("/")) {
    if (part === "") continue;
    const next = localAt(read, at, fold(part));
    if (next === undefined) return undefined;
    at = next;
  }
  return viewLocal(read, at) ? at : undefined;
}
