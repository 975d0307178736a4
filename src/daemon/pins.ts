/**
 * Keeps what is pinned here: fetches every file of pinned folders, now and whenever something changes below them. A pin is a fact of
 * a node (1 keep, 0 explicitly not, absent: as the parent), so it survives renames and restarts by itself.
 */
import type { Clock } from "../base/clock.ts";
import { limit } from "../base/limit.ts";
import { startLoop } from "../base/loop.ts";
import type { Log } from "../base/log.ts";
import type { Content } from "../content/content.ts";
import { isPinned } from "../content/evict.ts";
import type { ItemKey } from "../model/ids.ts";
import { BACKOFF_MOST_MS, PINS_FETCHED_AT_ONCE_MAX, PINS_INTERVAL_MS } from "../model/limits.ts";
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
    const pinned = pinnedFiles(read);
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
function pinnedFiles(read: Reader): readonly ItemKey[] {
  const roots = [...read.facts.range()].filter(([, facts]) => facts.pin === 1).map(([node]) => node);
  const files = roots.flatMap((root) => [...filesBelow(read, root)]);
  return [...new Set(files)].filter((node) => isPinned(read, node));
}
