/**
 * Small changing calls (folders, renames, times, deletes) gathered into $batch requests: a call that has no company goes as a
 * plain request at once; those that come together, or while enough batches are under way, go together. Answers are per call.
 */
import type { Result } from "../base/result.ts";
import type { BatchCall, Drive } from "../drive/drive.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CloudItem } from "../model/item.ts";
import { BATCH_CALLS_MAX, BATCHES_MAX } from "../model/limits.ts";

type Outcome = Result<CloudItem | undefined, Fault>;
export type SmallCalls = (call: BatchCall) => Promise<Outcome>;

export function gather(drive: Drive, signal: AbortSignal): SmallCalls {
  const queue: { call: BatchCall; resolve: (outcome: Outcome) => void; reject: (error: unknown) => void }[] = [];
  let running = 0;
  const send = async (calls: readonly BatchCall[]): Promise<readonly Outcome[]> => {
    const [first] = calls;
    if (calls.length > 1 && drive.batch) return drive.batch(calls, signal);
    return first ? [await plain(drive, first, signal)] : [];
  };
  const pump = (): void => {
    while (queue.length > 0 && running < BATCHES_MAX) {
      const part = queue.splice(0, drive.batch ? BATCH_CALLS_MAX : 1);
      running++;
      send(part.map((entry) => entry.call))
        .then((outcomes) => part.forEach((entry, i) => entry.resolve(outcomes[i] ?? MISSING)))
        .catch((error: unknown) => part.forEach((entry) => entry.reject(error)))
        .finally(() => {
          running--;
          pump();
        });
    }
  };
  return (call) =>
    new Promise((resolve, reject) => {
      queue.push({ call, resolve, reject });
      if (queue.length === 1) queueMicrotask(pump);
    });
}

const MISSING: Outcome = fault("garbled", "the service left out an answer", { unclear: true });

function plain(drive: Drive, call: BatchCall, signal: AbortSignal): Promise<Outcome> {
  if (call.call === "createFolder") return drive.createFolder(call.parent, call.name, signal);
  if (call.call === "update") return drive.update(call.id, call.change, call.seen, signal);
  return drive.remove(call.id, call.seen, signal);
}
