/**
 * Brings the missing ranges of one clean file from the cloud. Every range is asked for once, however many wait for it; several come at
 * the same time; bytes are handed on as they arrive. Each request names the version, so two versions are never stitched.
 *
 * A waiting read ends: when its bytes are here, at its deadline, at once when the cloud cannot be reached, when its signal fires, or
 * with the fault of a download that cannot succeed. What passes (throttling, cut bodies, garbled answers) is tried again, after
 * DOWNLOAD_TRIES_MAX tries without a byte the readers are told. A range nobody waits for any more is cancelled, unless it is
 * fetched ahead of an open reader.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { ok, type Result } from "../base/result.ts";
import { DownloadCut, type Download, type Drive } from "../drive/drive.ts";
import { fault, type Fault, type FaultKind } from "../model/fault.ts";
import type { ItemId, ItemKey } from "../model/ids.ts";
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MOST_MS,
  DOWNLOAD_TRIES_MAX,
  HYDRATE_PARALLEL_MAX,
  HYDRATE_RANGE_BYTES,
} from "../model/limits.ts";
import type { Answer } from "./content.ts";
import { without, type Ranges, type Span } from "./ranges.ts";
import { AHEAD, READ, type Turns, type Urgency } from "./turns.ts";

/** What hydration knows of the world. */
export interface HydrateContext {
  readonly drive: Pick<Drive, "download">;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly readTimeoutMs: number;
  isOnline(): boolean;
  /** The cloud has another version than the one that is read. */
  onStale(node: ItemKey): void;
  onDefect(error: unknown): void;
}

/** The file whose bytes are wanted. */
export interface Target {
  readonly node: ItemKey;
  readonly version: string;
  readonly item: ItemId | undefined;
  readonly size: number;
  readonly here: Ranges;
  /** Puts bytes that came where they belong; `here` has them afterwards. */
  store(position: number, parts: readonly Uint8Array[]): Answer<undefined>;
  /** The service sends another length than it said; false when a file like this one has the length it says. */
  resize(size: number): boolean;
}

export interface Wanting {
  readonly signal?: AbortSignal | undefined;
  readonly urgency: Urgency;
  /** Fetch up to here with it. */
  readonly reach?: number;
  /** The deadline starts anew with every byte that comes. */
  readonly patient?: true;
}

interface Fetch {
  urgency: Urgency;
  /** Goes on although nobody waits for it. */
  readonly ahead: boolean;
  /** Everything before is stored. */
  at: number;
  to: number;
  readonly stop: AbortController;
}

interface Waiter {
  readonly from: number;
  readonly to: number;
  progressed(): void;
  settle(result: Result<undefined, Fault>): void;
}

const ALIGN_BYTES = 64 * 1024;
/** Bytes that nobody waits for are written in pieces of about this size: each costs two changes of thread. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_PARTS_MAX = 512;

/** What passes by itself. */
const PASSING: ReadonlySet<FaultKind> = new Set([
  "timedOut",
  "unavailable",
  "throttled",
  "locked",
  "garbled",
  "expired",
  "io",
  "interrupted",
  "busy",
]);

export class Hydration {
  readonly #context: HydrateContext;
  readonly #target: Target;
  #fetches: Fetch[] = [];
  readonly #waiters = new Set<Waiter>();
  /** The service refuses ranges of this file. */
  #wholeOnly = false;

  constructor(context: HydrateContext, target: Target) {
    this.#context = context;
    this.#target = target;
  }

  get busy(): boolean {
    return this.#waiters.size > 0 || this.#fetches.length > 0;
  }

  /** True when everything of [from, to) is here or on its way. */
  isComing(from: number, to: number): boolean {
    const coming = this.#fetches.map((fetch): Span => [fetch.at, fetch.to]);
    return this.#target.here.missing(from, to).every((gap) => without(gap, coming).length === 0);
  }

