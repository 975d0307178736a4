/** Items that are only shown: packages, shortcuts and what the service holds to be malware. */
import { fault } from "../model/fault.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { viewLocal, type LocalView } from "../store/tree.ts";
import type { Core } from "./core.ts";
import type { Answer } from "./vfs.ts";

/** Why the bytes of an item cannot be had or set, or undefined. */
export function checkBytes(view: LocalView): Answer<never> | undefined {
  const opaque = view.mirror?.opaque;
  return opaque && fault("denied", `the bytes of a ${opaque} item cannot be had from here`);
}

/** What is inside a package or behind a shortcut cannot be changed. */
export function checkSealed(core: Core, folder: ItemKey): Answer<never> | undefined {
  for (let at = folder; at !== ROOT;) {
    const view = viewLocal(core.read, at);
    if (!view) return undefined;
    if (view.mirror?.opaque) return fault("denied", `inside a ${view.mirror.opaque} nothing can be changed from here`);
    at = view.parent;
  }
  return undefined;
}
