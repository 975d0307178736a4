/**
 * Delta: the change journal in pages. A link holds everything in its token: where the reader is in the journal, since when
 * deletions count, what was selected, how large pages are, and for which drive and folder. So links are stable, can be
 * followed again, and survive a restart.
 *
 * A full enumeration walks the journal from its start, passing over tombstones older than its own beginning; what changes
 * meanwhile is met at the end. So one walk serves both uses, and nothing is missed or held in memory between pages.
 */
import { itemAt, type Address } from "./address.ts";
import { option, pick, selected } from "./ask.ts";
import { json, type Answer, type Hits } from "./exchange.ts";
import { pageSize } from "./graph-read.ts";
import { deltaJson, type Json } from "./item-json.ts";
import { isWithin, type Item } from "./item.ts";
import { hex8, mix } from "./mix.ts";
import { badRequest, Refusal, unsupported } from "./refusal.ts";
import type { SignedCall } from "./service.ts";
import type { World } from "./world.ts";

const TOKEN_LIFE_MS = 30 * 24 * 3_600_000;
const TICKS_AT_EPOCH = 621_355_968_000_000_000;

interface Cursor {
  /** Tombstones up to here are not told. */
  readonly since: number;
  /** Entries up to here were told. */
  readonly at: number;
  readonly issuedMs: number;
  readonly folder: number;
  readonly top: number;
  readonly select: readonly string[] | undefined;
}

export function getDelta(call: SignedCall, address: Address, hits: Hits): Answer {
  const { world } = call.service;
  const folder = itemAt(world, address);
  if (folder.parent && !world.profile.folderDelta) throw unsupported("delta of a folder on this kind of drive");
  const inCall = /\(token='([^']*)'\)/.exec(address.action[0] ?? "")?.[1];
  const token =
    inCall ?? option(call.query, "token") ?? option(call.query, "skiptoken") ?? option(call.query, "deltatoken");
  const link = deltaLinkBase(call, folder);
  if (hits.has("resync") || hits.has("resync-mid-paging"))
    throw gone(link, hits.get("resync")?.code ?? hits.get("resync-mid-paging")?.code);
  const untilMs = world.clockMs() - (hits.get("delta-lag")?.seconds ?? 0) * 1000;
  if (token === "latest") {
    const head = folder.drive.journal.headAt(untilMs, world.seq);
    return json(200, {
      value: [],
      "@odata.deltaLink": write(link, world, { ...fresh(call, folder), since: head, at: head }),
    });
  }
  const cursor = token ? readToken(call, folder, { token, link }) : fresh(call, folder);
  return json(200, page(call, folder, { cursor, link, untilMs }));
}

interface Round {
  readonly cursor: Cursor;
  readonly link: string;
  readonly untilMs: number;
}

function page(call: SignedCall, folder: Item, { cursor, link, untilMs }: Round): Json {
  const { world } = call.service;
  const told = new Set<Item>();
  const value: Json[] = [];
  const skipAncestors = /deltaExcludeParent/i.test(call.head.headers["prefer"] ?? "");
  const tell = (item: Item): void => {
    told.add(item);
    value.push(pick(deltaJson(item, call.pen), cursor.select));
  };
  let changes = 0;
  let at = cursor.at;
  for (const item of folder.drive.journal.after(cursor.at, untilMs)) {
    if (changes === cursor.top) return { "@odata.nextLink": write(link, world, { ...cursor, at }), value };
    at = item.seq;
    if ((item.binned && item.seq <= cursor.since) || !isWithin(item, folder)) continue;
    changes++;
    if (!skipAncestors) for (const above of ancestors(item, folder)) if (!told.has(above)) tell(above);
    if (!told.has(item)) tell(item);
  }
  const head = folder.drive.journal.headAt(untilMs, world.seq);
  const end = Math.max(at, head, cursor.since);
  return {
    value,
    "@odata.deltaLink": write(link, world, { ...cursor, since: end, at: end, issuedMs: world.clockMs() }),
  };
}

/** From the folder asked for down to the item's parent. */
function ancestors(item: Item, folder: Item): Item[] {
  const out: Item[] = [];
  for (let at = item; at !== folder && at.parent; at = at.parent) if (!at.parent.binned) out.push(at.parent);
  return out.reverse();
}

function fresh(call: SignedCall, folder: Item): Cursor {
  const { world } = call.service;
  return {
    since: world.seq,
    at: 0,
    issuedMs: world.clockMs(),
    folder: folder.num,
    top: pageSize(call.query),
    select: selected(call.query),
  };
}

function deltaLinkBase(call: SignedCall, folder: Item): string {
  const place = folder.parent ? `items/${folder.drive.ids.itemId(folder.num)}` : "root";
  return `${call.links.graph}/drives/${folder.drive.ids.driveId}/${place}/delta`;
}

/** The shape of the service's own tokens: `4;%234;%231;3;{guid};{ticks};{changeNo};…`, base64. */
function write(link: string, world: World, cursor: Cursor): string {
  const ticks = BigInt(cursor.issuedMs) * 10_000n + BigInt(TICKS_AT_EPOCH);
  const own = [cursor.since, cursor.at, cursor.folder, cursor.top, (cursor.select ?? []).join(",")].join(";");
  const text = `4;%234;%231;3;${stamp(world)};${ticks};${own};`;
  const token = Buffer.from(text + hex8(check(world, text))).toString("base64url");
  return `${link}?token=${token}`;
}

function readToken(call: SignedCall, folder: Item, { token, link }: { token: string; link: string }): Cursor {
  const { world } = call.service;
  const time = /^\d{4}-\d\d-\d\dT/.test(token) ? Date.parse(token) : Number.NaN;
  if (!Number.isNaN(time)) {
    if (!world.profile.timeDeltaToken)
      throw badRequest("invalidRequest", "A time is not a delta token on this kind of drive.");
    const seq = folder.drive.journal.seqAtTime(time);
    return { ...fresh(call, folder), since: seq, at: seq };
  }
  const text = Buffer.from(token, "base64url").toString();
  const parts = text.split(";");
  if (parts.length !== 12 || parts[0] !== "4") throw badRequest("invalidRequest", "The delta token is malformed.");
  const sound = parts[11] === hex8(check(world, text.slice(0, -8)));
  if (parts[4] !== stamp(world)) throw gone(link);
  if (!sound) throw badRequest("invalidRequest", "The delta token is malformed.");
  const [since = 0, at = 0, num = 0, top = 0] = parts.slice(6, 10).map(Number);
  const issuedMs = Number((BigInt(parts[5] ?? "0") - BigInt(TICKS_AT_EPOCH)) / 10_000n);
  if (issuedMs + TOKEN_LIFE_MS < world.clockMs() || at > world.seq || num !== folder.num) throw gone(link);
  const select = parts[10] ? parts[10].split(",") : undefined;
  return { since, at, issuedMs, folder: num, top, select };
}

function gone(link: string, code = "resyncChangesApplyDifferences"): Refusal {
  return new Refusal(410, code, {
    message: "The delta token is no longer valid; start again.",
    headers: { location: link },
  });
}

/** Which cloud the token is of. */
function stamp(world: World): string {
  return hex8(mix(world.seed, 3, 91)) + hex8(mix(world.seed, 4, 91));
}

function check(world: World, text: string): number {
  let sum = world.seed;
  for (let i = 0; i < text.length; i++) sum = mix(sum, text.charCodeAt(i), i);
  return sum;
}
