/**
 * Applies a batch, reading by id whatever it cannot be applied without (unknown parents, two items in one slot, cycles, entries
 * that look older than what is known), a bounded number of times. A batch that still does not fit is dropped as a whole.
 */
import { ok, type Result } from "../base/result.ts";
import { limit } from "../base/limit.ts";
import { sleep } from "../base/clock.ts";
import { inTurns } from "../base/loop.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { BlobId, ItemId } from "../model/ids.ts";
import type { Applied } from "../apply/apply.ts";
import type { Reader } from "../store/store.ts";
import { CONFIRM_GONE_MS, NEWS_STEPS_PER_TURN, REPAIR_ROUNDS_MAX, STRONG_READS_MAX } from "../model/limits.ts";
import type { Absorb, Pulling } from "./pulling.ts";

type Needs = Pick<Pulling, "apply" | "content" | "drive" | "clock" | "log" | "applied" | "heard" | "store">;

/** More levels than a path of the service can have. */
const LEVELS_MAX = 200;

export function absorber(pulling: Needs): Absorb {
  return async (batch, signal) => {
    const strong = new Map<ItemId, CloudChange>();
    // What the Mirror had when an item was read: an answer that the Mirror has moved on from meanwhile is doubted like any other.
    const heldThen = new Map<ItemId, string | undefined>();
    const held = (id: ItemId): string | undefined => heldTag(pulling.store.read, id);
    const unhashed = new Set<BlobId>();
    const bounds = { again: 0, further: 0, freezes: 0 };
    const news = await inTurns(pulling.apply.news(batch.changes), NEWS_STEPS_PER_TURN, signal);
    if (!news) return fault("interrupted", "the mount is ending");
    let told = news;
    while (bounds.again <= REPAIR_ROUNDS_MAX && bounds.further <= LEVELS_MAX) {
      if ([...strong.values()].some((change) => change.deleted)) told = batch.changes;
      const changes = [...told, ...strong.values()];
      const read = [...strong.keys()].filter((id) => heldThen.get(id) === held(id));
      const outcome = pulling.apply.batch({ ...batch, changes, read, unhashed: [...unhashed] });
      if (outcome.ok) {
        await announce(pulling, outcome.value);
        return ok();
      }
      const { freeze = [], read: asked } = outcome.fault;
      if (freeze.length > 0) {
        // Bytes that are written faster than they can be hashed count as different from all others in the end.
        const open = ++bounds.freezes > REPAIR_ROUNDS_MAX ? freeze : await freezeAll(pulling, freeze);
        for (const blob of open) unhashed.add(blob);
        continue;
      }
      const wanted = wantedReads(asked, changes, strong);
      if (wanted.some((id) => !strong.has(id))) bounds.further++;
      else bounds.again++;
      pulling.log.trace("a batch needs items to be read by id", { wanted: wanted.length, ...bounds });
      for (const id of wanted) heldThen.set(id, held(id));
      const answers = await strongReads(pulling, wanted, signal);
      if (!answers.ok) return answers;
      for (const answer of answers.value) strong.set(answer.deleted ? answer.id : answer.item.id, answer);
    }
    pulling.log.fault("answers of the service do not fit together; they are dropped and asked for again");
    return fault("garbled", "the service's answers do not fit together");
  };
}

function heldTag(read: Reader, id: ItemId): string | undefined {
  const node = read.ids.get(id);
  return node === undefined ? undefined : read.mirror.get(node)?.eTag;
}

/** In the turn of the transaction: whoever caches what changed, and the bytes. */
async function announce({ content, applied }: Needs, done: Applied): Promise<void> {
  applied(done);
  await Promise.all(done.adopt.map(({ blob, node, version, same }) => content.adopt(blob, node, version, same)));
}

/** Hashes unpushed bytes that a conflict is about; returns those that cannot be hashed. */
async function freezeAll({ content }: Needs, blobs: readonly BlobId[]): Promise<BlobId[]> {
  const frozen = await Promise.all(blobs.map(async (blob) => ({ blob, answer: await content.freeze(blob) })));
  return frozen.filter(({ answer }) => !answer.ok).map(({ blob }) => blob);
}

/** States of the items by id, as changes. A 404 is asked for twice before it becomes a tombstone: new items answer 404 at times. */
export async function strongReads(
  pulling: Pick<Needs, "drive" | "clock" | "heard">,
  ids: readonly ItemId[],
  signal?: AbortSignal,
): Promise<Result<readonly CloudChange[], Fault>> {
  const gate = limit(STRONG_READS_MAX);
  const answers = await Promise.all(ids.map((id) => gate.run(() => strongRead(pulling, id, signal))));
  const changes: CloudChange[] = [];
  for (const answer of answers) {
    if (!answer.ok) return answer;
    changes.push(answer.value);
  }
  return ok(changes);
}

async function strongRead(
  pulling: Pick<Needs, "drive" | "clock" | "heard">,
  id: ItemId,
  signal?: AbortSignal,
): Promise<Result<CloudChange, Fault>> {
  let answer = pulling.heard(await pulling.drive.item(id, signal));
  if (!answer.ok && answer.fault.kind === "notFound") {
    await sleep(pulling.clock, CONFIRM_GONE_MS, signal);
    answer = pulling.heard(await pulling.drive.item(id, signal));
  }
  if (answer.ok) return ok({ deleted: false, item: answer.value });
  return answer.fault.kind === "notFound" ? ok({ deleted: true, id }) : answer;
}

/**
 * The items to read: those asked for and not read yet, and live entries below a parent that turned out to be gone. When all was
 * read already, all is read again: the cloud moves while we read.
 */
function wantedReads(
  asked: readonly ItemId[],
  changes: readonly CloudChange[],
  strong: ReadonlyMap<ItemId, CloudChange>,
): ItemId[] {
  const wanted = new Set(asked);
  for (const change of changes) {
    if (change.deleted || change.item.parentId === undefined) continue;
    if (strong.get(change.item.parentId)?.deleted) wanted.add(change.item.id);
  }
  const fresh = [...wanted].filter((id) => !strong.has(id));
  return fresh.length > 0 ? fresh : [...wanted];
}
