/**
 * rename(2) in all its ways: within a folder and across, to another spelling of the same name, over a file or an empty folder, not
 * over anything, and exchanging two entries. One transaction each: effect, records, and the identity rule of identity.ts, so that a
 * save by rename is one change of content before anybody can look.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import type { Reader, Writer } from "../store/store.ts";
import { changeTrees, localAt, viewLocal, type LocalView, type NodeChange } from "../store/tree.ts";
import { touchFolder } from "./attributes.ts";
import { rowOf, setFacts, type Core } from "./core.ts";
import { record } from "./pending.ts";
import { settleIdentity } from "./identity.ts";
import { beginAnewListed, checkPlace, folderAt, forgetSpellings } from "./lookup.ts";
import { checkSealed } from "./sealed.ts";
import { departure, isEmpty, keepForHandles, notEmpty, recordDeparture } from "./remove.ts";
import { afterwards, sweepSoon } from "./settle.ts";
import type { Answer, Reply, Vfs } from "./vfs.ts";

type Place = Parameters<Vfs["rename"]>[0];
type How = Parameters<Vfs["rename"]>[2];

export function rename(core: Core, from: Place, to: Place, how: How): Reply<undefined> {
  return attempt(core, { from, to, how, waited: new Set() });
}

interface Request {
  readonly from: Place;
  readonly to: Place;
  readonly how: How;
  /** Folders listed for it. */
  readonly waited: Set<ItemKey>;
}

/** From the first look to the commit in one turn: where a folder must be listed first, all is looked at anew after that. */
function attempt(core: Core, request: Request): Reply<undefined> {
  const { from, to, how } = request;
  const refused = core.refusal();
  if (refused) return refused;
  const source = folderAt(core, from.parent);
  if (!source.ok) return source;
  const sealed = checkSealed(core, from.parent);
  if (sealed) return sealed;
  const node = localAt(core.read, from.parent, fold(from.name));
  if (node === undefined) return firstListed(core, from.parent, request) ?? fault("notFound", "no such name");
  const target = folderAt(core, to.parent);
  if (!target.ok) return target;
  const waiting = firstListed(core, to.parent, request);
  if (waiting) return waiting;
  const mover = viewLocal(core.read, node)!;
  const there = localAt(core.read, to.parent, fold(to.name));
  if (mover.kind === "folder" && isWithin(core.read, to.parent, node))
    return fault("invalid", "a folder cannot be moved into itself");
  if (how === "exchange") return exchange(core, mover, there, request);
  if (there === node) return respell(core, mover, request);
  const place = checkPlace(core, to.parent, to.name);
  if (!place.ok) return place;
  if (there === undefined) return replace(core, mover, undefined, request);
  if (how === "noReplace") return fault("exists", "the name is taken");
  return over(core, mover, viewLocal(core.read, there)!, request);
}

function firstListed(core: Core, folder: ItemKey, request: Request): Reply<undefined> | undefined {
  return beginAnewListed(core, folder, request.waited, () => attempt(core, request));
}

/** The same item under another spelling of its name; under the same spelling nothing happens, as POSIX wants. */
function respell(core: Core, mover: LocalView, request: Request): Answer<undefined> {
  if (mover.name === request.to.name) return request.how === "noReplace" ? fault("exists", "the name is taken") : ok();
  const place = checkPlace(core, request.to.parent, request.to.name);
  return place.ok ? replace(core, mover, undefined, request) : place;
}

function over(core: Core, mover: LocalView, target: LocalView, request: Request): Reply<undefined> {
  if (mover.kind === "file" && target.kind === "folder") return fault("isFolder", "a file cannot replace a folder");
  if (mover.kind === "folder" && target.kind === "file") return fault("notFolder", "a folder cannot replace a file");
  if (isWithin(core.read, mover.node, target.node)) return notEmpty();
  if (target.kind === "file") return replace(core, mover, target, request);
  return (
    firstListed(core, target.node, request) ??
    (isEmpty(core, target.node) ? replace(core, mover, target, request) : notEmpty())
  );
}

/** Moves; what was at the target departs in the same transaction. */
function replace(core: Core, mover: LocalView, target: LocalView | undefined, request: Request): Answer<undefined> {
  const { from, to } = request;
  const orphaned = target && keepForHandles(core, target);
  const done = core.commit((tx) => {
    const changes = new Map<ItemKey, NodeChange>([[mover.node, { local: rowOf(mover, to) }]]);
    if (target) changes.set(target.node, departure());
    changeTrees(tx, changes);
    if (target) recordDeparture(core, tx, target);
    recordMove(core, tx, mover, to);
    touchFolder(core, tx, from.parent);
    if (to.parent !== from.parent) touchFolder(core, tx, to.parent);
    return settleIdentity(core, tx, target ? [target.node, mover.node] : [mover.node]);
  });
  if (!done.ok) {
    if (target && orphaned) core.orphans.delete(target.node);
    return done;
  }
  forgetSpellings(core, from.parent, from.name, mover.name);
  forgetSpellings(core, to.parent, to.name, target?.name);
  afterwards(core, done.value);
  if (target) sweepSoon(core);
  return ok();
}

function exchange(core: Core, one: LocalView, there: ItemKey | undefined, request: Request): Answer<undefined> {
  if (there === undefined) return fault("notFound", "there is nothing to exchange with");
  if (there === one.node) return ok();
  const other = viewLocal(core.read, there)!;
  const { from, to } = request;
  if (other.kind === "folder" && isWithin(core.read, from.parent, there))
    return fault("invalid", "a folder cannot be moved into itself");
  const wrong = [checkPlace(core, to.parent, other.name), checkPlace(core, from.parent, one.name)].find(
    (place) => !place.ok,
  );
  if (wrong && !wrong.ok) return wrong;
  const onePlace = { parent: other.parent, name: other.name };
  const otherPlace = { parent: one.parent, name: one.name };
  const done = core.commit((tx) => {
    const changes = new Map<ItemKey, NodeChange>([
      [one.node, { local: rowOf(one, onePlace) }],
      [other.node, { local: rowOf(other, otherPlace) }],
    ]);
    changeTrees(tx, changes);
    recordMove(core, tx, one, onePlace);
    recordMove(core, tx, other, otherPlace);
    touchFolder(core, tx, from.parent);
    if (to.parent !== from.parent) touchFolder(core, tx, to.parent);
    return settleIdentity(core, tx, [one.node, other.node]);
  });
  if (!done.ok) return done;
  forgetSpellings(core, from.parent, from.name, one.name);
  forgetSpellings(core, to.parent, to.name, other.name);
  afterwards(core, done.value);
  return ok();
}

function recordMove(core: Core, tx: Writer, mover: LocalView, to: { parent: ItemKey; name: string }): void {
  const { node, parent, name } = mover;
  setFacts(tx, node, { ctime: core.now() });
  const from = { fromParent: parent, fromName: name };
  record(tx, { type: "move", node, parent: to.parent, name: to.name, ...from }, core.clock.now());
}

/** True when `node` is `folder` or below it. */
function isWithin(read: Reader, node: ItemKey, folder: ItemKey): boolean {
  for (let at = node; ;) {
    if (at === folder) return true;
    const view = at === ROOT ? undefined : viewLocal(read, at);
    if (!view) return false;
    at = view.parent;
  }
}
