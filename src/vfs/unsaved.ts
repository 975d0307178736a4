/**
 * What a running write changes, and when it is committed. While a file is open its length is its Source's and its mtime is kept in
 * memory; both are committed at the first write (`dirtied`, before it is answered), at flush, fsync, truncate and
 * release. So kill -9 between two closes loses at most bytes that no close has promised yet.
 */
import { ok } from "../base/result.ts";
import type { Dirtied, Source } from "../content/content.ts";
import { fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { blobVersion } from "../model/item.ts";
import { touch } from "../oplog/oplog.ts";
import { changeTrees, viewLocal } from "../store/tree.ts";
import { later, rowOf, setFacts, type Core } from "./core.ts";
import { busyWith, record, releaseBlob } from "./pending.ts";
import type { Answer } from "./vfs.ts";

/** A write was made: size and mtime have moved in memory. */
export function touchedNow(core: Core, source: Source): void {
  if (source.blob !== undefined) core.files.unsaved.set(source.blob, core.now());
}

/** Commits length and mtime of the Source's blob, when they have moved and the file still consists of that blob. */
export function save(core: Core, source: Source): Answer<undefined> {
  const { blob } = source;
  if (blob === undefined) return ok();
  const view = viewLocal(core.read, source.node);
  if (!view || view.content.from !== "blob" || view.content.blob !== blob) return ok();
  const time = core.files.unsaved.get(blob);
  if (!time && view.content.size === source.size) return ok();
  const content = { ...view.content, size: source.size };
  const done = core.commit((tx) => {
    const at = core.clock.now();
    changeTrees(tx, new Map([[view.node, { local: rowOf(view, { content, mtime: time?.s ?? view.mtime }) }]]));
    if (time) setFacts(tx, view.node, { mtime: time, ctime: later(time, tx.facts.get(view.node)?.ctime)! });
    touch(tx, view.node, at);
  });
  if (!done.ok) return done;
  core.files.unsaved.delete(blob);
  core.changed({ kind: "logged", settling: true });
  return ok();
}

/** The settle window of the node's operations begins anew. */
export function touchOps(core: Core, node: ItemKey): void {
  const done = core.commit((tx) => void touch(tx, node, core.clock.now()));
  if (!done.ok) core.log.fault("the settle window could not be moved", { why: done.fault.why });
}

/**
 * Content has made a new blob for a change that is not answered yet: from now on the file consists of it. A file that was unlinked here
 * but is open leaves no trace. Throws StoreFull when the disk is full, StaleWrite when it would push aside bytes it does not build on,
 * or when the cloud has deleted the file: what nobody would ever find again is not taken.
 */
export function dirtied(core: Core, event: Parameters<Dirtied>[0]): void {
  const view = viewLocal(core.read, event.node);
  if (!view && core.orphans.has(event.node)) return;
  if (!view) throw new StaleWrite();
  const before = view.content.from === "blob" ? view.content : undefined;
  if (before && event.seen !== blobVersion(before.blob)) throw new StaleWrite();
  const now = core.now();
  core.store.transact((tx) => {
    const seen = before && !busyWith(tx, event.node) ? before.seen : event.seen;
    const content = {
      from: "blob",
      blob: event.blob,
      size: event.size,
      ...(seen === undefined ? {} : { seen }),
    } as const;
    const { node, blob, damaged } = event;
    tx.blobs.put(blob, { node, size: 0, state: "open", ...(damaged === undefined ? {} : { damaged }) });
    changeTrees(tx, new Map([[event.node, { local: rowOf(view, { content, mtime: now.s }) }]]));
    if (before) releaseBlob(tx, before.blob);
    setFacts(tx, event.node, { mtime: now, ctime: now });
    const op = { type: "writeContent", node: event.node, blob: event.blob } as const;
    record(tx, seen === undefined ? op : { ...op, seen }, core.clock.now());
  });
  if (before) core.files.unsaved.delete(before.blob);
  core.changed({ kind: "logged", settling: true });
}

/** A handle on an older version of the cloud's was written to after the file got other bytes here, or was deleted in the cloud. */
class StaleWrite extends Error {
  override readonly name = "StaleWrite";
}

/** Carries out a change of bytes that may turn out to be stale. */
export async function unlessStale<T>(change: Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof StaleWrite) return fault("stale", "the file got other bytes since it was opened, or is gone");
    throw error;
  }
}
