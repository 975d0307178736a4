/**
 * Copies under way and the links that tell how they are. A copy is made at once unless a fault delays it; what a monitor
 * says is true, except under `copy-early`, where it says `completed` before the copy is there.
 */
import { json, type Answer, type Head, type Hits } from "./exchange.ts";
import type { Item } from "./item.ts";
import type { Later } from "./later.ts";
import type { Signer } from "./links.ts";
import { notFound, Refusal } from "./refusal.ts";
import type { World } from "./world.ts";

interface Monitor {
  status: "inProgress" | "completed" | "failed";
  resourceId?: string;
  errorCode?: string;
}

export interface MonitorBook {
  /** Starts a copy; gives the path of its monitor. */
  start(job: { copy: () => Item; hits: Hits }): string;
  answer(path: string, head: Head): Answer;
}

export function makeMonitors(world: World, later: Later, signer: Signer): MonitorBook {
  const monitors = new Map<string, Monitor>();
  const run = (monitor: Monitor, copy: () => Item): void => {
    try {
      const item = copy();
      monitor.resourceId = item.drive.ids.itemId(item.num);
      monitor.status = "completed";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      monitor.status = "failed";
      monitor.errorCode = error.code;
    }
  };
  return {
    start({ copy, hits }) {
      const path = `/_op/${monitors.size + 1}.${signer.sign(`monitor:${monitors.size + 1}`)}`;
      const monitor: Monitor = { status: "inProgress" };
      monitors.set(path, monitor);
      const slow = hits.get("copy-slow") ?? hits.get("copy-early");
      if (hits.has("copy-fail"))
        Object.assign(monitor, { status: "failed", errorCode: hits.get("copy-fail")?.code ?? "generalException" });
      else if (slow) later.at(world.clockMs() + (slow.seconds ?? 10) * 1000, () => run(monitor, copy));
      else run(monitor, copy);
      if (hits.has("copy-early")) monitor.status = "completed";
      return path;
    },
    answer(path, head) {
      if (head.headers["authorization"] !== undefined) throw new Refusal(401, "unauthenticated");
      const monitor = monitors.get(path);
      if (!monitor) throw notFound("There is no such operation.");
      const percentageComplete = monitor.status === "completed" ? 100 : 0;
      return json(monitor.status === "inProgress" ? 202 : 200, {
        operation: "itemCopy",
        percentageComplete,
        ...monitor,
      });
    },
  };
}
