/**
 * Keeps what is pinned here: fetches every file of pinned folders, now and whenever something changes below them. A pin is a fact of
 * a node (1 keep, 0 explicitly not, absent: as the parent), so it survives renames and restarts by itself.
 */
import type { Clock } from "../base/clock.ts";
import { limit } from "../base/limit.ts";
import { breathe, startLoop } from "../base/loop.ts";
import type { Log } from "../base/log.ts";
import type { Content } from "../content/content.ts";
import { isPinned } from "../content/evict.ts";
import { itemKey, ROOT, type ItemKey } from "../model/ids.ts";
import { BACKOFF_MOST_MS, PINS_FETCHED_AT_ONCE_MAX, PINS_INTERVAL_MS, PINS_ROWS_PER_TURN } from "../model/limits.ts";
import type { Reader } from "../store/store.ts";
import { localChildren, viewLocal } from "../store/tree.ts";

export interface Pins {
  /** Something was pinned, or changed where something may be pinned. */
  wake(): void;
  stop(): Promise<void>;
}

export interface PinsOptions {
  readonly read: Reader;
  readonly content: Pick<Content, "have" | "hydrate">;
  readonly clock: Clock;
  readonly log: Log;
  onDefect(error: unknown): void;
}

export function keepPinned(options: PinsOptions): Pins {
  const { read, content, clock, log, onDefect } = options;
  let nextLookAt = 0;
  const round = async (signal: AbortSignal): Promise<number> => {
    const beganAt = clock.now();
    if (beganAt < nextLookAt) return nextLookAt - beganAt;
    const pinned = await pinnedFiles(read);
    nextLookAt = clock.now() + Math.max(PINS_INTERVAL_MS, 20 * (clock.now() - beganAt));
    let missed = false;
    let offline = false;
    const fetchOne = async (node: ItemKey): Promise<void> => {
      if (signal.aborted || offline || !isPinned(read, node) || content.have(node) === "all") return;
      const fetched = await content.hydrate(node, signal);
      if (fetched.ok) return;
      missed = true;
      offline ||= fetched.fault.kind === "offline";
      log.trace("a pinned file is not here yet", { node, why: fetched.fault.why });
    };
    const gate = limit(PINS_FETCHED_AT_ONCE_MAX);
    await Promise.all(pinned.map((node) => gate.run(() => fetchOne(node))));
    if (signal.aborted) return 0;
    return missed ? BACKOFF_MOST_MS : 24 * 3600 * 1000;
  };
  return startLoop({ clock, round, onDefect });
}

/** Bytes of the files below `node` (itself included) that are not wholly here. */
export function missingBytes(read: Reader, content: Pick<Content, "have">, node: ItemKey): number {
  let bytes = 0;
  for (const file of filesBelow(read, node))
    if (content.have(file) !== "all") bytes += viewLocal(read, file)?.size ?? 0;
  return bytes;
}

/** Every file at or below `node`. */
export function* filesBelow(read: Reader, node: ItemKey): Iterable<ItemKey> {
  const view = viewLocal(read, node);
  if (!view) return;
  if (view.kind === "file") yield node;
  else for (const child of Array.from(localChildren(read, node))) yield* filesBelow(read, child);
}

/** Collected first: the tree may change while files are fetched. */
async function pinnedFiles(read: Reader): Promise<readonly ItemKey[]> {
  const files = new Set<ItemKey>();
  for (const root of await pinnedRoots(read)) for (const file of filesBelow(read, root)) files.add(file);
  return [...files].filter((node) => isPinned(read, node));
}

/** Many nodes have facts, few a pin: looked through in turns with everything else. */
async function pinnedRoots(read: Reader): Promise<readonly ItemKey[]> {
  const roots: ItemKey[] = [];
  for (let start = ROOT; ;) {
    const rows = [...read.facts.range({ start, limit: PINS_ROWS_PER_TURN })];
    for (const [node, facts] of rows) if (facts.pin === 1) roots.push(node);
    const last = rows.at(-1)?.[0];
    if (last === undefined || rows.length < PINS_ROWS_PER_TURN) return roots;
    start = itemKey(last + 1);
    await breathe();
  }
}
