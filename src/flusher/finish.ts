/** Records an answer: the trees, the log and the intent in one transaction, and in the same turn everybody who must know. */
import type { Pushed } from "../apply/apply.ts";
import type { CloudItem } from "../model/item.ts";
import { FRESH_ITEM_MS } from "../model/limits.ts";
import type { Pushing } from "./pushing.ts";

export async function finish(pushing: Pushing, pushed: Pushed, item: CloudItem | undefined): Promise<void> {
  const applied = pushing.apply.acknowledge(pushed, item);
  pushing.acknowledged(pushed.node);
  pushing.applied(applied);
  if (item && (pushed.action === "createFile" || pushed.action === "createFolder")) remember(pushing, item);
  await Promise.all(
    applied.adopt.map(({ blob, node, version, same }) => pushing.content.adopt(blob, node, version, same)),
  );
}

function remember({ fresh, clock }: Pushing, item: CloudItem): void {
  const now = clock.now();
  for (const [id, at] of fresh) {
    if (now - at < FRESH_ITEM_MS) break;
    fresh.delete(id);
  }
  fresh.set(item.id, now);
}
