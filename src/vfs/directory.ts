/**
 * Folders: making them, listing them, their parents. A listing goes by folded name, which is its cookie: an entry that stays is
 * told exactly once whatever happens around it, one that comes or goes meanwhile at most once.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import type { Folded, ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import { listChildren, type Child } from "../store/children.ts";
import { changeTrees, localAt, newNode, viewLocal } from "../store/tree.ts";
import { attributes, attributesOf, factsOfNew, touchFolder } from "./attributes.ts";
import { living, setFacts, type Core } from "./core.ts";
import { checkPlace, folderAt, forgetSpellings, whenListed } from "./lookup.ts";
import { record } from "./pending.ts";
import { afterwards } from "./settle.ts";
import type { Answer, Attributes, Caller, DirectoryEntry, FullDirectoryEntry, Reply } from "./vfs.ts";

export function parentOf(core: Core, node: ItemKey): Answer<ItemKey> {
  const view = living(core, node);
  return view.ok ? ok(view.value.parent) : view;
}

export function readdir(
  core: Core,
  folder: ItemKey,
  after: string | undefined,
  most: number,
): Reply<readonly DirectoryEntry[]> {
  const here = folderAt(core, folder);
  if (!here.ok) return here;
  return whenListed(core, folder, () => ok(children(core, folder, after, most).map(entry)));
}

export function readdirPlus(
  core: Core,
  folder: ItemKey,
  after: string | undefined,
  most: number,
): Reply<readonly FullDirectoryEntry[]> {
  const here = folderAt(core, folder);
  if (!here.ok) return here;
  return whenListed(core, folder, () => ok(children(core, folder, after, most).map((child) => full(core, child))));
}

function children(core: Core, folder: ItemKey, after: string | undefined, most: number): readonly Child[] {
  return listChildren(core.read, folder, after as Folded | undefined, most);
}

function full(core: Core, child: Child): FullDirectoryEntry {
  const { name, node, kind } = child.view;
  return { name, inode: node, kind, cookie: child.folded, attributes: attributesOf(core, child.view, child) };
}

function entry({ folded, view }: Child): DirectoryEntry {
  return { name: view.name, inode: view.node, kind: view.kind, cookie: folded };
}

interface Making {
  readonly mode: number;
  readonly caller: Caller;
}

export function mkdir(core: Core, parent: ItemKey, name: string, how: Making): Reply<Attributes> {
  const refused = core.refusal();
  if (refused) return refused;
  const folder = folderAt(core, parent);
  if (!folder.ok) return folder;
  return whenListed(core, parent, () => {
    if (localAt(core.read, parent, fold(name)) !== undefined) return fault("exists", "the name is taken");
    const place = checkPlace(core, parent, name);
    return place.ok ? make(core, parent, name, how) : place;
  });
}

function make(core: Core, parent: ItemKey, name: string, how: Making): Answer<Attributes> {
  const facts = factsOfNew(core, { kind: "folder", parent, ...how });
  const done = core.commit((tx) => {
    const node = newNode(tx);
    const row = { kind: "folder", parent, name, mtime: facts.mtime.s, content: { from: "cloud" } } as const;
    changeTrees(tx, new Map([[node, { local: row }]]));
    setFacts(tx, node, facts);
    record(tx, { type: "createFolder", node, parent, name }, core.clock.now());
    touchFolder(core, tx, parent);
    return node;
  });
  if (!done.ok) return done;
  forgetSpellings(core, parent, name);
  afterwards(core, { lost: [], splits: [] });
  return ok(attributes(core, viewLocal(core.read, done.value)!, core.read.facts.get(done.value) ?? {}));
}

/** An entry's durability is that of its record. */
export async function fsyncdir(core: Core, folder: ItemKey): Promise<Answer<undefined>> {
  const here = folderAt(core, folder);
  if (!here.ok) return here;
  return durable(core);
}

/** Waits until everything committed so far survives a power cut. */
export async function durable(core: Core): Promise<Answer<undefined>> {
  try {
    await core.store.barrier();
    return ok();
  } catch (error) {
    core.log.fault("records could not be made durable", { error });
    return fault("io", "the disk of the state folder did not take the records");
  }
}
