/**
 * The contents of a file that the service keeps: listed, the present one first (of a long list its first page), and read whole. The
 * service tells no hash of them, so a list is worth what its names are: a version of another name is another writing.
 */
import { failed, ok } from "../base/result.ts";
import type { Clock } from "../base/clock.ts";
import { BodyLost } from "../http/http.ts";
import type { ItemId } from "../model/ids.ts";
import type { Asking } from "./asking.ts";
import { DownloadCut, type Answer, type ItemVersion } from "./drive.ts";
import type { Outside } from "./outside.ts";
import { refusal } from "./refusal.ts";

export function listVersions(asking: Asking, id: ItemId, signal?: AbortSignal): Answer<readonly ItemVersion[]> {
  return asking.read({ method: "GET", path: asking.itemPath(id, "/versions"), signal }, parseVersions);
}

export interface VersionAsked {
  readonly asking: Asking;
  readonly outside: Outside;
  readonly clock: Clock;
  readonly id: ItemId;
  readonly version: ItemVersion;
  readonly signal: AbortSignal | undefined;
}

export async function readVersion(asked: VersionAsked): Answer<AsyncIterable<Uint8Array>> {
  const { asking, outside, clock, id, version, signal } = asked;
  const path = asking.itemPath(id, `/versions/${encodeURIComponent(version.id)}/content`);
  const address = await asking.redirect({ method: "GET", path, signal });
  if (!address.ok) return failed(address.fault);
  const answer = await outside.open({ method: "GET", url: address.value, what: "an older version", signal });
  if (!answer.ok) return answer;
  if (answer.value.status === 200) return ok(whole(answer.value.body, version.size));
  const refused = await outside.finish(answer.value, false);
  if (!refused.ok) return failed(refused.fault);
  return failed(refusal({ ...refused.value, changing: false, nowMs: clock.now() }));
}

async function* whole(body: AsyncIterable<Uint8Array>, size: number): AsyncIterable<Uint8Array> {
  let got = 0;
  try {
    for await (const bytes of body) {
      got += bytes.length;
      yield bytes;
    }
  } catch (error) {
    throw error instanceof BodyLost ? new DownloadCut("the older version broke off", { cause: error }) : error;
  }
  if (got !== size) throw new DownloadCut(`the older version has ${got} bytes instead of ${size}`);
}

function parseVersions(body: unknown): readonly ItemVersion[] | undefined {
  const rows = (body as { value?: unknown } | null | undefined)?.value;
  if (!Array.isArray(rows)) return undefined;
  const versions = rows.map(parseVersion);
  return versions.every((version) => version !== undefined) ? versions : undefined;
}

function parseVersion(row: unknown): ItemVersion | undefined {
  const { id, size, lastModifiedDateTime } = (row ?? {}) as Readonly<Record<string, unknown>>;
  const at = typeof lastModifiedDateTime === "string" ? Date.parse(lastModifiedDateTime) : Number.NaN;
  if (typeof id !== "string" || typeof size !== "number") return undefined;
  return { id, size, mtime: Number.isNaN(at) ? 0 : Math.floor(at / 1000) };
}