  /** Resolves when [from, to) is here, or cannot be had. The caller looks again: the file may have become shorter. */
  want(from: number, to: number, wanting: Wanting): Answer<undefined> {
    if (this.#target.here.covers(from, to)) return Promise.resolve(ok());
    if (wanting.signal?.aborted) return Promise.resolve(fault("interrupted", "the read was given up"));
    if (!this.#context.isOnline()) return Promise.resolve(offline());
    if (!this.#target.item) return Promise.resolve(fault("stale", "the cloud does not have the file any more"));
    return new Promise((resolve) => {
      const waiter = this.#waiter(from, to, wanting, resolve);
      this.#waiters.add(waiter);
      this.#plan([from, to], { urgency: wanting.urgency, reach: wanting.reach ?? to });
    });
  }

  /** Everything, several ranges at once. */
  async all(urgency: Urgency, signal?: AbortSignal): Answer<undefined> {
    const spans = this.#target.here.missing(0, this.#target.size).flatMap((span) => pieces(span));
    let failure: Result<undefined, Fault> | undefined;
    const worker = async (): Promise<void> => {
      for (let span = spans.shift(); span && !failure; span = spans.shift()) {
        const got = await this.want(span[0], span[1], { signal, urgency, patient: true });
        if (!got.ok) failure ??= got;
      }
    };
    await Promise.all(Array.from({ length: HYDRATE_PARALLEL_MAX }, worker));
    return failure ?? ok();
  }

  /** Fetches up to `until` in advance, in whole ranges. */
  prefetch(from: number, until: number): void {
    if (!this.#context.isOnline() || !this.#target.item || this.#wholeOnly) return;
    const end = Math.min(until, this.#target.size);
    for (let at = from - (from % HYDRATE_RANGE_BYTES); at < end; at += HYDRATE_RANGE_BYTES) {
      const span: Span = [Math.max(at, from), Math.min(at + HYDRATE_RANGE_BYTES, this.#target.size)];
      if (!this.#target.here.covers(span[0], span[1])) this.#plan(span, { urgency: AHEAD, reach: span[1] });
    }
  }

  /** Nobody has the file open any more: what nobody waits for is cancelled. */
  calm(): void {
    for (const fetch of this.#fetches) this.#cancelUnwaited(fetch, true);
  }

  /** The cloud cannot be reached, or everything ends. */
  stopAll(reason: Fault): void {
    for (const fetch of this.#fetches) fetch.stop.abort();
    this.#fetches = [];
    for (const waiter of this.#waiters) waiter.settle({ ok: false, fault: reason });
  }

  /** Bytes appeared, or the file became shorter: waiters that have what they want go on, the others get their fetches. */
  tend(): void {
    for (const waiter of this.#waiters) {
      const to = Math.min(waiter.to, this.#target.size);
      if (this.#target.here.covers(waiter.from, to)) waiter.settle(ok());
      else if (this.#context.isOnline()) this.#plan([waiter.from, to], { urgency: READ, reach: to });
    }
  }

  #waiter(from: number, to: number, wanting: Wanting, resolve: (result: Result<undefined, Fault>) => void): Waiter {
    const expire = (): void => this.#giveUp(waiter, fault("timedOut", "the bytes did not come in time"));
    const abort = (): void => this.#giveUp(waiter, fault("interrupted", "the read was given up"));
    const { clock, readTimeoutMs } = this.#context;
    let cancel = clock.after(readTimeoutMs, expire);
    wanting.signal?.addEventListener("abort", abort, { once: true });
    const waiter: Waiter = {
      from,
      to,
      progressed() {
        if (!wanting.patient) return;
        cancel();
        cancel = clock.after(readTimeoutMs, expire);
      },
      settle: (result) => {
        if (!this.#waiters.delete(waiter)) return;
        cancel();
        wanting.signal?.removeEventListener("abort", abort);
        resolve(result);
      },
    };
    return waiter;
  }

  #giveUp(waiter: Waiter, why: Result<undefined, Fault>): void {
    waiter.settle(why);
    for (const fetch of this.#fetches) if (overlap(fetch, waiter)) this.#cancelUnwaited(fetch, false);
  }

  #cancelUnwaited(fetch: Fetch, aheadToo: boolean): void {
    if (fetch.ahead && !aheadToo) return;
    if ([...this.#waiters].some((waiter) => overlap(fetch, waiter))) return;
    fetch.stop.abort();
    this.#fetches = this.#fetches.filter((other) => other !== fetch);
  }

  /** Starts what is needed for `span` and neither here nor on its way. */
  #plan(span: Span, how: { urgency: Urgency; reach: number }): void {
    const { here, size } = this.#target;
    for (const fetch of this.#fetches)
      if (overlap(fetch, { from: span[0], to: span[1] }))
        fetch.urgency = Math.min(fetch.urgency, how.urgency) as Urgency;
    if (this.#wholeOnly) {
      if (this.#fetches.length === 0) this.#start(0, size, how.urgency);
      return;
    }
    const from = span[0] - (span[0] % ALIGN_BYTES);
    const to = Math.min(size, Math.ceil(Math.max(span[1], how.reach) / ALIGN_BYTES) * ALIGN_BYTES);
    const coming = this.#fetches.map((fetch): Span => [fetch.at, fetch.to]);
    for (const gap of here.missing(from, to))
      for (const [at, end] of without(gap, coming)) this.#start(at, end, how.urgency);
  }

  #start(at: number, to: number, urgency: Urgency): void {
    const fetch: Fetch = { urgency, ahead: urgency === AHEAD, at, to, stop: new AbortController() };
    this.#fetches.push(fetch);
    this.#run(fetch)
      .catch((error: unknown) => this.#context.onDefect(error))
      .finally(() => {
        this.#fetches = this.#fetches.filter((other) => other !== fetch);
        if (!fetch.stop.signal.aborted) this.tend();
      });
  }

  async #run(fetch: Fetch): Promise<void> {
    let tries = 0;
    while (fetch.at < fetch.to && !fetch.stop.signal.aborted) {
      const before = fetch.at;
      const tried = await this.#once(fetch);
      if (fetch.stop.signal.aborted || tried.ok) continue;
      tries = fetch.at > before ? 1 : tries + 1;
      if (!PASSING.has(tried.fault.kind) || tries >= DOWNLOAD_TRIES_MAX) return this.#fail(fetch, tried);
      const waited = [...this.#waiters].some((waiter) => overlap(fetch, waiter));
      if (!waited && fetch.ahead) return;
      if (fetch.at > before && tried.fault.retryAfterMs === undefined) continue;
      const pause = Math.min(BACKOFF_FIRST_MS * 2 ** (tries - 1), BACKOFF_MOST_MS);
      await sleep(this.#context.clock, tried.fault.retryAfterMs ?? pause, fetch.stop.signal);
    }
  }

  #fail(fetch: Fetch, why: Result<undefined, Fault>): void {
    for (const waiter of this.#waiters) if (overlap(fetch, waiter)) waiter.settle(why);
  }

  /** One request for the rest of a fetch. */
  async #once(fetch: Fetch): Answer<undefined> {
    const { turns, drive } = this.#context;
    const { item, version } = this.#target;
    const signal = fetch.stop.signal;
    if (!item || !(await turns.wait(fetch, signal))) return fault("interrupted", "cancelled");
    try {
      const answer = await drive.download(item, fetch.at, fetch.to, version, signal);
      return answer.ok ? await this.#consume(fetch, answer.value) : this.#explain(fetch, answer.fault);
    } catch (error) {
      if (error instanceof DownloadCut || signal.aborted) return fault("io", "the download was cut");
      throw error;
    } finally {
      turns.done();
    }
  }

  #explain(fetch: Fetch, why: Fault): Result<undefined, Fault> {
    if (why.kind === "rangeUnsatisfied" && fetch.at > 0) {
      // The service refuses ranges of this file, or it is shorter than it said: one request for all of it tells.
      if (this.#wholeOnly) fetch.stop.abort();
      this.#wholeOnly = true;
      [fetch.at, fetch.to] = [0, this.#target.size];
      return fault("garbled", "the service refuses this range");
    }
    if (why.kind !== "changed" && why.kind !== "notFound") return { ok: false, fault: why };
    this.#context.onStale(this.#target.node);
    return fault("stale", "the cloud does not have this version any more");
  }

  async #consume(fetch: Fetch, download: Download): Answer<undefined> {
    if (download.start > fetch.at) return fault("garbled", "the service sent another range");
    const { total } = download;
    if (total !== undefined && total !== this.#target.size && !this.#resized(fetch, total)) {
      // Then it has another version by now.
      this.#context.onStale(this.#target.node);
      return fault("stale", "the service sends another length than this version has");
    }
    // A service that ignores the range sends everything: then everything is taken.
    if (download.start < fetch.at) [fetch.at, fetch.to] = [download.start, Math.max(fetch.to, download.end)];
    const coming = { parts: [] as Uint8Array[], end: fetch.at };
    try {
      for await (const chunk of download.bytes) {
        const part = chunk.subarray(0, Math.max(0, download.end - coming.end));
        if (part.length > 0) coming.parts.push(part);
        coming.end += part.length;
        if (!this.#due(fetch, coming)) continue;
        const stored = await this.#flush(fetch, coming);
        if (!stored.ok) return stored;
        if (fetch.at >= fetch.to || fetch.stop.signal.aborted) return ok();
      }
    } catch (error) {
      // What came before the cut is kept.
      if (error instanceof DownloadCut) await this.#flush(fetch, coming);
      throw error;
    }
    const stored = await this.#flush(fetch, coming);
    if (!stored.ok) return stored;
    return fetch.at >= Math.min(fetch.to, this.#target.size) ? ok() : fault("io", "the download ended early");
  }

  /** Enough came to be written, or what a reader waits for did, or all. */
  #due(fetch: Fetch, coming: { readonly parts: readonly Uint8Array[]; readonly end: number }): boolean {
    if (coming.end - fetch.at >= BATCH_BYTES || coming.parts.length >= BATCH_PARTS_MAX) return true;
    if (coming.end >= fetch.to) return true;
    for (const waiter of this.#waiters) if (waiter.to > fetch.at && waiter.to <= coming.end) return true;
    return false;
  }

  async #flush(fetch: Fetch, coming: { parts: Uint8Array[]; readonly end: number }): Answer<undefined> {
    if (coming.parts.length === 0 || fetch.stop.signal.aborted) return ok();
    const stored = await this.#target.store(fetch.at, coming.parts);
    coming.parts = [];
    if (!stored.ok || fetch.stop.signal.aborted) return stored;
    fetch.at = coming.end;
    this.#progressed();
    return ok();
  }

  #resized(fetch: Fetch, total: number): boolean {
    if (!this.#target.resize(total)) return false;
    fetch.to = Math.min(fetch.to, total);
    this.tend();
    return true;
  }

  #progressed(): void {
    for (const waiter of this.#waiters) {
      if (this.#target.here.covers(waiter.from, Math.min(waiter.to, this.#target.size))) waiter.settle(ok());
      else waiter.progressed();
    }
  }
}

export function offline(): { ok: false; fault: Fault } {
  return fault("offline", "the bytes are only in the cloud, which cannot be reached");
}

function overlap(fetch: Fetch, span: { readonly from: number; readonly to: number }): boolean {
  return fetch.at < span.to && span.from < fetch.to;
}

/** A span cut at multiples of the range size. */
function pieces([from, to]: Span): Span[] {
  const cut: Span[] = [];
  for (let at = from; at < to;) {
    const end = Math.min(to, at - (at % HYDRATE_RANGE_BYTES) + HYDRATE_RANGE_BYTES);
    cut.push([at, end]);
    at = end;
  }
  return cut;
}
