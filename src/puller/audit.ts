/**
 * Enumerates the drive anew and compares it with the Mirror while the mount goes on serving from it.
 *
 *   run      now and then, beside the polling: finds what the feed forgot to tell. Moves no cursor; every difference is read by id.
 *   resync   when the cursor died: the differences are taken as a round of the feed, with the new cursor, in one batch.
 *
 * An item of the Mirror that the enumeration did not show becomes a tombstone only after a 404 by id.
 * Memory: one bit a node and the differences; a restart begins anew.
 */
import { breathe } from "../base/loop.ts";
import { ok, type Result } from "../base/result.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import { itemKey, ROOT, type ItemId, type ItemKey } from "../model/ids.ts";
import type { CloudItem, MirrorItem } from "../model/item.ts";
import { AUDIT_INTERVAL_MS, ENUMERATE_STEP_ITEMS } from "../model/limits.ts";
import type { Reader } from "../store/store.ts";
import { strongReads } from "./absorb.ts";
import type { Pulling } from "./pulling.ts";

export interface Auditor {
  due(): boolean;
  run(signal: AbortSignal): Promise<Result<undefined, Fault>>;
  resync(signal: AbortSignal): Promise<Result<undefined, Fault>>;
}

interface Enumerated {
  readonly cursor: string;
  /** Nodes that were shown. */
  readonly seen: Seen;
  /** Entries that differ from the Mirror, the last of each id. */
  readonly differing: Map<ItemId, CloudChange>;
  /** Nodes from this number on were made while the enumeration ran. */
  readonly firstNew: ItemKey;
}

export function auditor(pulling: Pulling): Auditor {
  const { store, clock } = pulling;
  let failedAt: number | undefined;
  const done = (): void => store.transact((tx) => tx.meta.put("auditedAt", clock.now()));

  const resync = async (signal: AbortSignal): Promise<Result<undefined, Fault>> => {
    const all = await enumerate(pulling, signal);
    if (!all.ok) return all;
    const absent = await readAbsent(pulling, all.value, signal);
    if (!absent.ok) return absent;
    const told = [...all.value.differing.values()].filter((change) => !isKnown(store.read, change));
    const applied = await pulling.absorb({ changes: [...told, ...absent.value], cursor: all.value.cursor }, signal);
    if (!applied.ok) return applied;
    store.transact((tx) => tx.meta.put("polledAt", clock.now()));
    done();
    return ok();
  };

  const audit = async (signal: AbortSignal): Promise<Result<undefined, Fault>> => {
    const all = await enumerate(pulling, signal);
    if (!all.ok) return all;
    const absent = await readAbsent(pulling, all.value, signal);
    if (!absent.ok) return absent;
    const doubtful = [...all.value.differing].filter(([, change]) => !isKnown(store.read, change)).map(([id]) => id);
    const states = await strongReads(pulling, doubtful, signal);
    if (!states.ok) return states;
    const changes = [...states.value, ...absent.value].filter((change) => !isKnown(store.read, change));
    if (changes.length > 0) {
      pulling.log.trace("the audit found what the feed did not tell", { changes: changes.length });
      const applied = await pulling.absorb({ changes }, signal);
      if (!applied.ok) return applied;
    }
    done();
    return ok();
  };

  return {
    due() {
      const last = Math.max((store.read.meta.get("auditedAt") as number | undefined) ?? 0, failedAt ?? 0);
      const wait = failedAt !== undefined && failedAt === last ? AUDIT_INTERVAL_MS / 24 : AUDIT_INTERVAL_MS;
      return clock.now() - last >= wait;
    },
    async run(signal) {
      const outcome = await audit(signal);
      failedAt = outcome.ok ? undefined : clock.now();
      if (!outcome.ok) pulling.log.trace("the audit broke off and is begun again later", { why: outcome.fault.why });
      return outcome;
    },
    resync,
  };
}

async function enumerate(pulling: Pulling, signal: AbortSignal): Promise<Result<Enumerated, Fault>> {
  const read = pulling.store.read;
  const firstNew = itemKey((read.meta.get("nextNode") as number | undefined) ?? ROOT + 1);
  const seen = seenNodes();
  const differing = new Map<ItemId, CloudChange>();
  for (let link: string | undefined; ;) {
    const page = pulling.heard(await pulling.drive.changes(link, signal));
    if (!page.ok) return page;
    for (const change of page.value.changes) note(read, change, { seen, differing });
    await breathe();
    const { cursor, next } = page.value;
    if (cursor !== undefined) return ok({ cursor, seen, differing, firstNew });
    if (next === undefined || next === link) return fault("garbled", "a page of changes leads nowhere");
    link = next;
  }
}

function note(read: Reader, change: CloudChange, into: Pick<Enumerated, "seen" | "differing">): void {
  const id = change.deleted ? change.id : change.item.id;
  const node = read.ids.get(id);
  if (node !== undefined) into.seen.add(node);
  if (isKnown(read, change)) into.differing.delete(id);
  else into.differing.set(id, change);
}

/** What the Mirror has and the enumeration did not show, read by id: tombstones of what is gone, states of what is not. */
async function readAbsent(
  pulling: Pulling,
  all: Enumerated,
  signal: AbortSignal,
): Promise<Result<readonly CloudChange[], Fault>> {
  const found: CloudChange[] = [];
  const { read } = pulling.store;
  for (let from = ROOT; ;) {
    const rows = [...read.mirror.range({ start: from, end: all.firstNew, limit: ENUMERATE_STEP_ITEMS })];
    const last = rows.at(-1);
    if (!last) return ok(found);
    const absent = rows.filter(([node]) => node !== ROOT && !all.seen.has(node)).map(([, row]) => row.id);
    const states = await strongReads(pulling, absent, signal);
    if (!states.ok) return states;
    for (const state of states.value) if (!isKnown(read, state)) found.push(state);
    await breathe();
    from = itemKey(last[0] + 1);
  }
}

/** True when the Mirror says just this. */
function isKnown(read: Reader, change: CloudChange): boolean {
  const node = read.ids.get(change.deleted ? change.id : change.item.id);
  if (change.deleted) return node === undefined;
  const row = node === undefined ? undefined : read.mirror.get(node);
  return row !== undefined && saysTheSame(read, row, change.item);
}

function saysTheSame(read: Reader, row: MirrorItem, item: CloudItem): boolean {
  const place = item.parentId === undefined || read.ids.get(item.parentId) === row.parent;
  const tags = agree(row.eTag, item.eTag) && agree(row.cTag, item.cTag) && agree(row.hash, item.hash);
  const bytes = item.kind === "folder" || (row.size === item.size && row.mtime === item.mtime);
  return row.kind === item.kind && place && (item.parentId === undefined || row.name === item.name) && tags && bytes;
}

/** The feed leaves some fields out: what is not told does not differ. */
function agree(known: string | undefined, told: string | undefined): boolean {
  return told === undefined || known === undefined || known === told;
}

interface Seen {
  add(node: ItemKey): void;
  has(node: ItemKey): boolean;
}

/** A set of node numbers, one bit each. */
function seenNodes(): Seen {
  let bits = new Uint8Array(1024);
  return {
    add(node) {
      if (node >> 3 >= bits.length) {
        const larger = new Uint8Array(Math.max(bits.length * 2, (node >> 3) + 1));
        larger.set(bits);
        bits = larger;
      }
      bits[node >> 3]! |= 1 << (node & 7);
    },
    has: (node) => ((bits[node >> 3] ?? 0) & (1 << (node & 7))) !== 0,
  };
}
