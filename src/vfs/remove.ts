/**
 * unlink and rmdir, and what both share with a rename over something: taking a node out of the tree. A node the cloud never saw
 * leaves nothing; one the cloud has is recorded as deleted, conditional on the version that was seen here. A file that is still
 * open stays readable and writable through its handles, and leaves no trace after the last of them.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import { fold } from "../model/name.ts";
import type { Op } from "../op/op.ts";
import type { Writer } from "../store/store.ts";
import { changeTrees, localAt, localChildren, viewLocal, type LocalView, type NodeChange } from "../store/tree.ts";
import { touchFolder } from "./attributes.ts";
import { type Core } from "./core.ts";
import { settleIdentity } from "./identity.ts";
import { beginAnewListed, folderAt, forgetSpellings } from "./lookup.ts";
import { checkSealed } from "./sealed.ts";
import { busyWith, dropOps, record, releaseBlob } from "./pending.ts";
import { afterwards, sweepSoon } from "./settle.ts";
import type { Answer, Reply } from "./vfs.ts";

export function unlink(core: Core, parent: ItemKey, name: string): Reply<undefined> {
  return withEntry(core, { parent, name, waited: new Set() }, (view) =>
    view.kind === "folder" ? fault("isFolder", "a folder is removed with rmdir") : removeEntry(core, view, name),
  );
}

export function rmdir(core: Core, parent: ItemKey, name: string): Reply<undefined> {
  const request = { parent, name, waited: new Set<ItemKey>() };
  const act = (view: LocalView): Reply<undefined> => {
    if (view.kind !== "folder") return fault("notFolder", "not a folder");
    return (
      beginAnewListed(core, view.node, request.waited, () => withEntry(core, request, act)) ??
      (isEmpty(core, view.node) ? removeEntry(core, view, name) : notEmpty())
    );
  };
  return withEntry(core, request, act);
}

/** An entry to be removed, and the folders that were listed for it. */
interface Request {
  readonly parent: ItemKey;
  readonly name: string;
  readonly waited: Set<ItemKey>;
}

/** Runs `act` on what is called so. */
function withEntry(core: Core, request: Request, act: (view: LocalView) => Reply<undefined>): Reply<undefined> {
  const { parent, name, waited } = request;
  const refused = core.refusal();
  if (refused) return refused;
  const folder = folderAt(core, parent);
  if (!folder.ok) return folder;
  const sealed = checkSealed(core, parent);
  if (sealed) return sealed;
  const node = localAt(core.read, parent, fold(name));
  if (node !== undefined) return act(viewLocal(core.read, node)!);
  const again = (): Reply<undefined> => withEntry(core, request, act);
  return beginAnewListed(core, parent, waited, again) ?? fault("notFound", "no such name");
}

/** `asked`: the spelling the kernel used, which it forgets by itself. */
function removeEntry(core: Core, view: LocalView, asked: string): Answer<undefined> {
  const orphaned = keepForHandles(core, view);
  const done = core.commit((tx) => {
    changeTrees(tx, new Map([[view.node, departure()]]));
    recordDeparture(core, tx, view);
    touchFolder(core, tx, view.parent);
    return settleIdentity(core, tx, [view.node]);
  });
  if (!done.ok) {
    if (orphaned) core.orphans.delete(view.node);
    return done;
  }
  forgetSpellings(core, view.parent, asked, view.name);
  afterwards(core, done.value);
  sweepSoon(core);
  return ok();
}

/** What a departing node becomes in Local. */
export function departure(): NodeChange {
  return { local: null };
}

/**
 * The records of a departure, after the trees were changed: the node's operations are taken back; a delete is recorded when the
 * cloud has it. `view` is the node as it was.
 */
export function recordDeparture(core: Core, tx: Writer, view: LocalView): void {
  const { node, content } = view;
  dropOps(tx, node);
  if (content.from === "blob") releaseBlob(tx, content.blob);
  if (view.mirror) return void record(tx, deletion(view), core.clock.now());
  if (tx.facts.get(node)) tx.facts.remove(node);
  if (tx.conflicts.get(node)) tx.conflicts.remove(node);
  if (busyWith(tx, node)) record(tx, deletion(view), core.clock.now());
}

function deletion({ node, kind, content, mirror }: LocalView): Op {
  if (kind === "folder") return { type: "deleteFolder", node };
  const seen = content.from === "blob" ? content.seen : mirror && contentVersion(mirror);
  return seen === undefined ? { type: "deleteFile", node } : { type: "deleteFile", node, seen };
}

/** Remembers what an open file looked like before it goes. Answers whether it did. */
export function keepForHandles(core: Core, view: LocalView): boolean {
  if (view.kind === "folder" || core.files.of(view.node).length === 0) return false;
  core.orphans.set(view.node, { view, facts: core.read.facts.get(view.node) ?? {} });
  return true;
}

export function isEmpty(core: Core, folder: ItemKey): boolean {
  for (const _child of localChildren(core.read, folder)) return false;
  return folder !== ROOT;
}

export function notEmpty(): Answer<never> {
  return fault("notEmpty", "the folder is not empty");
}
