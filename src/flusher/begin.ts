/**
 * From a step to a request: checks the step once more against the trees, takes from the Mirror what the request is conditional
 * on, and records in one transaction what must be known after a crash: the intent of a create, the name of a park, and which
 * operations are under way. Nothing is sent here.
 */
import { noteAsked } from "../apply/echo.ts";
import type { Frozen } from "../content/content.ts";
import type { Step } from "../merge/merge.ts";
import type { CTag, ETag, ItemId, ItemKey } from "../model/ids.ts";
import { blobVersion, type MirrorItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import { isLocalOnly } from "../store/local-only.ts";
import type { Reader, Writer } from "../store/store.ts";
import { mirrorAt, viewLocal, type LocalView } from "../store/tree.ts";
import { markInflight } from "./op-states.ts";
import type { Pushing } from "./pushing.ts";

export type Seen = ETag | CTag | undefined;

export type Request =
  | { readonly action: "createFolder"; readonly parent: ItemId; readonly name: string }
  | {
      readonly action: "createFile";
      readonly parent: ItemId;
      readonly name: string;
      readonly mtime: number;
      readonly frozen: Frozen;
    }
  | {
      readonly action: "writeContent";
      readonly id: ItemId;
      readonly seen: Seen;
      readonly mtime: number;
      readonly frozen: Frozen;
    }
  | {
      readonly action: "move";
      readonly id: ItemId;
      readonly seen: Seen;
      readonly parent?: ItemId;
      readonly name?: string;
      readonly mtime?: number;
    }
  | { readonly action: "setMetadata"; readonly id: ItemId; readonly seen: Seen; readonly mtime: number }
  | { readonly action: "deleteFile" | "deleteFolder"; readonly id: ItemId; readonly seen: Seen };

export interface Begun {
  readonly step: Step;
  readonly request: Request;
  /** The operations it stands for. */
  readonly upTo: number;
  /** Where a create or move puts its item: the occupant is read there when the name is taken. */
  readonly slot: { readonly parent: ItemId; readonly name: string } | undefined;
}

/** Undefined when the step does not hold any more. */
export function begin(pushing: Pushing, step: Step, frozen: Frozen | undefined): Begun | undefined {
  const { store } = pushing;
  const request = requestOf(store.read, step, frozen);
  if (!request) return undefined;
  const upTo = store.transact((tx) => {
    recordIntent(tx, { step, request, at: pushing.clock.now() });
    return markInflight(tx, step.node);
  });
  return { step, request, upTo, slot: slotOf(store.read, step) };
}

/** The unpushed bytes that the step sends, when they still are the node's. */
export function blobOf(read: Reader, step: Step & { action: "createFile" | "writeContent" }) {
  const view = viewLocal(read, step.node);
  if (view?.content.from !== "blob") return undefined;
  return blobVersion(view.content.blob) === step.bytes.version ? view.content.blob : undefined;
}

function requestOf(read: Reader, step: Step, frozen: Frozen | undefined): Request | undefined {
  const view = viewLocal(read, step.node);
  const mirror = read.mirror.get(step.node);
  switch (step.action) {
    case "createFolder":
    case "createFile":
      return mirror === undefined && view && isAt(view, step) ? createOf(read, step, frozen) : undefined;
    case "writeContent":
      if (!mirror || !frozen || blobOf(read, step) === undefined) return undefined;
      return { action: "writeContent", id: mirror.id, seen: mirror.cTag ?? mirror.eTag, mtime: step.mtime, frozen };
    case "move":
      return mirror && (step.park || (view && isAt(view, step))) ? moveOf(read, { step, mirror }) : undefined;
    case "setMetadata":
      if (!mirror || view?.mtime !== step.mtime) return undefined;
      return { action: "setMetadata", id: mirror.id, seen: mirror.eTag ?? mirror.cTag, mtime: step.mtime };
    case "deleteFile":
    case "deleteFolder":
      if (!mirror || view !== undefined) return undefined;
      return { action: step.action, id: mirror.id, seen: mirror.eTag ?? mirror.cTag };
  }
}

function createOf(
  read: Reader,
  step: Step & { action: "createFolder" | "createFile" },
  frozen: Frozen | undefined,
): Request | undefined {
  const parent = read.mirror.get(step.parent)?.id;
  if (parent === undefined || mirrorAt(read, step.parent, fold(step.name)) !== undefined) return undefined;
  // A person may have said so since the plan was made; names that stay here the plan knows.
  if (isLocalOnly(read, step.node, [])) return undefined;
  if (step.action === "createFolder") return { action: "createFolder", parent, name: step.name };
  if (!frozen || blobOf(read, step) === undefined) return undefined;
  return { action: "createFile", parent, name: step.name, mtime: step.mtime, frozen };
}

/** Name, place and time in one request: the service would set the time of a moved item to now. */
function moveOf(
  read: Reader,
  { step, mirror }: { step: Step & { action: "move" }; mirror: MirrorItem },
): Request | undefined {
  const parent = read.mirror.get(step.parent)?.id;
  const occupant = mirrorAt(read, step.parent, fold(step.name));
  if (parent === undefined || (occupant !== undefined && occupant !== step.node)) return undefined;
  return {
    action: "move",
    id: mirror.id,
    seen: mirror.eTag ?? mirror.cTag,
    ...(step.parent === mirror.parent ? {} : { parent }),
    ...(step.name === mirror.name ? {} : { name: step.name }),
    ...(mirror.kind === "file" ? { mtime: mirror.mtime } : {}),
  };
}

function slotOf(read: Reader, step: Step): Begun["slot"] {
  if (step.action !== "createFolder" && step.action !== "createFile" && step.action !== "move") return undefined;
  const parent = read.mirror.get(step.parent)?.id;
  return parent === undefined ? undefined : { parent, name: step.name };
}

function recordIntent(tx: Writer, { step, request, at }: { step: Step; request: Request; at: number }): void {
  const node: ItemKey = step.node;
  if (step.action === "createFolder")
    tx.intents.put(node, { parent: step.parent, name: step.name, kind: "folder", at });
  if (step.action === "createFile" && request.action === "createFile") {
    const { hash, blob, body } = request.frozen;
    const session = tx.sessions.get(blob);
    const { parent = step.parent, name = step.name } = session?.node === node && session.hash === hash ? session : {};
    tx.intents.put(node, { parent, name, kind: "file", hash, size: body.size, blob, at });
  }
  if (request.action === "move" && step.action === "move") {
    const { mtime } = request;
    noteAsked(tx, node, { parent: step.parent, name: step.name, ...(mtime === undefined ? {} : { mtime }) });
  }
  const held = tx.mirror.get(node);
  if (request.action === "setMetadata" && held)
    noteAsked(tx, node, { parent: held.parent, name: held.name, mtime: request.mtime });
  if (step.action === "move" && step.park) {
    const originalName = tx.parks.get(node)?.originalName ?? tx.mirror.get(node)?.name ?? step.name;
    tx.parks.put(node, { originalName, parkingName: step.name, at });
  }
}

function isAt(view: LocalView, step: { readonly parent: ItemKey; readonly name: string }): boolean {
  return view.parent === step.parent && view.name === step.name;
}
