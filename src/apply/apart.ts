/**
 * Whether what the cloud tells and what differs here have nothing to do with each other. Then a rebase would leave Local as it is (merge
 * A1, item by item), and ten thousand unpushed files need not be merged because somebody added a photo elsewhere.
 *
 * When in doubt it says no. Looked at are the items told themselves, the places they get, the folders above those, and for a folder that
 * is gone what hangs below it; costs depend on the news alone.
 */
import { ROOT, itemKey, type Folded, type ItemKey } from "../model/ids.ts";
import type { MirrorItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import type { Reader } from "../store/store.ts";
import type { Incoming } from "./incoming.ts";

export function isApart(read: Reader, { rows, claimed }: Incoming): boolean {
  if (claimed.size > 0) return false;
  if (read.local.count === 0) return true;
  /** Folders with nothing of ours at them nor above them. */
  const clear = new Set<ItemKey>([ROOT]);
  const isClear = (folder: ItemKey): boolean => {
    const path: ItemKey[] = [];
    for (let at = folder; !clear.has(at);) {
      const row = rows.get(at) ?? read.mirror.get(at);
      if (!row || read.local.get(at)) return false;
      path.push(at);
      at = row.parent;
    }
    for (const each of path) clear.add(each);
    return true;
  };
  for (const [node, row] of rows) {
    if (read.local.get(node)) return false;
    if (row ? node !== ROOT && !isFree(read, row, isClear) : hasOursBelow(read, node)) return false;
  }
  return true;
}

function isFree(read: Reader, { parent, name }: MirrorItem, isClear: (folder: ItemKey) => boolean): boolean {
  return read.localSlots.get([parent, fold(name)]) === undefined && isClear(parent);
}

/** Something was made in the folder, moved into it, moved out of it or deleted from it. */
function hasOursBelow(read: Reader, folder: ItemKey): boolean {
  const range = { start: [folder, "" as Folded], end: [itemKey(folder + 1), "" as Folded], limit: 1 } as const;
  for (const _ of read.localSlots.range(range)) return true;
  return false;
}
