/**
 * What follows a change, outside its transaction: bytes nobody needs are swept a moment later, the flusher is woken, and a backup
 * that a program keeps gets an item of its own once it is clear that it is kept (see identity.ts).
 */
import { ok } from "../base/result.ts";
import type { ItemKey } from "../model/ids.ts";
import { SWEEP_DELAY_MS } from "../model/limits.ts";
import type { Core } from "./core.ts";
import { split } from "./identity.ts";
import type { Answer } from "./vfs.ts";
import type { Pair } from "./waiting.ts";

/** After a commit that moved or removed something. */
export function afterwards(
  core: Core,
  settled: { readonly lost: readonly ItemKey[]; readonly splits: readonly Pair[] },
): void {
  core.changed({ kind: "logged", settling: true });
  for (const node of settled.lost) if (core.files.of(node).length === 0) dropClean(core, node);
  for (const pair of settled.splits) core.waiting.splits.set(pair.old, pair);
  if (core.waiting.splits.size > 0) splitSoon(core);
}

/** Carries out the splits that wait and still apply; those whose file is being written stay. A sweep under way ends first. */
export async function splitNow(core: Core): Promise<Answer<undefined>> {
  core.waiting.splitTimer?.();
  core.waiting.splitTimer = undefined;
  await core.waiting.sweep;
  let outcome: Answer<undefined> = ok();
  for (const [old, pair] of Array.from(core.waiting.splits)) {
    if (core.files.isWriting(pair.young)) continue;
    core.waiting.splits.delete(old);
    const done = await split(core, pair);
    if (!done.ok) {
      core.log.fault("a kept backup stays the item of its file", { why: done.fault.why });
      outcome = done;
    }
  }
  return outcome;
}

/** Clean bytes of a node that is no item any more. */
export function dropClean(core: Core, node: ItemKey): void {
  core.content.free(node).catch((error: unknown) => core.log.fault("clean bytes could not be dropped", { error }));
}

export function sweepSoon(core: Core): void {
  core.waiting.sweepTimer ??= core.clock.after(SWEEP_DELAY_MS, () => {
    core.waiting.sweepTimer = undefined;
    core.waiting.sweep = core.content
      .sweep()
      .catch((error: unknown) => core.log.fault("unneeded bytes could not be removed", { error }));
  });
}

/** Again after every close that may have been the last one of a young file. */
export function splitSoon(core: Core): void {
  core.waiting.splitTimer ??= core.clock.after(core.writeBackMs / 3, () => void splitNow(core));
}

export function stopWaiting(core: Core): void {
  core.waiting.splitTimer?.();
  core.waiting.sweepTimer?.();
}
