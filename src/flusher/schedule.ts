/**
 * One plan while it is carried out: which of its steps may start now, and what the others wait for. A plan stays usable while
 * answers are what it expected; every step is checked again against the trees when it starts.
 */
import type { Stepwise } from "../base/stepwise.ts";
import { DELETE_BURST_MS } from "../model/limits.ts";
import type { Script, Step } from "../merge/merge.ts";
import type { ItemKey } from "../model/ids.ts";
import type { OpState } from "../op/op.ts";
import type { Reader } from "../store/store.ts";
import { standingOf } from "./op-states.ts";
import { lastTouches } from "./settle.ts";

export interface Entry {
  readonly step: Step;
  readonly needs: readonly Entry[];
  /** Milliseconds since the epoch of the last act that touched it. */
  readonly touchedAt: number;
  /** The earliest such time of it and of all that needs it: who asks for those to be sent asks for it as well. */
  neededAt: number;
  /** From here on it has to be quiet: for a delete also that others are made, so that one `rm -rf` is judged as a whole. */
  readonly quietFrom: number;
  /** Steps that hang together; moves and deletes of one group go one at a time. */
  readonly group: number;
  /** `void`: it did not hold when it was to start; the next plan knows better. */
  state: "todo" | "running" | "done" | "void";
}

export interface Schedule {
  readonly entries: readonly Entry[];
  /** Entries that may not be done yet, in the plan's order: what sends bytes, and the rest. */
  uploads(): readonly Entry[];
  others(): readonly Entry[];
  of(node: ItemKey): readonly Entry[];
  /** Nodes that differ from the cloud and that no step of this plan sends. */
  readonly left: readonly ItemKey[];
  /** Waits for a person, itself or through what it needs. */
  standing(entry: Entry): OpState;
}

export const EMPTY: Schedule = {
  entries: [],
  uploads: () => [],
  others: () => [],
  of: () => [],
  left: [],
  standing: () => ({ state: "pending" }),
};

/** `then`: the tables the script was made from, which do not change between steps. */
export function* schedule(read: Reader, script: Script, then: Reader): Stepwise<Schedule> {
  const entries = yield* entriesOf(then, script);
  const own = (entry: Entry): OpState => standingOf(read, entry.step.node);
  const inherited = new Map<Entry, OpState>();
  const standing = (entry: Entry): OpState => {
    const state = own(entry);
    return waitsForPerson(state) ? state : (inherited.get(entry) ?? state);
  };
  // In the plan's order whatever a step needs comes first: one pass hands a park on to all that depend on it.
  const passed = new Map<Entry, OpState>();
  for (const entry of entries) {
    yield;
    for (const need of entry.needs) if (!passed.has(need)) passed.set(need, standing(need));
    const stuck = entry.needs.map((need) => passed.get(need)).find((state) => state && waitsForPerson(state));
    if (stuck) inherited.set(entry, stuck);
  }
  const byNode = new Map<ItemKey, Entry[]>();
  for (const entry of entries) byNode.set(entry.step.node, [...(byNode.get(entry.step.node) ?? []), entry]);
  return {
    entries,
    uploads: open(entries.filter((entry) => isUpload(entry.step))),
    others: open(entries.filter((entry) => !isUpload(entry.step))),
    of: (node) => byNode.get(node) ?? [],
    left: script.left,
    standing,
  };
}

function* entriesOf(read: Reader, script: Script): Stepwise<Entry[]> {
  const touched = yield* lastTouches(read, script.steps);
  const groups = groupsOf(script);
  const lastDelete = script.steps.reduce(
    (last, step, i) => (isDelete(step) ? Math.max(last, touched[i] ?? 0) : last),
    0,
  );
  const entries: Entry[] = [];
  script.steps.forEach((step, i) => {
    const needs = step.needs.map((index) => entries[index]).filter((entry) => entry !== undefined);
    const touchedAt = touched[i] ?? 0;
    const quietFrom = isDelete(step) ? Math.min(lastDelete, touchedAt + DELETE_BURST_MS) : touchedAt;
    const group = groups[i] ?? i;
    entries.push({ step, needs, touchedAt, neededAt: touchedAt, quietFrom, group, state: "todo" });
  });
  for (const entry of entries.toReversed())
    for (const need of entry.needs) need.neededAt = Math.min(need.neededAt, entry.neededAt);
  return entries;
}

/** The list without what is done, trimmed now and then: asked for often, it must cost little. */
function open(list: readonly Entry[]): () => readonly Entry[] {
  let left = list;
  return () => {
    const half = left[Math.floor(left.length / 2)];
    if (left[0]?.state === "done" && (left.length < 32 || half?.state !== "todo"))
      left = left.filter((entry) => entry.state !== "done");
    return left;
  };
}

function waitsForPerson(state: OpState): boolean {
  return state.state === "parked" || state.state === "held";
}

/** Moves and deletes that hang together go one at a time. */
export function groupOf({ step, group }: Entry): number | undefined {
  return step.action === "move" || isDelete(step) ? group : undefined;
}

export function isDelete(step: Step): boolean {
  return step.action === "deleteFile" || step.action === "deleteFolder";
}

export function isUpload(step: Step): step is Step & { action: "createFile" | "writeContent" } {
  return step.action === "createFile" || step.action === "writeContent";
}

/** The plan in use may be newer than the one the step was started from. */
export function isSameStep(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.step.action !== b.step.action) return false;
  if (isUpload(a.step) && isUpload(b.step) && a.step.bytes.version !== b.step.bytes.version) return false;
  const place = (entry: Entry): string =>
    "parent" in entry.step
      ? `${entry.step.parent}/${entry.step.name}`
      : "mtime" in entry.step
        ? `${entry.step.mtime}`
        : "";
  return place(a) === place(b);
}

export function nodesOf(step: Step): readonly ItemKey[] {
  return step.action === "deleteFolder" ? [step.node, ...step.covers] : [step.node];
}

/** The connected component of each step. */
function groupsOf(script: Script): number[] {
  const up = script.steps.map((_, i) => i);
  const top = (i: number): number => {
    let at = i;
    while (up[at] !== at) at = up[at] = up[up[at]!]!;
    return at;
  };
  script.steps.forEach((step, i) => step.needs.forEach((need) => (up[top(i)] = top(need))));
  return up.map((_, i) => top(i));
}
