/**
 * Parking names that nobody here gave: another device stepped aside in the middle of a swap and died. What carries one is noted when
 * the cloud tells of it; when it has carried it for an hour unchanged, it gets its own name back, as if the person had renamed it here.
 * Should the owner live after all, it renames again; nothing is lost either way, for a rename is conditional on what was seen.
 */
import { isoDate } from "../merge/aside.ts";
import { ROOT, itemKey, type ItemKey } from "../model/ids.ts";
import type { MirrorItem } from "../model/item.ts";
import { PARK_SWEEP_MS } from "../model/limits.ts";
import { conflictName, fold, parkedOriginal } from "../model/name.ts";
import { append } from "../oplog/oplog.ts";
import type { Reader, Store, Writer } from "../store/store.ts";
import { changeTrees, localAt, mirrorAt, viewLocal } from "../store/tree.ts";
import type { Applied } from "./apply.ts";
import { watchViews } from "./views.ts";

/** By node: the parking name, and since when it is known (milliseconds since the epoch). */
type Noted = Readonly<Record<string, { readonly name: string; readonly at: number }>>;

/** To be called with rows of the cloud, in the transaction that writes them. */
export function noteForeignParks(tx: Writer, rows: Iterable<readonly [ItemKey, MirrorItem | null]>, now: number): void {
  let noted: Noted | undefined;
  for (const [node, row] of rows) {
    if (!row || node === ROOT || parkedOriginal(row.name) === undefined || tx.parks.get(node)) continue;
    noted ??= notedIn(tx);
    if (noted[node]?.name !== row.name) noted = { ...noted, [node]: { name: row.name, at: now } };
  }
  if (noted) tx.meta.put("foreignParks", noted);
}

/** Gives back the names that are due. Undefined: there was nothing to do. */
export function sweepForeignParks(store: Store, { device, now }: { device: string; now: number }): Applied | undefined {
  const all = Object.entries(notedIn(store.read));
  const due = all.filter(([, { at }]) => now - at >= PARK_SWEEP_MS);
  if (due.length === 0) return undefined;
  const nodes = due.map(([node]) => itemKey(Number(node)));
  const views = watchViews(store.read, nodes);
  store.transact((tx) => {
    for (const [node, { name }] of due) giveBack(tx, itemKey(Number(node)), { name, device, now });
    tx.meta.put("foreignParks", Object.fromEntries(all.filter((entry) => !due.includes(entry))));
  });
  return { conflicts: [], adopt: [], ...views.changed([]) };
}

/** Whoever was renamed meanwhile, there or here, or is ours after all, is left alone. */
function giveBack(
  tx: Writer,
  node: ItemKey,
  { name, device, now }: { name: string; device: string; now: number },
): void {
  const original = parkedOriginal(name);
  const view = viewLocal(tx, node);
  if (!view || original === undefined || view.name !== name || view.mirror?.name !== name || tx.parks.get(node)) return;
  const { kind, parent, mtime, content } = view;
  const taken = (wanted: string): boolean =>
    localAt(tx, parent, fold(wanted)) !== undefined || mirrorAt(tx, parent, fold(wanted)) !== undefined;
  const mark = { device, date: isoDate(mtime), tag: node.toString(36) };
  const free = taken(original) ? conflictName(original, mark, taken) : original;
  changeTrees(tx, new Map([[node, { local: { kind, parent, name: free, mtime, content } }]]));
  append(tx, { type: "move", node, parent, name: free, fromParent: parent, fromName: name }, now);
}

function notedIn(read: Reader): Noted {
  return (read.meta.get("foreignParks") as Noted | undefined) ?? {};
}
