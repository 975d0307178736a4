/** What is pending and why, counted for a person: never says that nothing is pending while something is. */
import type { ItemKey } from "../model/ids.ts";
import type { Reader } from "../store/store.ts";
import type { FlushStatus } from "./flusher.ts";
import type { Planning } from "./planning.ts";
import type { Readiness } from "./readiness.ts";
import { isUpload, nodesOf, type Entry } from "./schedule.ts";
import type { Waits } from "./waits.ts";

export interface StatusParts {
  readonly read: Reader;
  readonly planning: Planning;
  readonly readiness: Readiness;
  readonly waits: Waits;
  readonly running: ReadonlyMap<ItemKey, { readonly entry: Entry }>;
  readonly unresolved: ReadonlySet<ItemKey>;
}

export function statusOf(parts: StatusParts): FlushStatus {
  const { planning, running, unresolved } = parts;
  const counts = { pending: 0, settling: 0, parked: 0, held: 0, bytes: 0 };
  const reasons = new Map<string, number>();
  const because = (reason: string, items: number): void => void reasons.set(reason, (reasons.get(reason) ?? 0) + items);
  const counted = new Set<ItemKey>();
  for (const entry of planning.current.entries) {
    if (entry.state === "done") continue;
    const items = nodesOf(entry.step).length;
    counted.add(entry.step.node);
    if (isUpload(entry.step)) counts.bytes += entry.step.bytes.size;
    const standing = planning.current.standing(entry);
    if (standing.state === "parked" || standing.state === "held") {
      counts[standing.state] += items;
      // Held ones came to be so in several plans; they are waiting for one word.
      because(standing.state === "held" ? HELD : standing.reason, items);
      continue;
    }
    counts.pending += items;
    const why = whyWaiting(parts, entry);
    if (why === SETTLING) counts.settling += items;
    if (why !== undefined) because(why, items);
  }
  for (const node of [...running.keys(), ...unresolved]) if (!counted.has(node)) counts.pending++;
  const left = planning.current.left.filter((node) => !counted.has(node) && !running.has(node));
  counts.parked += left.length;
  if (left.length > 0)
    because("not sent: what stands in its place here never leaves this machine, or its plan did not hold", left.length);
  if (planning.fault) {
    counts.pending += parts.read.ops.count;
    because(planning.fault.why, parts.read.ops.count);
  }
  // A plan that is yet to be made knows of more than the one in use.
  if (planning.stale || planning.making)
    counts.pending = Math.max(counts.pending, parts.read.local.count - counts.parked - counts.held);
  const uploading = [...running].filter(([, { entry }]) => isUpload(entry.step)).map(([node]) => node);
  const waiting = [...reasons].map(([reason, count]) => ({ reason, count }));
  return { ...counts, running: running.size, uploading, waiting };
}

const SETTLING = "settling";
const HELD =
  'deletions are held, for they are many at once: "onedrivectl release" lets them go to the cloud, "onedrivectl undo held" takes them back';

function whyWaiting({ readiness, waits, running, unresolved }: StatusParts, entry: Entry): string | undefined {
  const { node } = entry.step;
  if (running.has(node)) return undefined;
  if (unresolved.has(node)) return "the outcome of a request is being found out";
  const pause = waits.pause();
  if (waits.isPaused() && pause) return pause.fault.why;
  if (!readiness.isSettled(entry)) return SETTLING;
  return waits.reason(node);
}
