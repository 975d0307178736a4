/**
 * One device's connection to a fake cloud: the Drive contract in memory, asynchronous, with faults on demand. Several drives may
 * share one cloud. Every call waits half of `latencyMs`, is carried out in one step, waits the other half, and is answered; without
 * latency it still takes a few turns of the microtask queue. It never looks at real time.
 *
 * Fault knobs:
 *  - `drive.online = false`: calls not yet carried out answer `offline`; carried-out ones lose their answer (`offline`, unclear).
 *  - `drive.fail({ call?, item?, name?, count?, chance?, moment, fault })`: `before` refuses without effect; `after` has the effect and
 *    loses the answer (changing calls then say `unclear: true`). `drive.clearFaults()`.
 *  - `drive.hold({ ... })`: calls that match stop at the moment until `release()`; `reached` resolves when the first one is there.
 *  - `drive.cutDownloadsAfter = n`: streams throw `DownloadCut` after n bytes.
 *  - `drive.log`: every call with its outcome, for asserting on what was sent.
 *  - Lag, duplicates, order, lost tombstones, quota, locks and so on belong to the cloud: see cloud-knobs.ts.
 */
import { assert, present } from "../../src/base/assert.ts";
import { sleep, type Clock } from "../../src/base/clock.ts";
import type { Random } from "../../src/base/random.ts";
import { ok, type Result } from "../../src/base/result.ts";
import type {
  Answer,
  BatchCall,
  Body,
  Download,
  Drive,
  ItemVersion,
  Session,
  UploadTarget,
} from "../../src/drive/drive.ts";
import { DownloadCut } from "../../src/drive/drive.ts";
import type { ChangePage, CloudChange } from "../../src/model/change.ts";
import { fault, type Fault, type FaultKind } from "../../src/model/fault.ts";
import type { ItemId } from "../../src/model/ids.ts";
import { contentVersion, type CloudItem } from "../../src/model/item.ts";
import type { CloudKnobs } from "./cloud-knobs.ts";
import { fakeCloud, type FakeCloud } from "./fake-cloud.ts";

export type CallName = Exclude<keyof Drive, "batch">;

export interface CallLog {
  readonly at: number;
  readonly call: CallName;
  readonly item?: ItemId;
  readonly parent?: ItemId;
  readonly name?: string;
  /** Bytes sent with the call. */
  readonly bytes?: number;
  /** The call took effect (also when its answer was lost). */
  done: boolean;
  outcome: "running" | "ok" | FaultKind;
}

export interface CallMatch {
  readonly call?: CallName | readonly CallName[];
  readonly item?: ItemId;
  readonly name?: string;
  /** Calls that match before the rule is used up; forever when left out. */
  readonly count?: number;
  /** Chance for each matching call; 1 when left out. */
  readonly chance?: number;
  readonly moment: "before" | "after";
}

export interface FaultRule extends CallMatch {
  readonly fault: FaultKind | Fault;
}

export interface Hold {
  readonly reached: Promise<void>;
  release(): void;
}

export interface FakeDrive extends Drive {
  readonly cloud: FakeCloud;
  readonly log: CallLog[];
  online: boolean;
  latencyMs: number;
  /** Bytes a second of content up and down; 0 is no limit. */
  bytesPerSecond: number;
  cutDownloadsAfter: number | undefined;
  fail(rule: FaultRule): void;
  hold(match: CallMatch): Hold;
  clearFaults(): void;
}

export interface FakeDriveOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Shared with other drives; a new one when left out. */
  readonly cloud?: FakeCloud;
  /** Who the cloud says created what this drive creates. */
  readonly device?: string;
  readonly knobs?: Partial<CloudKnobs>;
}

export function fakeDrive(options: FakeDriveOptions): FakeDrive {
  return new Connection(options);
}

const CHANGING: readonly CallName[] = [
  "createFolder",
  "update",
  "remove",
  "restore",
  "copy",
  "upload",
  "openSession",
  "sendFragment",
];
const CHUNK_BYTES = 64 * 1024;

