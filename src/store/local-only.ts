/**
 * Which nodes never leave this machine: those the cloud has nothing of (no Mirror row, no unanswered create) and whose name
 * matches a pattern, that the person marked so, or that are below such a node. A node with a cloud item never is local-only;
 * while it stays below a local-only folder (a trash can) its item stays where it is in the cloud, until it is deleted here.
 */
import { ROOT, type ItemKey } from "../model/ids.ts";
import { isLocalOnlyName } from "../model/name.ts";
import type { Reader } from "./store.ts";
import { viewLocal } from "./tree.ts";

export function isLocalOnly(read: Reader, node: ItemKey, patterns: readonly string[]): boolean {
  for (let at = node; at !== ROOT;) {
    if (read.mirror.get(at) || read.intents.get(at)) return false;
    const view = viewLocal(read, at);
    if (!view) return false;
    if (read.facts.get(at)?.localOnly || isLocalOnlyName(view.name, patterns)) return true;
    at = view.parent;
  }
  return false;
}
