/**
 * The contract between onedrivectl and a daemon: which calls there are, what they take and what they answer. One call a
 * connection, one JSON line each way, over a unix socket only its owner can open. Before the answer come empty lines, one each
 * CONTROL_LIFE_SIGN_MS: some calls take long, and a daemon at work is to be told from one that hangs. Answers never hold a token or a
 * secret URL.
 */
import type { Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";

export interface StatusReport {
  readonly account: string;
  readonly mountpoint: string;
  readonly pid: number;
  readonly online: boolean;
  readonly signedIn: boolean;
  /** Seconds since the last complete round of changes; null before the first. */
  readonly cursorAgeSeconds: number | null;
  /** The whole tree is known. */
  readonly enumerated: boolean;
  readonly items: number;
  /** Operations that will still be sent, settling ones included; parked and held ones are not in it. */
  readonly pending: number;
  readonly uploading: number;
  readonly parked: number;
  readonly held: number;
  readonly conflicts: number;
  /** Files with unpushed bytes that a lost index did not know and that nobody could place yet. */
  readonly found: number;
  /** Why something waits, for a person. */
  readonly reasons: readonly string[];
  readonly cache: {
    readonly cleanBytes: number;
    readonly unpushedBytes: number;
    readonly limitBytes: number;
    readonly diskFreeBytes: number;
  };
  readonly quota: { readonly total: number; readonly used: number; readonly remaining: number } | null;
}

export interface OpReport {
  readonly id: number;
  readonly type: string;
  readonly path: string;
  readonly state: string;
  readonly reason: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly tries: number;
}

/** Bytes of one item that one program made come from the cloud, since the daemon started. */
export interface DownloadReport {
  /** Where the item was when they came. */
  readonly path: string;
  /** Name of its process; in parentheses what is no program. */
  readonly program: string;
  /** Null when it is not known, or no program. */
  readonly pid: number | null;
  readonly bytes: number;
  /** First and last byte, milliseconds since the epoch. */
  readonly since: number;
  readonly at: number;
}

export interface InfoReport {
  readonly path: string;
  readonly inode: number;
  readonly kind: string;
  readonly size: number;
  readonly state: string;
  readonly pinned: boolean;
  readonly id: string | null;
  readonly eTag: string | null;
  readonly cTag: string | null;
  readonly hash: string | null;
  readonly webUrl: string | null;
  readonly pending: readonly OpReport[];
  readonly error: string | null;
  /** The newest first. */
  readonly downloads: readonly DownloadReport[];
}

export interface PinReport {
  /** Bytes still to be fetched. */
  readonly neededBytes: number;
  readonly freeBytes: number;
}

export interface ConflictReport {
  readonly path: string;
  readonly of: string;
  readonly why: string;
  readonly at: number;
}

export interface Problem {
  readonly where: "store" | "log" | "content";
  readonly what: string;
  /** It is in order again. */
  readonly mended: boolean;
}

/** Every call: what it takes and what it answers. Paths are absolute paths below the mountpoint. */
export interface Calls {
  status: { takes: Record<string, never>; gives: StatusReport };
  /** Answers when everything is pushed ("done"), when only parked or held operations are left ("stuck"), or after the timeout. */
  wait: {
    takes: { timeoutSeconds: number | null };
    gives: { outcome: "done" | "stuck" | "timeout"; status: StatusReport };
  };
  sync: { takes: Record<string, never>; gives: StatusReport };
  ops: { takes: Record<string, never>; gives: { ops: readonly OpReport[] } };
  graph: { takes: Record<string, never>; gives: { mermaid: string } };
  retry: { takes: { op: number }; gives: { op: number } };
  cancel: { takes: { op: number }; gives: { op: number } };
  undo: { takes: { op: number }; gives: { op: number } };
  /** Takes a held mass deletion back. */
  undoHeld: { takes: Record<string, never>; gives: { restored: number } };
  /** Lets a held mass deletion go. */
  release: { takes: Record<string, never>; gives: { released: number } };
  conflicts: { takes: Record<string, never>; gives: { conflicts: readonly ConflictReport[] } };
  /** What programs made come from the cloud of the items at or below a path, the newest first. */
  downloads: { takes: { below: string }; gives: { downloads: readonly DownloadReport[] } };
  resolve: { takes: { path: string; keep: "mine" | "theirs" | "both" }; gives: { path: string } };
  pin: { takes: { path: string }; gives: PinReport };
  unpin: { takes: { path: string }; gives: { path: string } };
  /** `pinned`: files below that are kept here and stay. */
  free: { takes: { path: string }; gives: { freedBytes: number; pinned: number } };
  info: { takes: { path: string }; gives: InfoReport };
  check: {
    takes: { cloud: boolean };
    gives: {
      problems: readonly Problem[];
      /** Items in the index; files and bytes of content that were read. */
      items: number;
      files: number;
      bytes: number;
    };
  };
  rebuild: { takes: Record<string, never>; gives: { items: number; repaired: number } };
}

export type CallName = keyof Calls;

/** What the daemon does for each call. */
export type Handlers = {
  readonly [C in CallName]: (
    takes: Calls[C]["takes"],
    signal: AbortSignal,
  ) => Promise<Result<Calls[C]["gives"], Fault>>;
};

export type Request = { readonly [C in CallName]: { readonly call: C; readonly takes: Calls[C]["takes"] } }[CallName];
export type Response<C extends CallName = CallName> = Result<Calls[C]["gives"], Fault>;

/** A line longer than this is not a call of ours. */
export const LINE_BYTES_MAX = 64 * 1024;
