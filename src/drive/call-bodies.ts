/** Bodies and conditions of changing calls, the same alone and in a batch. */
import { ok, type Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";
import type { CTag, ETag } from "../model/ids.ts";
import { cloudNameOf } from "./asking.ts";
import type { Drive } from "./drive.ts";
import { wireTime } from "./wire.ts";

/** A new folder; `invalid` when the service cannot hold the name. */
export function folderJson(name: string): Result<Readonly<Record<string, unknown>>, Fault> {
  const cloud = cloudNameOf(name);
  return cloud.ok ? ok({ name: cloud.value, folder: {}, "@microsoft.graph.conflictBehavior": "fail" }) : cloud;
}

export function changeJson(change: Parameters<Drive["update"]>[1]): Result<Readonly<Record<string, unknown>>, Fault> {
  const cloud = change.name === undefined ? undefined : cloudNameOf(change.name);
  if (cloud && !cloud.ok) return cloud;
  return ok({
    ...(cloud ? { name: cloud.value } : {}),
    ...(change.parent === undefined ? {} : { parentReference: { id: change.parent } }),
    ...(change.mtime === undefined ? {} : { fileSystemInfo: { lastModifiedDateTime: wireTime(change.mtime) } }),
  });
}

export function ifMatch(seen: ETag | CTag | undefined): Readonly<Record<string, string>> {
  return seen === undefined ? {} : { "If-Match": seen };
}
