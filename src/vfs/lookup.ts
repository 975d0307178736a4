/**
 * Names to nodes. A name is looked up as the service compares names, so every spelling reaches the one item of a slot. A folder
 * whose children are not all known is listed before anything is said about a name that is not there: it never looks empty.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import { ROOT, type Folded, type ItemKey } from "../model/ids.ts";
import { CLOUD_PATH_CHARACTERS_MAX, NAME_UTF16_UNITS_MAX, SPELLINGS_MAX } from "../model/limits.ts";
import { checkLocalName, fold, isLocalOnlyName, toCloudName } from "../model/name.ts";
import { isListed } from "../store/children.ts";
import type { Reader } from "../store/store.ts";
import { isLocalOnly } from "../store/local-only.ts";
import { localAt, viewLocal, type LocalView } from "../store/tree.ts";
import { attributes } from "./attributes.ts";
import { living, type Core } from "./core.ts";
import { checkSealed } from "./sealed.ts";
import type { Answer, Attributes, Reply } from "./vfs.ts";

export function lookup(core: Core, parent: ItemKey, name: string): Reply<Attributes> {
  const folder = folderAt(core, parent);
  if (!folder.ok) return folder;
  if (name.length > NAME_UTF16_UNITS_MAX) return fault("nameTooLong", "the name is too long");
  const here = localAt(core.read, parent, fold(name));
  if (here !== undefined) return ok(found(core, here, name));
  return whenListed(core, parent, () => {
    const node = localAt(core.read, parent, fold(name));
    if (node !== undefined) return ok(found(core, node, name));
    noteSpelling(core, parent, name);
    return fault("notFound", "no such name");
  });
}

function found(core: Core, node: ItemKey, name: string): Attributes {
  const view = viewLocal(core.read, node)!;
  const shown = attributes(core, view, core.read.facts.get(node) ?? {});
  const known = core.spellings.has(slotKey(view.parent, fold(name)));
  if (view.name === name) return known ? { ...shown, spellings: "several" } : shown;
  noteSpelling(core, view.parent, name);
  // What is done under this spelling from now on is done under the item's own too: it is looked up again then.
  if (!known) core.changed({ kind: "entry", parent: view.parent, name: view.name });
  return { ...shown, spellings: "other" };
}

/** A living folder. */
export function folderAt(core: Core, node: ItemKey): Answer<LocalView> {
  const view = living(core, node);
  return view.ok && view.value.kind !== "folder" ? fault("notFolder", "not a folder") : view;
}

/** Answers at once when all children of the folder are known, else after it was listed (or could not be). */
export function whenListed<T>(core: Core, folder: ItemKey, answer: () => Reply<T>): Reply<T> {
  if (isListed(core.read, folder)) return answer();
  return core.list(folder).then((listed) => (listed.ok ? answer() : listed));
}

/**
 * Begins anew with `again` after the folder was listed (`waited` remembers which were, so that this ends); undefined when it needs no
 * listing. For who has looked at something already: after a wait it may be otherwise.
 */
export function beginAnewListed<T>(
  core: Core,
  folder: ItemKey,
  waited: Set<ItemKey>,
  again: () => Reply<T>,
): Reply<T> | undefined {
  if (waited.has(folder) || isListed(core.read, folder)) return undefined;
  waited.add(folder);
  return core.list(folder).then((listed) => (listed.ok ? again() : listed));
}

/** Whether something may be called `name` in `parent`: a folder that takes entries, a name the service can hold, a path short enough. */
export function checkPlace(core: Core, parent: ItemKey, name: string): Answer<LocalView> {
  const folder = folderAt(core, parent);
  if (!folder.ok) return folder;
  const wrong = checkLocalName(name);
  if (wrong) {
    core.log.trace("a name was refused", { why: wrong.why });
    return { ok: false, fault: wrong };
  }
  const sealed = checkSealed(core, parent);
  if (sealed) return sealed;
  const local = isLocalOnlyName(name, core.localOnlyNames) || isLocalOnly(core.read, parent, core.localOnlyNames);
  if (!local && cloudPathLength(core.read, parent, name) > CLOUD_PATH_CHARACTERS_MAX)
    return fault("nameTooLong", `the path in the cloud would have more than ${CLOUD_PATH_CHARACTERS_MAX} characters`);
  return folder;
}

function cloudPathLength(read: Reader, parent: ItemKey, name: string): number {
  let length = (toCloudName(name) ?? name).length;
  for (let at = parent; at !== ROOT;) {
    const view = viewLocal(read, at);
    if (!view) return length;
    length += 1 + (toCloudName(view.name) ?? view.name).length;
    at = view.parent;
  }
  return length;
}

// ---- spellings: the kernel caches a name as it was asked for, also that nothing is called so -----------------------------------

/** Bounded: the kernel forgets what is not remembered here any more. */
function noteSpelling(core: Core, parent: ItemKey, name: string): void {
  const slot = slotKey(parent, fold(name));
  const known = core.spellings.get(slot);
  if (known) return void known.names.add(name);
  if (core.spellings.size >= SPELLINGS_MAX) dropOldest(core);
  core.spellings.set(slot, { parent, names: new Set([name]) });
}

function dropOldest(core: Core): void {
  for (const [slot, { parent, names }] of core.spellings) {
    core.spellings.delete(slot);
    for (const name of names) core.changed({ kind: "entry", parent, name });
    return;
  }
}

/**
 * What a slot holds has changed by way of `name`, which the kernel knows about: it forgets what it knows under other spellings, and
 * under the name that the item itself had.
 */
export function forgetSpellings(core: Core, parent: ItemKey, name: string, ownName = name): void {
  const slot = slotKey(parent, fold(name));
  const names = core.spellings.get(slot)?.names;
  core.spellings.delete(slot);
  for (const spelling of names ?? []) if (spelling !== name) core.changed({ kind: "entry", parent, name: spelling });
  if (ownName !== name && !names?.has(ownName)) core.changed({ kind: "entry", parent, name: ownName });
}

function slotKey(parent: ItemKey, name: Folded): string {
  return `${parent}/${name}`;
}
