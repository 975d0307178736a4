/**
 * The item at a slot. The service's path lookup is asked first and its answer checked: it decodes names with `%` twice, and is known
 * to name another item at times. Where it cannot be trusted, the folder is listed.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import type { Asking } from "./asking.ts";
import type { Answer, Drive } from "./drive.ts";
import { ITEM_PROPERTIES } from "./wire.ts";

export interface Slot {
  readonly asking: Asking;
  readonly drive: Pick<Drive, "children">;
  readonly parent: ItemId;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

export async function itemAt(slot: Slot): Answer<CloudItem> {
  const { asking, parent, name, signal } = slot;
  const path = asking.slotPath(parent, name);
  if (!path.ok) return path;
  const found = await asking.item({ method: "GET", path: path.value, query: { $select: ITEM_PROPERTIES }, signal });
  if (found.ok && isAt(found.value.item, parent, name)) return ok(found.value.item);
  if (!found.ok && (found.fault.kind !== "notFound" || !name.includes("%"))) return found;
  return listed(slot);
}

async function listed({ drive, parent, name, signal }: Slot): Answer<CloudItem> {
  for (let link: string | undefined; ;) {
    const page = await drive.children(parent, link, signal);
    if (!page.ok) return page;
    const hit = page.value.items.find((item) => isAt(item, parent, name));
    if (hit) return ok(hit);
    link = page.value.next;
    if (link === undefined) return fault("notFound", "no item has this name", { status: 404 });
  }
}

/** The service compares more loosely than `fold` does; here it only has to be no other name altogether. */
function isAt(item: CloudItem, parent: ItemId, name: string): boolean {
  return item.parentId === parent && (fold(item.name) === fold(name) || loose(item.name) === loose(name));
}

function loose(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll("æ", "ae")
    .replaceAll("œ", "oe")
    .replaceAll("ß", "ss");
}
