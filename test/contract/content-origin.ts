/**
 * The cloud as content sees it: downloads of versions, with a log of requests and knobs for what goes wrong. Each knob in `next` is used
 * up by one download, in order.
 */
import { ok } from "../../src/base/result.ts";
import { DownloadCut, type Drive } from "../../src/drive/drive.ts";
import { fault, type FaultKind } from "../../src/model/fault.ts";
import type { ItemId } from "../../src/model/ids.ts";

export type Trouble =
  /** The body ends after this many bytes, with or without the promised error. */
  | { readonly cutAfter: number; readonly silent?: true }
  | { readonly fault: FaultKind; readonly retryAfterMs?: number }
  /** The first byte of the body is wrong. */
  | { readonly corrupt: true }
  /** More bytes follow than promised. */
  | { readonly extra: number }
  /** The whole file comes, whatever was asked for. */
  | { readonly whole: true };

export interface OriginRequest {
  readonly start: number;
  readonly end: number;
  sent: number;
  aborted: boolean;
  over: boolean;
}

export interface Origin extends Pick<Drive, "download"> {
  put(id: ItemId, version: string, bytes: Uint8Array): void;
  /** `over`: nothing more is sent, for whatever reason. */
  readonly requests: OriginRequest[];
  readonly troubles: Trouble[];
  /** While set, bodies stop before their first byte until `release`. */
  hold(): void;
  release(): void;
  chunkBytes: number;
}

export function origin(): Origin {
  return new MemoryOrigin();
}

class MemoryOrigin implements Origin {
  readonly requests: OriginRequest[] = [];
  readonly troubles: Trouble[] = [];
  chunkBytes = 65_536;
  readonly #files = new Map<ItemId, { version: string; bytes: Uint8Array }>();
  #held: Promise<void> | undefined;
  #release = (): void => undefined;

  put(id: ItemId, version: string, bytes: Uint8Array): void {
    this.#files.set(id, { version, bytes });
  }

  hold(): void {
    this.#held = new Promise((resolve) => (this.#release = resolve));
  }

  release(): void {
    this.#held = undefined;
    this.#release();
  }

  download: Drive["download"] = async (id, start, end, version, signal) => {
    const request = { start, end, sent: 0, aborted: false, over: false };
    this.requests.push(request);
    const trouble = this.troubles.shift();
    if (trouble && "fault" in trouble)
      return fault(
        trouble.fault,
        "ordered",
        trouble.retryAfterMs === undefined ? {} : { retryAfterMs: trouble.retryAfterMs },
      );
    const file = this.#files.get(id);
    if (!file) return fault("notFound", "no such item");
    if (file.version !== version) return fault("changed", "another version");
    const whole = trouble !== undefined && "whole" in trouble;
    const from = whole ? 0 : start;
    const to = whole ? file.bytes.length : Math.min(end, file.bytes.length);
    if (from >= to && file.bytes.length > 0) return fault("rangeUnsatisfied", "past the end");
    const bytes = this.#body(file.bytes, { from, to }, request, trouble, signal);
    return ok({ start: from, end: to, total: file.bytes.length, bytes });
  };

  async *#body(
    file: Uint8Array,
    range: { from: number; to: number },
    request: OriginRequest,
    trouble: Trouble | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    try {
      const limit = trouble && "cutAfter" in trouble ? range.from + trouble.cutAfter : range.to;
      const aborted = (): boolean => (request.aborted ||= signal?.aborted === true);
      for (let at = range.from; at < limit; at += this.chunkBytes) {
        if (this.#held) await Promise.race([this.#held, abortion(signal)]);
        await new Promise((resolve) => setImmediate(resolve));
        if (aborted()) throw new Error("aborted");
        const chunk = new Uint8Array(file.subarray(at, Math.min(at + this.chunkBytes, limit)));
        if (at === range.from && trouble && "corrupt" in trouble) chunk[0]! ^= 0xff;
        request.sent += chunk.length;
        yield chunk;
      }
      if (trouble && "cutAfter" in trouble && !trouble.silent) throw new DownloadCut("cut");
      if (trouble && "extra" in trouble) yield new Uint8Array(trouble.extra).fill(0xee);
    } finally {
      request.over = true;
    }
  }
}

function abortion(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
}
