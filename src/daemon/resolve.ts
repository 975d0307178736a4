/**
 * Settles a conflict the way a person says. The bytes that lose are deleted only after those that win are safely in place, through
 * the same calls any program would make, so everything the vfs promises holds here too. A copy that was written to, moved or deleted
 * meanwhile is not what the person spoke of: it stays as it is.
 */
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { conflictOriginal, fold } from "../model/name.ts";
import type { Reader, Store } from "../store/store.ts";
import { localAt, viewLocal, type LocalView } from "../store/tree.ts";
import type { Caller, Vfs } from "../vfs/vfs.ts";

export interface Resolution {
  readonly store: Store;
  readonly vfs: Vfs;
  /** The conflict copy, or the file it is a copy of. */
  readonly node: ItemKey;
  readonly keep: "mine" | "theirs" | "both";
}

const LOCAL = "user.onedrive.local";
const BLOCK_BYTES = 1024 * 1024;
const daemon: Caller = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, pid: process.pid };

export async function resolveConflict(resolution: Resolution): Promise<Result<undefined, Fault>> {
  const { store, keep } = resolution;
  const found = findConflict(resolution);
  if (!found.ok) return found;
  const { copy, mine, theirs } = found.value;
  const settled = keep === "both" ? await letGo(resolution, mine) : await choose(resolution, { mine, theirs });
  if (!settled.ok) return settled;
  store.transact((tx) => tx.conflicts.remove(copy));
  return ok();
}

interface Found {
  readonly copy: ItemKey;
  readonly mine: LocalView;
  /** Undefined: there is nothing any more that it would be in conflict with. */
  readonly theirs: LocalView | undefined;
}

function findConflict({ store, node }: Resolution): Result<Found, Fault> {
  const { read } = store;
  const named = read.conflicts.get(node);
  const rows = named
    ? [[node, named] as const]
    : [...read.conflicts.range()].filter(([copy, row]) => row.of === node && viewLocal(read, copy));
  const [copy, row] = rows[0] ?? [];
  const mine = copy === undefined ? undefined : viewLocal(read, copy);
  if (copy === undefined || !row || !mine) return fault("notFound", "no conflict is known of this item");
  if (rows.length > 1) return fault("invalid", "several conflict copies of this item: name the copy you mean");
  const other = row.of === copy ? occupantOf(read, mine) : row.of;
  return ok({ copy, mine, theirs: other === undefined ? undefined : viewLocal(read, other) });
}

/** What stands at the place that a file renamed aside could not have. */
function occupantOf(read: Reader, { node, parent, name }: LocalView): ItemKey | undefined {
  const original = conflictOriginal(name);
  const there = original === undefined ? undefined : localAt(read, parent, fold(original));
  return there === node ? undefined : there;
}

/** A copy that was kept on this machine only goes to the cloud from now on, like any other. */
async function letGo({ store, vfs }: Resolution, mine: LocalView): Promise<Result<undefined, Fault>> {
  return store.read.facts.get(mine.node)?.localOnly ? vfs.removexattr(mine.node, LOCAL) : ok();
}

/** One of the two goes; without the other one there is nothing to choose, and what is here stays. */
async function choose(
  resolution: Resolution,
  { mine, theirs }: Pick<Found, "mine" | "theirs">,
): Promise<Result<undefined, Fault>> {
  const { vfs, keep } = resolution;
  if (!theirs) return fault("invalid", "there is nothing it is in conflict with any more: --keep both settles it");
  if (mine.kind === "folder" || theirs.kind === "folder")
    return fault("invalid", "folders are settled by moving what is in them; then --keep both");
  const before = stateOf(resolution, mine);
  const isAsItWas = (): boolean => stateOf(resolution, mine) === before;
  if (keep === "mine") {
    const replaced = await replaceContent(vfs, { from: mine, to: theirs, isAsItWas });
    if (!replaced.ok) return replaced;
  }
  return isAsItWas() ? vfs.unlink(mine.parent, mine.name) : CHANGED;
}

const CHANGED = fault("busy", "the copy was changed meanwhile; it stays as it is now");

/** Its place, and the length and times that every write moves, also one that a program has not ended yet. A push moves none of them. */
function stateOf({ store, vfs }: Resolution, { node }: LocalView): string {
  const view = viewLocal(store.read, node);
  const shown = vfs.getattr(node);
  const { size, mtime, ctime } = shown.ok ? shown.value : {};
  return JSON.stringify([view?.parent, view?.name, size, mtime, ctime]);
}

/** The bytes of `from` become a new version of `to`: written beside it, then renamed over it, as an editor saves. */
async function replaceContent(
  vfs: Vfs,
  { from, to, isAsItWas }: { from: LocalView; to: LocalView; isAsItWas(): boolean },
): Promise<Result<undefined, Fault>> {
  const name = `.~resolving-${to.node}.tmp`;
  const written = await copyBeside(vfs, { from, to, name });
  const whole = written.ok && !isAsItWas() ? CHANGED : written;
  if (whole.ok) return vfs.rename({ parent: to.parent, name }, { parent: to.parent, name: to.name }, "replace");
  await vfs.unlink(to.parent, name);
  return whole;
}

async function copyBeside(
  vfs: Vfs,
  { from, to, name }: { from: LocalView; to: LocalView; name: string },
): Promise<Result<undefined, Fault>> {
  const source = await vfs.open(from.node, { read: true, write: false, append: false, truncate: false }, daemon);
  if (!source.ok) return source;
  const flags = { read: false, write: true, append: false, truncate: true, exclusive: false };
  const shown = vfs.getattr(to.node);
  const mode = shown.ok ? shown.value.mode & 0o777 : 0o600;
  const target = await vfs.create(to.parent, name, mode, flags, daemon);
  if (!target.ok) {
    await vfs.release(source.value);
    return target;
  }
  try {
    for (let position = 0; ;) {
      const bytes = await vfs.read(source.value, position, BLOCK_BYTES);
      if (!bytes.ok) return bytes;
      if (bytes.value.length === 0) break;
      const written = await vfs.write(target.value.handle, position, bytes.value);
      if (!written.ok) return written;
      // A disk that is filling up takes a part.
      position += written.value;
    }
    return await vfs.fsync(target.value.handle);
  } finally {
    await vfs.release(source.value);
    await vfs.release(target.value.handle);
  }
}