type About = { readonly item?: ItemId; readonly parent?: ItemId; readonly name?: string; readonly bytes?: number };
interface Rule extends CallMatch {
  left: number;
  readonly fault?: FaultKind | Fault;
  readonly wait?: () => Promise<void>;
}
interface OpenSession {
  readonly target: UploadTarget;
  readonly size: number;
  readonly mtime: number;
  readonly expiresAt: number;
  parts: Uint8Array[];
  received: number;
}
interface Round {
  readonly entries: readonly CloudChange[];
  readonly ancestorsOf: (change: CloudChange) => CloudItem[];
  readonly end: number;
}

class Connection implements FakeDrive {
  readonly cloud: FakeCloud;
  readonly log: CallLog[] = [];
  online = true;
  latencyMs = 0;
  bytesPerSecond = 0;
  cutDownloadsAfter: number | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #device: string;
  readonly #sessions = new Map<string, OpenSession>();
  readonly #rounds: Round[] = [];
  #rules: Rule[] = [];

  constructor(options: FakeDriveOptions) {
    this.#clock = options.clock;
    this.#device = options.device ?? "us";
    this.#random = options.random.split(`drive/${this.#device}`);
    this.cloud = options.cloud ?? fakeCloud({ clock: options.clock, random: options.random });
    Object.assign(this.cloud.knobs, options.knobs);
  }

  fail(rule: FaultRule): void {
    this.#rules.push({ ...rule, left: rule.count ?? Infinity });
  }

  hold(match: CallMatch): Hold {
    let release = (): void => undefined;
    let arrive = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const reached = new Promise<void>((resolve) => (arrive = resolve));
    const wait = (): Promise<void> => {
      arrive();
      return released;
    };
    this.#rules.push({ ...match, left: match.count ?? Infinity, wait });
    return { reached, release };
  }

  clearFaults(): void {
    this.#rules = [];
  }

