/** One drive: its identity, its root, its journal and its recycle bin. The simulator has the person's own and a second one. */
import type { Ids } from "./ids.ts";
import type { Item } from "./item.ts";
import type { Journal } from "./journal.ts";

export interface Drive {
  readonly index: number;
  readonly ids: Ids;
  readonly owner: string;
  readonly root: Item;
  readonly journal: Journal;
  /** The tops of what was deleted, newest last. */
  readonly bin: Set<Item>;
  quotaBytes: number;
}

export function usedBytes(drive: Drive): number {
  return drive.root.size;
}

export function binBytes(drive: Drive): number {
  let sum = 0;
  for (const item of drive.bin) sum += item.size;
  return sum;
}
