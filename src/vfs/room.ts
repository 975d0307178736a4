/**
 * Room: what statfs says, and whether a file may grow. The cloud's quota is what the puller stored; the free space of the disk is
 * asked for in the background, so no call waits for it. Nothing is reserved for the holes of a sparse file.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { DISK_FREE_INTERVAL_MS, FILE_BYTES_MAX, NAME_UTF16_UNITS_MAX } from "../model/limits.ts";
import { isLocalOnly } from "../store/local-only.ts";
import type { Core } from "./core.ts";
import type { Answer, FileSystemStatus } from "./vfs.ts";

const BLOCK_BYTES = 4096;
/** Shown while the quota is not known. */
const UNKNOWN_QUOTA_BYTES = 1024 ** 5;
const FILES = 1_000_000_000;

interface Quota {
  readonly total: number;
  readonly remaining: number;
}

export interface Room {
  statfs(): Answer<FileSystemStatus>;
}

export function makeRoom(core: Core): Room {
  let diskFree = Infinity;
  let askedAt = -Infinity;
  const ask = (): void => {
    const now = core.clock.now();
    if (now - askedAt < DISK_FREE_INTERVAL_MS) return;
    askedAt = now;
    core.content.use().then(
      (use) => void (diskFree = use.diskFreeBytes),
      (error: unknown) => core.log.fault("the free space of the disk is not known", { error }),
    );
  };
  return {
    statfs() {
      ask();
      const quota = quotaOf(core) ?? { total: UNKNOWN_QUOTA_BYTES, remaining: UNKNOWN_QUOTA_BYTES };
      const files = core.read.mirror.count + core.read.local.count;
      return ok({
        blockSize: BLOCK_BYTES,
        blocks: blocks(quota.total),
        blocksFree: blocks(quota.remaining),
        blocksAvailable: blocks(Math.min(quota.remaining, diskFree)),
        files: FILES,
        filesFree: Math.max(FILES - files, 0),
        nameMax: NAME_UTF16_UNITS_MAX,
      });
    },
  };
}

/** Whether the file may be `size` bytes long. What it has in the cloud already counts as room. */
export function roomFor(core: Core, node: ItemKey, size: number): Answer<undefined> {
  if (size > FILE_BYTES_MAX) return fault("tooLarge", "the service takes no file of that size");
  const quota = quotaOf(core);
  if (!quota) return ok();
  const there = core.read.mirror.get(node)?.size ?? 0;
  if (size - there <= quota.remaining) return ok();
  if (isLocalOnly(core.read, node, core.localOnlyNames)) return ok();
  return fault("noSpace", "the file would not fit into the drive's quota");
}

function quotaOf(core: Core): Quota | undefined {
  const stored = core.read.meta.get("quota") as Partial<Quota> | undefined;
  if (typeof stored?.total !== "number" || typeof stored.remaining !== "number" || stored.total <= 0) return undefined;
  return { total: stored.total, remaining: Math.max(stored.remaining, 0) };
}

function blocks(bytes: number): number {
  return Math.floor(Math.min(bytes, 1e18) / BLOCK_BYTES);
}
