/**
 * Extended attributes. `user.onedrive.*` tells what is known of an item and takes two wishes (pin, local); other `user.*` names are
 * kept with the item on this machine; every other space is not supported.
 */
import { ok } from "../base/result.ts";
import type { ContentState } from "../model/content-state.ts";
import { fault } from "../model/fault.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import type { Facts } from "../model/item.ts";
import { XATTR_VALUE_BYTES_MAX } from "../model/limits.ts";
import { all, ofNode } from "../oplog/oplog.ts";
import { isLocalOnly } from "../store/local-only.ts";
import { isListed } from "../store/children.ts";
import type { Reader } from "../store/store.ts";
import { viewLocal, type LocalView } from "../store/tree.ts";
import type { Core } from "./core.ts";
import type { Answer, Vfs } from "./vfs.ts";

const OURS = "user.onedrive.";

type How = Parameters<Vfs["setxattr"]>[3];

export function getxattr(core: Core, node: ItemKey, name: string): Answer<Uint8Array> {
  const subject = subjectOf(core, node);
  if (!subject.ok) return subject;
  const value = isForeign(name) ? undefined : valueOf(core, subject.value, name);
  if (value !== undefined) return ok(typeof value === "string" ? new TextEncoder().encode(value) : value);
  if (isForeign(name) && !isAcl(name)) return fault("notSupported", "only user.* attributes are kept");
  return fault("noAttribute", `there is no ${name}`);
}

export function listxattr(core: Core, node: ItemKey): Answer<readonly string[]> {
  const subject = subjectOf(core, node);
  if (!subject.ok) return subject;
  const own = Object.keys(TOLD).map((name) => OURS + name);
  const shown = own.filter((name) => valueOf(core, subject.value, name) !== undefined);
  return ok([...shown, ...Object.keys(subject.value.facts.xattrs ?? {})]);
}

export function setxattr(
  core: Core,
  node: ItemKey,
  name: string,
  set: { value: Uint8Array; how: How },
): Answer<undefined> {
  const subject = changeable(core, node, name);
  if (!subject.ok) return subject;
  const { value, how } = set;
  if (value.length > XATTR_VALUE_BYTES_MAX) return fault("tooLarge", "the value is too long");
  const there = valueOf(core, subject.value, name) !== undefined;
  if (how === "create" && there) return fault("exists", `${name} is there already`);
  if (how === "replace" && !there) return fault("noAttribute", `there is no ${name}`);
  if (name.startsWith(OURS)) return setOurs(core, subject.value, name, new TextDecoder().decode(value));
  const xattrs = { ...subject.value.facts.xattrs, [name]: Uint8Array.from(value) };
  return keep(core, subject.value, { ...subject.value.facts, xattrs });
}

export function removexattr(core: Core, node: ItemKey, name: string): Answer<undefined> {
  const subject = changeable(core, node, name);
  if (!subject.ok) return subject;
  if (valueOf(core, subject.value, name) === undefined) return fault("noAttribute", `there is no ${name}`);
  // rsync -X takes away what the other side does not have; what the cloud tells of an item cannot go.
  if (name.startsWith(OURS) && !isSettable(name)) return ok();
  if (name.startsWith(OURS)) return setOurs(core, subject.value, name, undefined);
  const { xattrs: before, ...rest } = subject.value.facts;
  const { [name]: _removed, ...xattrs } = before ?? {};
  return keep(core, subject.value, Object.keys(xattrs).length > 0 ? { ...rest, xattrs } : rest);
}

/** A living node, or one that is gone but open. */
interface Subject {
  readonly node: ItemKey;
  readonly view: LocalView;
  readonly facts: Facts;
  readonly alive: boolean;
}

function subjectOf(core: Core, node: ItemKey): Answer<Subject> {
  const view = viewLocal(core.read, node);
  if (view) return ok({ node, view, facts: core.read.facts.get(node) ?? {}, alive: true });
  const orphan = core.orphans.get(node);
  return orphan ? ok({ node, ...orphan, alive: false }) : fault("notFound", `node ${node} is not there`);
}

function changeable(core: Core, node: ItemKey, name: string): Answer<Subject> {
  if (isForeign(name)) return fault("notSupported", "only user.* attributes are kept");
  return core.refusal() ?? subjectOf(core, node);
}

function isForeign(name: string): boolean {
  return !name.startsWith("user.") || name.length === "user.".length;
}

function isAcl(name: string): boolean {
  return name.startsWith("system.posix_acl_");
}

// ---- ours ---------------------------------------------------------------------------------------------------------------------

type Told = (core: Core, subject: Subject) => string | undefined;

