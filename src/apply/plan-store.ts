/**
 * The script from the tables: Mirror and Local as trees, planned, and carried out on a copy by the strict executor before anybody sends
 * a step of it. Should the executor refuse, nothing is sent but content writes by id, which need nothing of the tree, and the case is
 * handed out for a report.
 */
import type { Log } from "../base/log.ts";
import type { Stepwise } from "../base/stepwise.ts";
import { executeInSteps, type Refusal } from "../merge/executor.ts";
import type { Overlay, Script, Step } from "../merge/merge.ts";
import { planInSteps } from "../merge/plan.ts";
import type { ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import { ofNode } from "../oplog/oplog.ts";
import type { Reader } from "../store/store.ts";
import { localOnlyInSteps, parkedNames, type MergeSettings } from "./merge-in.ts";
import { mirrorTree, origin, overlayInSteps } from "./trees.ts";

export interface PlanReport {
  readonly refusal: Refusal;
  readonly script: Script;
  readonly local: Overlay;
}

export function* planFrom(
  read: Reader,
  settings: MergeSettings & { readonly log: Log; report(report: PlanReport): void },
): Stepwise<Script> {
  const mirror = mirrorTree(read);
  const local = yield* overlayInSteps(read, mirror);
  const localOnly = yield* localOnlyInSteps(read, local, settings);
  const script = yield* planInSteps(mirror, local, {
    localOnly,
    parked: parkedNames(read),
    device: settings.device,
  });
  const ran = yield* executeInSteps(mirror, script, local);
  const left = script.left.filter((node) => !localOnly.has(node));
  if (ran.ok) return { ...script, left };
  const where = ran.fault.step === undefined ? "its end" : script.steps[ran.fault.step]?.action;
  settings.log.fault("a plan did not hold; only content is sent", { where, node: ran.fault.node, why: ran.fault.why });
  settings.report({ refusal: ran.fault, script, local });
  return contentOnly(read, { ...script, left });
}

function contentOnly(read: Reader, script: Script): Script {
  const steps: Step[] = [];
  const left = new Set<ItemKey>(script.left);
  for (const step of script.steps) {
    const mirror = step.action === "writeContent" ? read.mirror.get(step.node) : undefined;
    if (step.action === "writeContent" && mirror && step.bytes.seen === contentVersion(mirror))
      steps.push({ ...step, needs: [] });
    else left.add(step.node);
  }
  return { steps, deletes: 0, left: [...left].sort((a, b) => a - b) };
}

/** True when unpushed bytes were made from a version the Mirror has moved past: they become a conflict copy before anything is planned. */
export function* hasOvertakenBytes(read: Reader): Stepwise<boolean> {
  for (const [node, row] of read.local.range()) {
    yield;
    if (!("content" in row) || row.content.from !== "blob") continue;
    const mirror = read.mirror.get(node);
    if (mirror && origin(read, node, row.content).seen !== contentVersion(mirror)) return true;
  }
  return false;
}

/** What is left over: of nodes that have nothing left to say, and parks of nodes that have their name (back). */
export interface Leftovers {
  readonly records: readonly ItemKey[];
  readonly parks: readonly ItemKey[];
  /** Nodes of which the cloud may have something from us, but nothing else is wanted. */
  readonly sent: readonly ItemKey[];
}

/** Nothing of a node with a request under way, or one whose answer is not known, is left over. */
export function* leftovers(read: Reader): Stepwise<Leftovers> {
  const busy = new Set<ItemKey>();
  for (const [node] of read.intents.range()) busy.add(node);
  const recorded = new Set<ItemKey>();
  for (const [, { op, status }] of read.ops.range()) {
    yield;
    if (status.state === "inflight") busy.add(op.node);
    else if (read.local.get(op.node) === undefined) recorded.add(op.node);
  }
  const records = [...recorded].filter((node) => !busy.has(node));
  const parks: ItemKey[] = [];
  for (const [node, park] of read.parks.range())
    if (!busy.has(node) && read.mirror.get(node)?.name !== park.parkingName) parks.push(node);
  const sent: ItemKey[] = [];
  for (const [node] of read.sent.range()) if (!busy.has(node) && read.local.get(node) === undefined) sent.push(node);
  return { records, parks, sent };
}

/** Whether that still holds of a node: the look at all of them may have taken a while. */
export function isLeftover(read: Reader, node: ItemKey): boolean {
  return read.local.get(node) === undefined && !isBusy(read, node);
}

export function isParkLeftover(read: Reader, node: ItemKey): boolean {
  return !isBusy(read, node) && read.mirror.get(node)?.name !== read.parks.get(node)?.parkingName;
}

function isBusy(read: Reader, node: ItemKey): boolean {
  return read.intents.get(node) !== undefined || ofNode(read, node).some(({ status }) => status.state === "inflight");
}
