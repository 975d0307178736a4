/**
 * Upload sessions: bytes that arrive in fragments and become a file at the last one.
 *
 * Rules kept here: fragments come in order, start where the session stands, are multiples of 320 KiB except the last one
 * (a large file that broke this is refused at its end), stay below 60 MiB, and keep the total constant. A fragment that
 * breaks off loses its bytes. Idle and hard expiry follow the profile. When the commit is refused (name taken, quota), the
 * session lives on and can be committed elsewhere.
 */
import type { Content, Inflow } from "./content.ts";
import { iso, type Json } from "./item-json.ts";
import type { Actor, Item } from "./item.ts";
import type { Signer } from "./links.ts";
import type { ClientTimes, Conflict, Slot } from "./mutate.ts";
import { badRequest, notFound, Refusal } from "./refusal.ts";
import type { World } from "./world.ts";

const FRAGMENT_MAX_BYTES = 60 * 1024 * 1024;
const ALIGNMENT_BYTES = 327_680;
const MISALIGNED_TOTAL_BYTES = 10 * 1024 * 1024;

export interface UploadTarget {
  readonly slot: Slot;
  /** The file to replace, when the session was opened by its id. */
  readonly item: Item | undefined;
  readonly conflict: Conflict;
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly times: ClientTimes | undefined;
  readonly description: string | undefined;
  readonly deferred: boolean;
  readonly by: Actor;
}

export interface UploadSession {
  readonly path: string;
  readonly target: UploadTarget;
  readonly createdMs: number;
  readonly inflow: Inflow;
  expiresMs: number;
  total: number | undefined;
  misaligned: boolean;
  /** All bytes, when they are there and only the commit is missing. */
  content: Content | undefined;
  receiving: { abandon(): void } | undefined;
}

export interface Fragment {
  readonly first: number;
  readonly last: number;
  readonly total: number;
}

export interface UploadBook {
  open(target: UploadTarget): UploadSession;
  find(path: string): UploadSession;
  drop(session: UploadSession): void;
  /** Checks a fragment against the session, before its bytes are taken. */
  expect(session: UploadSession, fragment: Fragment): void;
  touch(session: UploadSession): void;
}

export function makeUploads(world: World, signer: Signer): UploadBook {
  const sessions = new Map<string, UploadSession>();
  let last = 0;
  const { sessionIdleMs, sessionHardMs } = world.profile;
  return {
    open(target) {
      const path = `/_up/${++last}.${signer.sign(`upload:${last}:${world.clockMs()}`)}`;
      const session: UploadSession = {
        path,
        target,
        createdMs: world.clockMs(),
        inflow: world.blobs.create(),
        expiresMs: world.clockMs() + sessionIdleMs,
        total: undefined,
        misaligned: false,
        content: undefined,
        receiving: undefined,
      };
      sessions.set(path, session);
      return session;
    },
    find(path) {
      const session = sessions.get(path);
      if (!session) throw notFound("The upload session was not found.");
      const nowMs = world.clockMs();
      if (nowMs > session.createdMs + sessionHardMs) {
        throw new Refusal(401, "unauthenticated", {
          message: "The upload session has expired.",
          inner: "expiredToken",
        });
      }
      if (nowMs <= session.expiresMs) return session;
      this.drop(session);
      throw notFound("The upload session was not found.");
    },
    drop(session) {
      sessions.delete(session.path);
      session.receiving?.abandon();
      if (session.content) world.release(session.content);
      else session.inflow.abort();
    },
    expect: checkFragment,
    touch: (session) => void (session.expiresMs = world.clockMs() + sessionIdleMs),
  };
}

export function sessionStatus(session: UploadSession): Json {
  const { total } = session;
  const next = session.content ? [] : [`${session.inflow.length}-${total === undefined ? "" : total - 1}`];
  return { expirationDateTime: iso(Math.floor(session.expiresMs / 1000) * 1000), nextExpectedRanges: next };
}

/** `bytes a-b/total`, with a length that agrees. */
export function readFragment(header: string | undefined, length: number | undefined): Fragment {
  const found = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header?.trim() ?? "");
  if (!found) throw badRequest("invalidRequest", "The Content-Range header is missing or malformed.");
  const [first = 0, last = 0, total = 0] = found.slice(1).map(Number);
  if (last < first || last >= total) throw badRequest("invalidRequest", "The Content-Range header makes no sense.");
  if (length !== undefined && length !== last - first + 1) {
    throw badRequest("invalidRequest", "Content-Length does not agree with Content-Range.");
  }
  return { first, last, total };
}

function checkFragment(session: UploadSession, { first, last, total }: Fragment): void {
  const length = last - first + 1;
  if (length > FRAGMENT_MAX_BYTES) throw new Refusal(413, "invalidRange", { message: "The fragment is too large." });
  if (session.total !== undefined && session.total !== total) {
    throw badRequest("invalidRequest", "The total size differs from that of earlier fragments.");
  }
  const at = session.content ? total : session.inflow.length;
  if (first !== at) {
    const inner = first < at ? "fragmentOverlap" : "fragmentOutOfOrder";
    throw new Refusal(416, "invalidRange", {
      message: "Uploaded fragment overlaps with existing data or is out of order.",
      inner,
    });
  }
  const final = last === total - 1;
  const misaligned = session.misaligned || (!final && length % ALIGNMENT_BYTES !== 0);
  if (final && misaligned && total > MISALIGNED_TOTAL_BYTES) {
    throw badRequest("invalidRequest", "A fragment was not a multiple of 320 KiB.");
  }
  session.misaligned = misaligned;
  session.total = total;
}
