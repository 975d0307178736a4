/**
 * Settles a conflict the way a person says. The bytes that lose are deleted only after those that win are safely in place, through
 * the same calls any program would make, so everything the vfs promises holds here too.
 */
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Store } from "../store/store.ts";
import { viewLocal, type LocalView } from "../store/tree.ts";
import type { Caller, Vfs } from "../vfs/vfs.ts";

export interface Resolution {
  readonly store: Store;
  readonly vfs: Vfs;
  /** The conflict copy, or the file it is a copy of. */
  readonly node: ItemKey;
  readonly keep: "mine" | "theirs" | "both";
}

const BLOCK_BYTES = 1024 * 1024;
const daemon: Caller = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, pid: process.pid };

export async function resolveConflict(resolution: Resolution): Promise<Result<undefined, Fault>> {
  const { store, node, keep, vfs } = resolution;
  const rows = [...store.read.conflicts.range()].filter(([copy, row]) => copy === node || row.of === node);
  const [copy, row] = rows[0] ?? [];
  if (copy === undefined || row === undefined) return fault("notFound", "no conflict is known of this item");
  if (rows.length > 1) return fault("invalid", "several conflict copies of this item: name the copy you mean");
  const mine = viewLocal(store.read, copy);
  const theirs = viewLocal(store.read, row.of);
  if (keep === "mine" && mine && theirs) {
    if (mine.kind === "folder")
      return fault("invalid", "folders are settled by moving what is in them; then --keep both");
    const replaced = await replaceContent(vfs, mine, theirs);
    if (!replaced.ok) return replaced;
  }
  if (keep !== "both" && mine && theirs && copy !== row.of) {
    const removed = await (mine.kind === "folder"
      ? vfs.rmdir(mine.parent, mine.name)
      : vfs.unlink(mine.parent, mine.name));
    if (!removed.ok) return removed;
  }
  store.transact((tx) => {
    for (const [each] of rows) tx.conflicts.remove(each);
  });
  return ok();
}

/** The bytes of `from` become a new version of `to`: written beside it, then renamed over it, as an editor saves. */
async function replaceContent(vfs: Vfs, from: LocalView, to: LocalView): Promise<Result<undefined, Fault>> {
  const name = `.~resolving-${to.node}.tmp`;
  const source = await vfs.open(from.node, { read: true, write: false, append: false, truncate: false }, daemon);
  if (!source.ok) return source;
  const flags = { read: false, write: true, append: false, truncate: true, exclusive: false };
  const target = await vfs.create(to.parent, name, 0o600, flags, daemon);
  if (!target.ok) return target;
  try {
    for (let position = 0; ;) {
      const bytes = await vfs.read(source.value, position, BLOCK_BYTES);
      if (!bytes.ok) return bytes;
      if (bytes.value.length === 0) break;
      const written = await vfs.write(target.value.handle, position, bytes.value);
      if (!written.ok) return written;
      position += bytes.value.length;
    }
    const synced = await vfs.fsync(target.value.handle);
    if (!synced.ok) return synced;
  } finally {
    await vfs.release(source.value);
    await vfs.release(target.value.handle);
  }
  return vfs.rename({ parent: to.parent, name }, { parent: to.parent, name: to.name }, "replace");
}
