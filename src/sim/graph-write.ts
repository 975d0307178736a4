/** Calls that change items: create a folder, PATCH, delete, copy, restore, delete for good, an old version back. */
import { itemAt, type Address } from "./address.ts";
import { checkPreconditions, conflictOf, isJson, textField, timesOf } from "./ask.ts";
import { empty, json, type Answer, type Hits } from "./exchange.ts";
import { itemJson, type Json } from "./item-json.ts";
import type { Item } from "./item.ts";
import {
  copyItem,
  createFolder,
  occupant,
  purgeItem,
  removeItem,
  restoreItem,
  restoreVersion,
  updateItem,
} from "./mutate.ts";
import { badRequest, notFound, Refusal, unsupported } from "./refusal.ts";
import type { SignedCall } from "./service.ts";

export function postChild(call: SignedCall, address: Address, body: Json): Answer {
  const { world } = call.service;
  const parent = itemAt(world, address);
  const name = textField(body, "name");
  if (name === undefined) throw badRequest("invalidRequest", "The name is missing.");
  if (body["folder"] === undefined) throw unsupported("creating anything but a folder by POST children");
  const slot = { parent, name };
  checkPreconditions(call.head, occupant(slot), world);
  const conflict = conflictOf(call.query, body, "fail");
  const { item, made } = createFolder(world, slot, { conflict, by: call.by, times: timesOf(body) ?? {} });
  return json(made ? 201 : 200, itemJson(item, call.pen));
}

export function patchItem(call: SignedCall, address: Address, body: Json): Answer {
  const { world } = call.service;
  const item = itemAt(world, address);
  checkPreconditions(call.head, item, world);
  updateItem(
    world,
    item,
    {
      name: textField(body, "name"),
      parent: newParent(call, item, body),
      times: timesOf(body),
      description: textField(body, "description"),
    },
    { conflict: conflictOf(call.query, body, "fail"), by: call.by },
  );
  return json(200, itemJson(item, call.pen));
}

export function deleteItem(call: SignedCall, address: Address): Answer {
  const { world } = call.service;
  const item = itemAt(world, address);
  checkPreconditions(call.head, item, world);
  removeItem(world, item, call.by);
  return empty(204);
}

export function permanentDelete(call: SignedCall, address: Address): Answer {
  const { world } = call.service;
  if (!world.profile.permanentDelete) {
    throw new Refusal(405, "notSupported", { message: "Permanent deletion is not supported on this drive." });
  }
  const item = itemAt(world, address);
  checkPreconditions(call.head, item, world);
  purgeItem(world, item, call.by);
  return empty(204);
}

export function postRestore(call: SignedCall, address: Address, body: Json): Answer {
  const { world } = call.service;
  if (!world.profile.restore)
    throw new Refusal(405, "notSupported", { message: "Restore is not supported on this drive." });
  const item = address.anchor.kind === "id" ? world.byId(address.drive, address.anchor.id) : undefined;
  if (!item) throw notFound();
  restoreItem(world, item, { name: textField(body, "name"), parent: newParent(call, item, body) }, call.by);
  return json(200, itemJson(item, call.pen));
}

export function postRestoreVersion(call: SignedCall, address: Address, id: string): Answer {
  const { world } = call.service;
  const item = itemAt(world, address);
  checkPreconditions(call.head, item, world);
  restoreVersion(world, item, Number.parseInt(id, 10), call.by);
  return empty(204);
}

/** 202 with a monitor; the copy is made when the monitor says so. */
export function postCopy(call: SignedCall, address: Address, body: Json, hits: Hits): Answer {
  const { world, monitors } = call.service;
  const item = itemAt(world, address);
  const parent = newParent(call, item, body) ?? item.parent;
  if (!parent) throw badRequest("invalidRequest", "The root cannot be copied here.");
  const slot = { parent, name: textField(body, "name") ?? item.name };
  const query = world.profile.copyConflictInQuery ? call.query : new URLSearchParams();
  const conflict = conflictOf(query, body, "fail");
  const path = monitors.start({ copy: () => copyItem(world, item, slot, { conflict, by: call.by }), hits });
  return empty(202, { location: call.links.monitor + path });
}

function newParent(call: SignedCall, item: Item, body: Json): Item | undefined {
  const { world } = call.service;
  const reference = body["parentReference"];
  if (reference === undefined || reference === null) return undefined;
  if (!isJson(reference)) throw badRequest("invalidRequest", "parentReference must be an object.");
  const id = textField(reference, "id");
  const driveId = textField(reference, "driveId");
  const drive = driveId === undefined ? item.drive : world.drives.find((each) => each.ids.isDriveId(driveId));
  if (!drive) throw badRequest("invalidRequest", "The drive of parentReference is not valid.");
  if (id === undefined && textField(reference, "path") === undefined) return undefined;
  const parent = id === undefined ? byPath(drive.root, textField(reference, "path")!) : world.byId(drive, id);
  if (!parent || parent.binned) throw notFound("The destination folder could not be found.");
  return parent;
}

/** `/drive/root:/A/B` or `/drives/{id}/root:/A/B`. */
function byPath(root: Item, path: string): Item | undefined {
  const colon = path.indexOf(":");
  if (colon < 0 && !/root\/?$/.test(path))
    throw badRequest("invalidRequest", "parentReference.path is not understood.");
  const names =
    colon < 0
      ? []
      : path
          .slice(colon + 1)
          .split("/")
          .filter(Boolean)
          .map(decodeURIComponent);
  let at: Item | undefined = root;
  for (const name of names) at = at && occupant({ parent: at, name });
  return at;
}
