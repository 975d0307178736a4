/**
 * The start of the state: opens the store (which restores itself from checkpoint and journal when it must), believes no record of
 * the log before it was read, and says in sentences what happened. It changes nothing and drops nothing.
 */
import { ok, type Result } from "../base/result.ts";
import { decodeRecord } from "../op/codec.ts";
import type { OpenedStore, Reader, Recovered, Store, StoreFault } from "../store/store.ts";

export interface OpenedState {
  readonly store: Store;
  readonly recovered: Recovered;
  /** What a person should know, one sentence each; empty when all is well. */
  readonly report: readonly string[];
}

/** `open` opens the store of the state folder. */
export async function openState(
  open: () => Promise<Result<OpenedStore, StoreFault>>,
): Promise<Result<OpenedState, StoreFault>> {
  const opened = await open();
  if (!opened.ok) return opened;
  const { store, recovered } = opened.value;
  return ok({ store, recovered, report: [...restoreReport(recovered), ...logReport(store.read)] });
}

function restoreReport(recovered: Recovered): readonly string[] {
  if (recovered.how !== "restored") return [];
  const lost = recovered.lost === undefined ? "" : ` (${recovered.lost})`;
  return [`the machine stopped without warning; the state was restored as of the last time it was made safe${lost}`];
}

function logReport(read: Reader): readonly string[] {
  const report: string[] = [];
  for (const [seq, row] of read.ops.range()) {
    const record = decodeRecord(row);
    if (!record.ok) report.push(`operation ${seq} in the log cannot be read: ${record.fault}`);
  }
  return report;
}
