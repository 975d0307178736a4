/**
 * `onedrivectl check` and `rebuild`: everything that is kept here compared with everything that is known of it. Check mends what costs
 * nothing to mend (clean bytes are fetched again) and tells the rest. Rebuild compares every row with the cloud and puts it right; it never
 * empties the index, which says what open files and pending operations are based on.
 */
import { breathe } from "../base/loop.ts";
import { ok, type Result } from "../base/result.ts";
import type { Calls, Handlers, Problem } from "../control/control.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { checkSlices } from "../store/check.ts";
import { repairIndexes } from "../store/repair.ts";
import type { CommandParts } from "./commands.ts";
import { pathOf } from "./paths.ts";

type Checks = Pick<Handlers, "check" | "rebuild">;

export function checks(parts: CommandParts): Checks {
  const { store, puller, content, found } = parts;
  return {
    async check({ cloud }, signal) {
      const before = store.read.mirror.count;
      if (cloud) {
        const audited = await puller.audit();
        if (!audited.ok) return audited;
      }
      return ok({ ...(await everything(parts, signal)), items: cloud ? store.read.mirror.count : before });
    },
    async rebuild() {
      const { repaired } = store.transact(repairIndexes);
      const audited: Result<undefined, Fault> = await puller.audit();
      if (!audited.ok) return audited;
      await found.look();
      await content.sweep();
      return ok({ items: store.read.mirror.count, repaired });
    },
  };
}

async function everything(parts: CommandParts, signal: AbortSignal): Promise<Omit<Calls["check"]["gives"], "items">> {
  const { store, config, content, found } = parts;
  const problems: Problem[] = [];
  const at = (node: ItemKey | undefined): string =>
    node === undefined ? "" : `${pathOf(store.read, config.mountpoint, node)}: `;
  // A damaged database is not read in this process: that could end it.
  const files = await parts.verifyStore();
  for (const what of files) problems.push({ where: "store", what, mended: false });
  if (files.length === 0)
    for (const slice of checkSlices(store.read)) {
      for (const { what, node, invariant } of slice)
        problems.push({
          where: invariant.startsWith("L") ? "log" : "store",
          what: `${at(node)}${what}`,
          mended: false,
        });
      await breathe();
    }
  if (store.read.meta.get("enumerated") === true && store.read.meta.get("cursor") === undefined)
    problems.push({
      where: "store",
      what: "the place in the change feed is lost: the drive is read anew",
      mended: false,
    });
  const verified = await content.verify(signal);
  for (const { node, what, mended } of verified.problems)
    problems.push({ where: "content", what: `${at(node)}${what}`, mended });
  for (const { path } of found.left)
    problems.push({ where: "content", what: `${path}: unpushed bytes that belong nowhere known`, mended: false });
  return { problems, files: verified.files, bytes: verified.bytes };
}
