/**
 * Lists a folder that somebody opens before the enumeration has reached it: all pages of its children, applied in small parts, the
 * last of which marks it as listed. One request for all who ask at the same time, with a deadline; a fault at once while the cloud
 * cannot be reached.
 */
import { breathe } from "../base/loop.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { ROOT, type ItemId, type ItemKey } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { ENUMERATE_STEP_ITEMS } from "../model/limits.ts";
import { isListed } from "../store/children.ts";
import { rootId } from "./account.ts";
import { strongReads } from "./absorb.ts";
import type { Pulling } from "./pulling.ts";

export function lister(pulling: Pulling): (folder: ItemKey) => Promise<Result<undefined, Fault>> {
  const running = new Map<ItemKey, Promise<Result<undefined, Fault>>>();
  return (folder) => {
    if (isListed(pulling.store.read, folder)) return Promise.resolve(ok());
    if (pulling.isOnline() === false)
      return Promise.resolve(fault("offline", "the folder was never listed and the cloud cannot be reached"));
    const known = running.get(folder);
    if (known) return known;
    const mine = withDeadline(pulling, (signal) => listNow(pulling, folder, signal)).finally(() =>
      running.delete(folder),
    );
    running.set(folder, mine);
    return mine;
  };
}

/** Answers at the deadline whatever the request does: a call of the filesystem waits for this. */
function withDeadline(
  pulling: Pulling,
  task: (signal: AbortSignal) => Promise<Result<undefined, Fault>>,
): Promise<Result<undefined, Fault>> {
  const deadline = new AbortController();
  return new Promise((answer, defect) => {
    const cancel = pulling.clock.after(pulling.listTimeoutMs, () => {
      deadline.abort();
      answer(fault("timedOut", "the service did not list the folder in time"));
    });
    task(deadline.signal).then(answer, defect).finally(cancel);
  });
}

async function listNow(pulling: Pulling, folder: ItemKey, signal: AbortSignal): Promise<Result<undefined, Fault>> {
  const id = folder === ROOT ? await rootId(pulling, signal) : idOf(pulling, folder);
  if (!id.ok) return id;
  for (let link: string | undefined, first = true; first || link !== undefined; first = false) {
    const page = await pulling.drive.children(id.value, link, signal);
    if (!page.ok) return notThere(pulling, { folder: id.value, why: page.fault }, signal);
    const taken = await takeItems(pulling, page.value.items, signal);
    if (!taken.ok) return taken;
    if (page.value.next !== undefined && page.value.next === link)
      return fault("garbled", "a page of a listing leads to itself");
    link = page.value.next;
  }
  return pulling.absorb({ changes: [], listed: [id.value] }, signal);
}

/** Some at a time, with everything else in between: a folder may have tens of thousands. It counts as listed when all are there. */
async function takeItems(
  pulling: Pulling,
  items: readonly CloudItem[],
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  for (let at = 0; at < items.length; at += ENUMERATE_STEP_ITEMS) {
    if (items.length > ENUMERATE_STEP_ITEMS) await breathe();
    const changes = items.slice(at, at + ENUMERATE_STEP_ITEMS).map((item) => ({ deleted: false, item }) as const);
    const part = await pulling.absorb({ changes }, signal);
    if (!part.ok) return part;
  }
  return ok();
}

function idOf(pulling: Pulling, folder: ItemKey): Result<ItemId, Fault> {
  const known = pulling.store.read.mirror.get(folder);
  return known ? ok(known.id) : fault("notFound", "the folder is gone");
}

/** A folder that is gone is told as such before the listing fails. */
async function notThere(
  pulling: Pulling,
  { folder, why }: { folder: ItemId; why: Fault },
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  if (why.kind !== "notFound") return { ok: false, fault: why };
  const read = await strongReads(pulling, [folder], signal);
  if (!read.ok) return read;
  const [state] = read.value;
  if (!state?.deleted) return fault("unavailable", "the service cannot list the folder now");
  const applied = await pulling.absorb({ changes: [state] }, signal);
  return applied.ok ? fault("notFound", "the folder is gone") : applied;
}
