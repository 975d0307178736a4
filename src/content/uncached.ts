/**
 * Reading through when the cache's disk is full: bytes come from the cloud into memory, a window at a time, and are not kept. Slow, but a
 * full disk never makes a file unreadable.
 */
import { keyedLock } from "../base/lock.ts";
import { ok } from "../base/result.ts";
import { DownloadCut } from "../drive/drive.ts";
import { fault } from "../model/fault.ts";
import type { Answer } from "./content.ts";
import { offline, type HydrateContext, type Target } from "./hydrate.ts";
import { READ } from "./turns.ts";

export interface UncachedReader {
  read(position: number, end: number, signal?: AbortSignal): Answer<Uint8Array>;
  forget(): void;
}

const WINDOW_BYTES = 1024 * 1024;

export function uncachedReader(context: HydrateContext, target: Target): UncachedReader {
  const lock = keyedLock<0>();
  let window = { from: 0, bytes: new Uint8Array(0) as Uint8Array };

  const fromWindow = (position: number, end: number): Uint8Array | undefined =>
    position >= window.from && end <= window.from + window.bytes.length
      ? window.bytes.slice(position - window.from, end - window.from)
      : undefined;

  const fetch = async (position: number, end: number, signal: AbortSignal): Answer<undefined> => {
    if (!context.isOnline()) return offline();
    if (!target.item || !(await context.turns.wait({ urgency: READ }, signal)))
      return fault("timedOut", "no turn came");
    try {
      const reach = Math.min(target.size, Math.max(end, position + WINDOW_BYTES));
      const answer = await context.drive.download(target.item, position, reach, target.version, signal);
      if (!answer.ok) return answer.fault.kind === "changed" ? fault("stale", "another version now") : answer;
      if (answer.value.start > position) return fault("garbled", "the service sent another range");
      window = {
        from: position,
        bytes: await collect(answer.value.bytes, position - answer.value.start, reach - position),
      };
      return ok();
    } catch (error) {
      if (error instanceof DownloadCut || signal.aborted) return fault("io", "the download was cut");
      throw error;
    } finally {
      context.turns.done();
    }
  };
  return {
    read: (position, end, signal) =>
      lock.run(0, async () => {
        const stop = new AbortController();
        const abort = (): void => stop.abort();
        const cancel = context.clock.after(context.readTimeoutMs, abort);
        signal?.addEventListener("abort", abort, { once: true });
        try {
          const got = fromWindow(position, end) ? ok() : await fetch(position, end, stop.signal);
          if (!got.ok) return got;
          const bytes = fromWindow(position, end);
          return bytes ? ok(bytes) : fault("io", "the download ended early");
        } finally {
          cancel();
          signal?.removeEventListener("abort", abort);
        }
      }),
    forget: () => void (window = { from: 0, bytes: new Uint8Array(0) }),
  };
}

/** `length` bytes of a stream, after the first `skip`. */
async function collect(stream: AsyncIterable<Uint8Array>, skip: number, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let got = -skip;
  for await (const part of stream) {
    parts.push(got >= 0 ? part : part.subarray(Math.min(-got, part.length)));
    got += part.length;
    if (got >= length) break;
  }
  return Uint8Array.prototype.subarray.call(Buffer.concat(parts), 0, Math.max(0, length));
}