/** What is told under `user.onedrive.`; undefined: there is no such attribute now. */
const TOLD: Readonly<Record<string, Told>> = {
  id: (_core, { view }) => view.mirror?.id,
  etag: (_core, { view }) => view.mirror?.eTag,
  ctag: (_core, { view }) => view.mirror?.cTag,
  hash: (_core, { view }) => view.mirror?.hash,
  weburl: (_core, { view }) => view.mirror?.webUrl,
  state: (core, subject) => stateOf(core, subject),
  pin: (_core, { facts }) => facts.pin?.toString(),
  pending: (core, { node }) => String(pendingBelow(core, node)),
  error: (core, { node }) => stuckReason(core.read, node),
  local: (_core, { facts }) => (facts.localOnly ? "1" : undefined),
};

function valueOf(core: Core, subject: Subject, name: string): string | Uint8Array | undefined {
  if (!name.startsWith(OURS)) return subject.facts.xattrs?.[name];
  const told = name.slice(OURS.length);
  return Object.hasOwn(TOLD, told) ? TOLD[told]!(core, subject) : undefined;
}

function setOurs(core: Core, subject: Subject, name: string, text: string | undefined): Answer<undefined> {
  const value = text?.trim();
  if (value !== undefined && value !== "0" && value !== "1") return refuseValue(name);
  if (name === `${OURS}pin`) return setPin(core, subject, value);
  if (name === `${OURS}local`) return setLocal(core, subject, value === "1");
  return fault("notPermitted", `${name} is told, not set`);
}

function isSettable(name: string): boolean {
  return name === `${OURS}pin` || name === `${OURS}local`;
}

function refuseValue(name: string): Answer<never> {
  return isSettable(name) ? fault("invalid", `${name} is 0 or 1`) : fault("notPermitted", `${name} is told, not set`);
}

function setPin(core: Core, subject: Subject, value: "0" | "1" | undefined): Answer<undefined> {
  const { pin: _before, ...rest } = subject.facts;
  const done = keep(core, subject, value === undefined ? rest : { ...rest, pin: value === "1" ? 1 : 0 });
  if (done.ok) core.changed({ kind: "pin", node: subject.node });
  return done;
}

function setLocal(core: Core, subject: Subject, local: boolean): Answer<undefined> {
  if (local && (subject.view.mirror || core.read.intents.get(subject.node)))
    return fault("notPermitted", "the cloud has this item already");
  const { localOnly: _before, ...rest } = subject.facts;
  const done = keep(core, subject, local ? { ...rest, localOnly: true } : rest);
  if (done.ok) core.changed({ kind: "logged" });
  return done;
}

function keep(core: Core, subject: Subject, facts: Facts): Answer<undefined> {
  const changed = { ...facts, ctime: core.now() };
  if (subject.alive) return core.commit((tx) => tx.facts.put(subject.node, changed)) as Answer<undefined>;
  core.orphans.set(subject.node, { view: subject.view, facts: changed });
  return ok();
}

function stateOf(core: Core, { node, view, alive }: Subject): ContentState {
  if (core.read.conflicts.get(node)) return "conflict";
  const ops = ofNode(core.read, node);
  if (ops.some(({ status }) => status.state === "parked")) return "error";
  const sending = ops.some(({ status }) => status.state === "inflight") || core.read.intents.get(node) !== undefined;
  if (view.content.from === "blob")
    return sending && core.read.blobs.get(view.content.blob)?.state !== "open" ? "uploading" : "dirty";
  if (view.kind === "folder") return view.mirror ? (isListed(core.read, node) ? "cached" : "cloud") : "dirty";
  if (!alive) return "cached";
  return ({ none: "cloud", some: "partial", all: "cached" } as const)[core.content.have(node)];
}

/** Operations of the node and of everything below it that have still to reach the cloud. */
function pendingBelow(core: Core, top: ItemKey): number {
  let count = 0;
  for (const { op } of all(core.read))
    if (isBelow(core.read, op.node, top) && !isLocalOnly(core.read, op.node, core.localOnlyNames)) count++;
  return count;
}

/** Also for a node that is gone: by the place the cloud has it at. */
function isBelow(read: Reader, node: ItemKey, top: ItemKey): boolean {
  for (let at = node; ;) {
    if (at === top) return true;
    const place = at === ROOT ? undefined : (viewLocal(read, at) ?? read.mirror.get(at));
    if (!place) return false;
    at = place.parent;
  }
}

function stuckReason(read: Reader, node: ItemKey): string | undefined {
  for (const { status } of ofNode(read, node))
    if (status.state === "parked" || status.state === "held") return status.reason;
  return undefined;
}