  info(signal?: AbortSignal): ReturnType<Drive["info"]> {
    return this.#call("info", {}, signal, () =>
      ok({
        driveId: "1d641cfae05579a4",
        driveType: "personal" as const,
        rootId: this.cloud.rootId,
        owner: "Fake Owner",
        quota: this.cloud.quota(),
      }),
    );
  }

  changes(link: string | undefined, signal?: AbortSignal): Answer<ChangePage> {
    return this.#call("changes", {}, signal, () => this.#changePage(link));
  }

  children(parent: ItemId, link?: string, signal?: AbortSignal): ReturnType<Drive["children"]> {
    return this.#call("children", { parent }, signal, () => {
      const all = this.cloud.children(parent);
      if (!all.ok) return all;
      const from = link ? Number(link.replace("children:", "")) : 0;
      const until = from + this.cloud.knobs.pageItems;
      const next = until < all.value.length ? { next: `children:${until}` } : {};
      return ok({ items: all.value.slice(from, until), ...next });
    });
  }

  item(item: ItemId, signal?: AbortSignal): Answer<CloudItem> {
    return this.#call("item", { item }, signal, () => this.cloud.item(item));
  }

  itemAt(parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem> {
    return this.#call("itemAt", { parent, name }, signal, () => this.cloud.itemAt({ parent, name }));
  }

  createFolder(parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem> {
    return this.#call("createFolder", { parent, name }, signal, () =>
      this.cloud.createFolder({ parent, name }, this.#device),
    );
  }

  update(...[item, change, seen, signal]: Parameters<Drive["update"]>): Answer<CloudItem> {
    return this.#call("update", { item, ...change }, signal, () => this.cloud.update(item, change, seen));
  }

  remove(...[item, seen, signal]: Parameters<Drive["remove"]>): Answer<undefined> {
    return this.#call("remove", { item }, signal, () => this.cloud.remove(item, seen));
  }

  restore(item: ItemId, signal?: AbortSignal): Answer<CloudItem> {
    return this.#call("restore", { item }, signal, () => this.cloud.restore(item));
  }

  copy(item: ItemId, parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem> {
    return this.#call("copy", { item, parent, name }, signal, () =>
      this.cloud.copy(item, { parent, name }, this.#device),
    );
  }

  async upload(target: UploadTarget, body: Body, signal?: AbortSignal): Answer<CloudItem> {
    const bytes = await collect(body, 0, body.size);
    return this.#call("upload", { ...about(target), bytes: bytes.length }, signal, () => this.#store(target, bytes));
  }

  openSession(...[target, size, mtime, signal]: Parameters<Drive["openSession"]>): Answer<Session> {
    return this.#call("openSession", about(target), signal, () => {
      assert(size > 0, "an empty file cannot be sent in a session");
      const free = this.cloud.checkTarget(target);
      if (!free.ok) return free;
      const url = `https://upload.example/session?secret=${this.#random.below(2 ** 40).toString(36)}`;
      const expiresAt = this.#clock.now() + this.cloud.knobs.sessionLifeMs;
      this.#sessions.set(url, { target, size, mtime, expiresAt, parts: [], received: 0 });
      return ok({ url, expiresAt, nextOffset: 0 });
    });
  }

  async sendFragment(
    ...[session, body, end, signal]: Parameters<Drive["sendFragment"]>
  ): ReturnType<Drive["sendFragment"]> {
    const bytes = await collect(body, session.nextOffset, end);
    const target = this.#sessions.get(session.url)?.target;
    const told = { ...(target ? about(target) : {}), bytes: bytes.length };
    return this.#call("sendFragment", told, signal, () => this.#fragment(session, bytes));
  }

  sessionStatus(session: Session, signal?: AbortSignal): Answer<Session> {
    return this.#call("sessionStatus", {}, signal, () => {
      const open = this.#session(session.url);
      return open.ok
        ? ok({ url: session.url, expiresAt: open.value.expiresAt, nextOffset: open.value.received })
        : open;
    });
  }

  cancelSession(session: Session): Answer<undefined> {
    return this.#call("cancelSession", {}, undefined, () => {
      return this.#sessions.delete(session.url)
        ? ok()
        : fault("expired", "the upload session is gone", { status: 404 });
    });
  }

  download(...[item, start, end, version, signal]: Parameters<Drive["download"]>): Answer<Download> {
    return this.#call("download", { item }, signal, () => {
      const found = this.cloud.item(item);
      const bytes = this.cloud.bytesOf(item);
      if (!found.ok) return found;
      if (!bytes.ok) return bytes;
      if (contentVersion(found.value) !== version)
        return fault("changed", "the file has another version now", { status: 412 });
      const total = bytes.value.length;
      const to = Math.min(end, total);
      if (start > to || (start === to && total > 0)) return fault("rangeUnsatisfied", "past the end", { status: 416 });
      return ok({ start, end: to, total, bytes: this.#stream(bytes.value.subarray(start, to), signal) });
    });
  }

  versions(item: ItemId, signal?: AbortSignal): Answer<readonly ItemVersion[]> {
    return this.#call("versions", { item }, signal, () => {
      const found = this.cloud.item(item);
      if (!found.ok) return found;
      const all = this.cloud.versions(item);
      const rows = all.map(({ bytes, at }, n) => ({
        id: `${n + 1}.0`,
        size: bytes.length,
        mtime: Math.floor(at / 1000),
      }));
      return ok(rows.reverse());
    });
  }

  versionContent(item: ItemId, { id }: ItemVersion, signal?: AbortSignal): Answer<AsyncIterable<Uint8Array>> {
    return this.#call("versionContent", { item }, signal, () => {
      const version = this.cloud.versions(item)[Number.parseInt(id, 10) - 1];
      return version ? ok(this.#stream(version.bytes, signal)) : fault("notFound", "there is no such version");
    });
  }

  async batch(calls: readonly BatchCall[], signal?: AbortSignal): Promise<Result<CloudItem | undefined, Fault>[]> {
    assert(calls.length <= 20, "a batch has at most 20 calls");
    return Promise.all(calls.map((call) => this.#one(call, signal)));
  }

  async #one(call: BatchCall, signal?: AbortSignal): Promise<Result<CloudItem | undefined, Fault>> {
    if (call.call === "createFolder") return this.createFolder(call.parent, call.name, signal);
    return call.call === "update"
      ? this.update(call.id, call.change, call.seen, signal)
      : this.remove(call.id, call.seen, signal);
  }

  /** One request: there, carried out, and back. */
  async #call<T>(call: CallName, told: About, signal: AbortSignal | undefined, run: () => Result<T, Fault>): Answer<T> {
    const row: CallLog = { at: this.#clock.now(), call, ...told, done: false, outcome: "running" };
    this.log.push(row);
    const answer = await this.#roundTrip(row, signal, run);
    row.outcome = answer.ok ? "ok" : answer.fault.kind;
    return answer;
  }

  async #roundTrip<T>(row: CallLog, signal: AbortSignal | undefined, run: () => Result<T, Fault>): Answer<T> {
    const changing = CHANGING.includes(row.call);
    const refused = await this.#leg(row, "before", signal);
    if (refused)
      return fault(refused.kind, refused.why, changing && refused.kind === "interrupted" ? { unclear: true } : refused);
    const answer = run();
    row.done = true;
    const lost = await this.#leg(row, "after", signal);
    if (lost) return fault(lost.kind, lost.why, { ...lost, ...(changing ? { unclear: true } : {}) });
    return answer;
  }

  /** Half of the way; returns what went wrong on it. */
  async #leg(row: CallLog, moment: "before" | "after", signal?: AbortSignal): Promise<Fault | undefined> {
    const transferMs = this.bytesPerSecond && moment === "before" ? ((row.bytes ?? 0) * 1000) / this.bytesPerSecond : 0;
    const delayMs = this.latencyMs / 2 + transferMs;
    if (delayMs > 0) await sleep(this.#clock, delayMs, signal);
    else await Promise.resolve();
    for (const rule of this.#rules.filter((r) => r.wait)) if (this.#matches(rule, row, moment)) await rule.wait?.();
    if (signal?.aborted) return { kind: "interrupted", why: "the call was cancelled" };
    if (!this.online) return { kind: "offline", why: "the network is down" };
    const rule = this.#rules.find((r) => r.fault && this.#matches(r, row, moment));
    if (!rule?.fault) return undefined;
    return typeof rule.fault === "string" ? { kind: rule.fault, why: `injected: ${rule.fault}` } : rule.fault;
  }

  #matches(rule: Rule, row: CallLog, moment: "before" | "after"): boolean {
    if (rule.moment !== moment || rule.left <= 0) return false;
    if (rule.call !== undefined && ![rule.call].flat().includes(row.call)) return false;
    if (rule.item !== undefined && rule.item !== row.item) return false;
    if (rule.name !== undefined && rule.name !== row.name) return false;
    if (rule.chance !== undefined && this.#random.next() >= rule.chance) return false;
    rule.left--;
    return true;
  }

  #store(target: UploadTarget, bytes: Uint8Array, mtime?: number): Result<CloudItem, Fault> {
    if ("item" in target) return this.cloud.writeContent(target.item, target.seen, bytes, this.#device, mtime);
    return this.cloud.createFile(target, bytes, this.#device, mtime);
  }

  #session(url: string): Result<OpenSession, Fault> {
    const open = this.#sessions.get(url);
    if (open && open.expiresAt > this.#clock.now()) return ok(open);
    this.#sessions.delete(url);
    return fault("expired", "the upload session is gone", { status: 404 });
  }

  #fragment(session: Session, bytes: Uint8Array): Result<{ session: Session; item: CloudItem | undefined }, Fault> {
    const found = this.#session(session.url);
    if (!found.ok) return found;
    const open = found.value;
    if (session.nextOffset !== open.received)
      return fault("rangeUnsatisfied", "not the next byte wanted", { status: 416 });
    if (open.received + bytes.length > open.size)
      return fault("rangeUnsatisfied", "more than announced", { status: 416 });
    const whole = open.received + bytes.length === open.size;
    if (whole) {
      const target =
        "item" in open.target && !this.cloud.knobs.sessionChecksAtCommit
          ? { ...open.target, seen: undefined }
          : open.target;
      const stored = this.#store(target, Buffer.concat([...open.parts, bytes]), open.mtime);
      if (!stored.ok) return stored;
      this.#sessions.delete(session.url);
      return ok({ session: { ...session, nextOffset: open.size }, item: stored.value });
    }
    open.parts.push(bytes);
    open.received += bytes.length;
    return ok({ session: { ...session, nextOffset: open.received }, item: undefined });
  }

  #changePage(link: string | undefined): Result<ChangePage, Fault> {
    const [kind, first = "", second = ""] = (link ?? "cursor::").split(":");
    if (kind === "next") return this.#page(Number(first), Number(second));
    if (kind !== "cursor") return fault("invalid", "not a link of this service", { status: 400 });
    if (first !== "" && Number(first) !== this.cloud.epoch)
      return fault("resync", "the cursor is too old", { status: 410 });
    const since = second === "" ? undefined : Number(second);
    const end = Math.max(this.cloud.feedEnd(), since ?? 0);
    const round = this.cloud.feedRound(since, end);
    this.#rounds.push({ entries: round.changes, ancestorsOf: round.ancestorsOf, end });
    return this.#page(this.#rounds.length - 1, 0);
  }

  #page(number: number, from: number): Result<ChangePage, Fault> {
    const round = present(this.#rounds[number], "a round of changes");
    const { pageItems, ancestors, feedOmitsCTag, feedOmitsHash } = this.cloud.knobs;
    const entries = round.entries.slice(from, from + pageItems);
    const above = new Map(ancestors ? entries.flatMap((e) => round.ancestorsOf(e)).map((item) => [item.id, item]) : []);
    const own = new Set(entries.map((e) => (e.deleted ? e.id : e.item.id)));
    const repeated = [...above.values()].filter((item) => !own.has(item.id));
    const all: CloudChange[] = [...repeated.map((item) => ({ deleted: false, item }) as const), ...entries];
    const changes = all.map((change) =>
      change.deleted ? change : { deleted: false as const, item: thinned(change.item) },
    );
    const done = from + pageItems >= round.entries.length;
    const link = done
      ? { cursor: `cursor:${this.cloud.epoch}:${round.end}` }
      : { next: `next:${number}:${from + pageItems}` };
    return ok({ changes, ...link });

    function thinned(item: CloudItem): CloudItem {
      const { cTag: content, hash, ...rest } = item;
      return {
        ...rest,
        ...(content && !feedOmitsCTag ? { cTag: content } : {}),
        ...(hash && !feedOmitsHash ? { hash } : {}),
      };
    }
  }

  async *#stream(bytes: Uint8Array, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      if (this.bytesPerSecond) await sleep(this.#clock, (chunk.length * 1000) / this.bytesPerSecond, signal);
      if (!this.online || signal?.aborted) throw new DownloadCut("the connection was lost");
      const cut = this.cutDownloadsAfter;
      if (cut !== undefined && at + chunk.length > cut) {
        if (cut > at) yield Uint8Array.from(chunk.subarray(0, cut - at));
        throw new DownloadCut("the body ended early");
      }
      yield Uint8Array.from(chunk);
    }
  }
}

function about(target: UploadTarget): About {
  return "item" in target ? { item: target.item } : { parent: target.parent, name: target.name };
}

async function collect(body: Body, start: number, end: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body.stream(start, end)) parts.push(Uint8Array.from(part));
  const bytes = Buffer.concat(parts);
  assert(bytes.length === end - start, `a body gives exactly the bytes asked for (${bytes.length} of ${end - start})`);
  return bytes;
}
