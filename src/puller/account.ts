/**
 * Facts of the account: which drive this is, its root, its quota. Read at the start and now and then; kept in the store for
 * statfs and status. Another drive than the one the state folder belongs to is refused: its tree would look like a mass deletion.
 */
import { failed, ok, type Result } from "../base/result.ts";
import type { DriveInfo } from "../drive/drive.ts";
import { fault, type Fault } from "../model/fault.ts";
import { ROOT, type ItemId } from "../model/ids.ts";
import { DRIVE_INFO_INTERVAL_MS } from "../model/limits.ts";
import type { Writer } from "../store/store.ts";
import type { Pulling } from "./pulling.ts";

/** What `meta.drive` holds. */
export type KnownDrive = Omit<DriveInfo, "quota">;

export function accountFacts(pulling: Pick<Pulling, "store" | "drive" | "clock" | "heard">): Pulling["knowDrive"] {
  let readAt: number | undefined;
  return async (signal) => {
    const now = pulling.clock.now();
    if (readAt !== undefined && now - readAt < DRIVE_INFO_INTERVAL_MS) return ok(undefined);
    const info = pulling.heard(await pulling.drive.info(signal));
    if (!info.ok) return mayGoOn(pulling, info.fault) ? ok(undefined) : info;
    const kept = keep(pulling, info.value);
    if (!kept.ok) return kept;
    readAt = now;
    return info;
  };
}

/** The root's id; the root is in the Mirror afterwards, before anything below it. */
export async function rootId(pulling: Pulling, signal: AbortSignal): Promise<Result<ItemId, Fault>> {
  const known = pulling.store.read.mirror.get(ROOT);
  if (known) return ok(known.id);
  const drive = pulling.store.read.meta.get("drive") as KnownDrive | undefined;
  const info = drive ? ok(drive) : await pulling.drive.info(signal);
  if (!info.ok) return info;
  const root = await pulling.drive.item(info.value.rootId, signal);
  if (!root.ok) return root;
  const kept = await pulling.absorb({ changes: [{ deleted: false, item: root.value }] }, signal);
  return kept.ok ? ok(root.value.id) : kept;
}

/** The facts change rarely: when they are known, a failing request for them alone stops nothing. */
function mayGoOn(pulling: Pick<Pulling, "store">, why: Fault): boolean {
  const known = pulling.store.read.meta.get("drive") !== undefined && pulling.store.read.mirror.get(ROOT) !== undefined;
  return known && why.kind !== "offline" && why.kind !== "signedOut" && why.kind !== "interrupted";
}

function keep(pulling: Pick<Pulling, "store">, info: DriveInfo): Result<undefined, Fault> {
  const { quota, ...drive } = info;
  const known = pulling.store.read.meta.get("drive") as KnownDrive | undefined;
  if (known && known.driveId !== drive.driveId)
    return failed({ ...fault("denied", "the account's drive is not the one this state folder belongs to").fault });
  pulling.store.transact((tx) => {
    putChanged(tx, "drive", drive);
    if (quota) putChanged(tx, "quota", quota);
  });
  return ok();
}

function putChanged(tx: Writer, key: "drive" | "quota", value: object): void {
  if (JSON.stringify(tx.meta.get(key)) !== JSON.stringify(value)) tx.meta.put(key, value);
}
