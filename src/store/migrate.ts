/**
 * Brings rows of an older schema to the present one, in a single transaction: after a crash the store is either old or new. Steps are
 * never changed once released; each goes from one version to the next.
 */
import { failed, ok, type Result } from "../base/result.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import type { Store, StoreFault, Writer } from "./store.ts";

/** From version `from` to `from + 1`. */
export interface Step {
  readonly from: number;
  readonly run: (tx: Writer) => void;
}

const STEPS: readonly Step[] = [
  { from: 1, run: rememberMoves },
  { from: 2, run: () => undefined }, // rows of blobs may say that their bytes are damaged
  { from: 3, run: () => undefined }, // facts may have an owner, a group and an atime
];

/** Version 2 remembers what was asked for (table `sent`): of moves under way the log knew it. */
function rememberMoves(tx: Writer): void {
  for (const [, { op, status }] of tx.ops.range())
    if (op.type === "move" && status.state === "inflight")
      tx.sent.put(op.node, { asked: [{ parent: op.parent, name: op.name }] });
}

/** The version the store had before. A store without a version is empty and gets the present one. */
export function migrate(
  store: Pick<Store, "read" | "transact">,
  steps: readonly Step[] = STEPS,
  target: number = SCHEMA_VERSION,
): Result<number, StoreFault> {
  const version = store.read.meta.get("schema") ?? undefined;
  if (version === target) return ok(target);
  if (version === undefined) {
    store.transact((tx) => tx.meta.put("schema", target));
    return ok(target);
  }
  if (typeof version !== "number") return failed({ kind: "corrupt", why: "the state folder has no valid version" });
  if (version > target)
    return failed({
      kind: "newer",
      why: `the state folder was written by a later version of this program (${version})`,
    });
  const missing = range(version, target).find((from) => !steps.some((step) => step.from === from));
  if (missing !== undefined) return failed({ kind: "corrupt", why: `no way leads on from state version ${missing}` });
  store.transact((tx) => {
    for (const from of range(version, target)) steps.find((step) => step.from === from)!.run(tx);
    tx.meta.put("schema", target);
  });
  return ok(version);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
