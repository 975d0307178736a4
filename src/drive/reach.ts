/**
 * Whether the service can be reached, learned from the calls that are made anyway: any HTTP answer says yes, a connection that
 * could not be made says no at once. A lost or late answer proves neither, so it only starts a probe. While the answer is no, a
 * small request without a token is tried again and again, so that the return of the network is noticed when nobody calls.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { REACH_PROBE_FIRST_MS, REACH_PROBE_MOST_MS, REACH_PROBE_TIMEOUT_MS } from "../model/limits.ts";
import type { Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";
import type { Http } from "../http/http.ts";
import type { Wrap } from "./graph.ts";

export interface Reach {
  /** True until something says otherwise. */
  readonly up: boolean;
  /** Called at every change; the returned function ends that. */
  onChange(listener: (up: boolean) => void): () => void;
  close(): void;
}

export interface WatchedReach extends Reach {
  readonly watch: Wrap;
}

export interface ReachOptions {
  readonly http: Http;
  readonly clock: Clock;
  /** Base of Graph. */
  readonly base: string;
}

export function reach({ http, clock, base }: ReachOptions): WatchedReach {
  const listeners = new Set<(up: boolean) => void>();
  const closing = new AbortController();
  let up = true;
  let probing = false;

  const settle = (now: boolean): void => {
    if (closing.signal.aborted || now === up) return;
    up = now;
    for (const listener of listeners) listener(up);
  };
  const probe = async (): Promise<void> => {
    if (probing) return;
    probing = true;
    for (
      let waitMs = REACH_PROBE_FIRST_MS;
      !closing.signal.aborted;
      waitMs = Math.min(waitMs * 2, REACH_PROBE_MOST_MS)
    ) {
      const answer = await http.send({
        method: "GET",
        url: `${base}/v1.0/`,
        signal: closing.signal,
        headersTimeoutMs: REACH_PROBE_TIMEOUT_MS,
      });
      if (answer.ok) answer.value.discard();
      settle(answer.ok);
      if (answer.ok) break;
      await sleep(clock, waitMs, closing.signal);
      if (up) break;
    }
    probing = false;
  };
  const note = (answer: Result<unknown, Fault>): void => {
    if (answer.ok || answer.fault.status !== undefined) return settle(true);
    if (answer.fault.kind === "offline" && !answer.fault.unclear) settle(false);
    if (answer.fault.kind === "offline" || answer.fault.kind === "timedOut") void probe();
  };
  return {
    get up() {
      return up;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => closing.abort(),
    watch: (next) => async (call) => {
      const answer = await next(call);
      note(answer);
      return answer;
    },
  };
}
