/**
 * The start of the state: opens the store (which restores itself from checkpoint and journal when it must), believes no record of
 * the log before it was read, and says in sentences what happened. A store that cannot be read at all is moved aside, never
 * deleted, and a new one begun: what its files tell of is taken back from them (take-back.ts). A newer program's store is refused.
 */
import { mkdir, rename, stat } from "node:fs/promises";
import { ok, type Result } from "../base/result.ts";
import type { After } from "../content/recover-content.ts";
import { decodeRecord } from "../op/codec.ts";
import type { OpenedStore, Reader, Recovered, Store, StoreFault } from "../store/store.ts";

export interface OpenedState {
  readonly store: Store;
  readonly recovered: Recovered;
  readonly after: After;
  /** What a person should know, one sentence each; empty when all is well. */
  readonly report: readonly string[];
  /** What the store lacks was looked for among the files. */
  reconciled(): Promise<void>;
}

/** `open` opens the store of the state folder, which is `dir`. */
export async function openState(
  dir: string,
  open: () => Promise<Result<OpenedStore, StoreFault>>,
): Promise<Result<OpenedState, StoreFault>> {
  let opened = await open();
  const report: string[] = [];
  if (!opened.ok && opened.fault.kind === "corrupt") {
    const aside = await moveAside(dir);
    report.push(
      `${opened.fault.why}; moved to ${aside}. The index is built anew from the cloud and the files that are here`,
    );
    opened = await open();
  }
  if (!opened.ok) return opened;
  const { store, recovered, reconciled } = opened.value;
  report.push(...restoreReport(recovered), ...logReport(store.read));
  return ok({ store, recovered, after: endedHow(recovered), report, reconciled });
}

/** How the process before this one ended. */
function endedHow({ how, damaged }: Recovered): After {
  if (how === "fresh" || damaged) return "lost";
  if (how === "restored") return "powerCut";
  return how === "afterKill" ? "kill" : "clean";
}

/** The folder's new name. */
async function moveAside(dir: string): Promise<string> {
  for (let serial = 1; ; serial++) {
    const aside = `${dir}.damaged-${serial}`;
    if (await isThere(aside)) continue;
    await rename(dir, aside);
    await mkdir(dir, { mode: 0o700 });
    return aside;
  }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function restoreReport(recovered: Recovered): readonly string[] {
  if (recovered.how !== "restored") return [];
  const lost = recovered.lost === undefined ? "" : ` (${recovered.lost})`;
  const why = recovered.damaged ? "the index was damaged" : "the machine stopped without warning";
  return [`${why}; the state was restored as of the last time it was made safe${lost}`];
}

function logReport(read: Reader): readonly string[] {
  const report: string[] = [];
  for (const [seq, row] of read.ops.range()) {
    const record = decodeRecord(row);
    if (!record.ok) report.push(`operation ${seq} in the log cannot be read: ${record.fault}`);
  }
  return report;
}
