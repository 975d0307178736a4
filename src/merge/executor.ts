/**
 * The strict executor: carries a script out on a copy of the tree it starts from and refuses every step whose conditions do not hold
 * when it is reached; the end must be Local. It runs before anything is sent, in production too. It touches the nodes of the script
 * and the folders above them only. On purpose it shares no code with the planner: names are folded and ancestors found its own way.
 */
import type { Result } from "../base/result.ts";
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import type { Folded, ItemKey } from "../model/ids.ts";
import type { Overlay, Script, Step, Tree, TreeNode } from "./merge.ts";

export interface Refusal {
  /** Index of the refused step; undefined: the script ran, but its end is not Local. */
  readonly step?: number;
  readonly node: ItemKey;
  readonly why: string;
}

export function execute(start: Tree, script: Script, local: Overlay): Result<undefined, Refusal> {
  return atOnce(executeInSteps(start, script, local));
}

export function* executeInSteps(start: Tree, script: Script, local: Overlay): Stepwise<Result<undefined, Refusal>> {
  const scratch = openScratch(start);
  for (const [index, step] of script.steps.entries()) {
    yield;
    const early = step.needs.find((need) => need >= index);
    const why = early === undefined ? yield* runStep(scratch, step) : `needs step ${early}, which comes later`;
    if (why !== undefined) return { ok: false, fault: { step: index, node: step.node, why } };
  }
  return yield* compareEnd(scratch, script, local);
}

interface Scratch {
  get(node: ItemKey): TreeNode | undefined;
  set(node: ItemKey, state: TreeNode | undefined): void;
  occupant(parent: ItemKey, name: string): ItemKey | undefined;
  /** Children that are still there, except those listed. */
  childOtherThan(folder: ItemKey, listed: ReadonlySet<ItemKey>): ItemKey | undefined;
  changed(): Iterable<ItemKey>;
}

function* runStep(scratch: Scratch, step: Step): Stepwise<string | undefined> {
  switch (step.action) {
    case "createFolder":
      return create(scratch, step, { ...placeIn(step), kind: "folder", bytes: null, mtime: 0 });
    case "createFile":
      return create(scratch, step, { ...placeIn(step), kind: "file", bytes: step.bytes, mtime: step.mtime });
    case "move":
      return move(scratch, step);
    case "writeContent":
      return write(scratch, step);
    case "setMetadata": {
      const was = scratch.get(step.node);
      if (was?.kind !== "file") return "no such file";
      return void scratch.set(step.node, { ...was, mtime: step.mtime });
    }
    case "deleteFile":
      if (scratch.get(step.node)?.kind !== "file") return "no such file";
      return void scratch.set(step.node, undefined);
    case "deleteFolder":
      return yield* deleteFolder(scratch, step);
  }
}

function placeIn(step: { parent: ItemKey; name: string }): { parent: ItemKey; name: string } {
  return { parent: step.parent, name: step.name };
}

function create(scratch: Scratch, step: Step, state: TreeNode): string | undefined {
  if (scratch.get(step.node)) return "exists already";
  return noRoom(scratch, step.node, state) ?? void scratch.set(step.node, state);
}

function move(scratch: Scratch, step: Step & { action: "move" }): string | undefined {
  const was = scratch.get(step.node);
  if (!was) return "no such item";
  for (let at: ItemKey = step.parent, steps = 0; ; steps++) {
    if (at === step.node) return "would be inside itself";
    const above = scratch.get(at)?.parent;
    if (above === undefined || above === at) break;
    if (steps > 100_000) return "the folders above form a ring";
    at = above;
  }
  return noRoom(scratch, step.node, step) ?? void scratch.set(step.node, { ...was, ...placeIn(step) });
}

function write(scratch: Scratch, step: Step & { action: "writeContent" }): string | undefined {
  const was = scratch.get(step.node);
  if (!was?.bytes) return "no such file";
  if (step.bytes.seen !== was.bytes.version) return `was made from ${step.bytes.seen}, not from ${was.bytes.version}`;
  return void scratch.set(step.node, { ...was, bytes: step.bytes, mtime: step.mtime });
}

function* deleteFolder(scratch: Scratch, step: Step & { action: "deleteFolder" }): Stepwise<string | undefined> {
  if (scratch.get(step.node)?.kind !== "folder") return "no such folder";
  const doomed = new Set<ItemKey>([step.node, ...step.covers]);
  for (const node of doomed) {
    yield;
    const state = scratch.get(node);
    if (!state) return `${node} is gone already`;
    if (node !== step.node && !doomed.has(state.parent)) return `${node} is not inside`;
    const kept = state.kind === "folder" ? scratch.childOtherThan(node, doomed) : undefined;
    if (kept !== undefined) return `would take ${kept} along`;
  }
  for (const node of doomed) scratch.set(node, undefined);
  return undefined;
}

function noRoom(scratch: Scratch, node: ItemKey, place: { parent: ItemKey; name: string }): string | undefined {
  if (scratch.get(place.parent)?.kind !== "folder") return `no folder ${place.parent}`;
  const there = scratch.occupant(place.parent, place.name);
  return there === undefined || there === node ? undefined : `${there} has the name`;
}

function* compareEnd(scratch: Scratch, script: Script, local: Overlay): Stepwise<Result<undefined, Refusal>> {
  const left = new Set(script.left);
  const nodes = new Set<ItemKey>([...local.keys(), ...scratch.changed()]);
  for (const node of nodes) {
    yield;
    if (left.has(node)) continue;
    const wanted = local.has(node) ? (local.get(node) ?? undefined) : scratch.get(node);
    const found = scratch.get(node);
    const why = !local.has(node) ? "was not to be touched" : difference(wanted, found);
    if (why !== undefined) return { ok: false, fault: { node, why } };
  }
  return { ok: true, value: undefined };
}

function difference(wanted: TreeNode | undefined, found: TreeNode | undefined): string | undefined {
  if (!wanted || !found) return wanted === found ? undefined : wanted ? "is missing at the end" : "is there at the end";
  if (wanted.kind !== found.kind) return "is of another kind at the end";
  if (wanted.parent !== found.parent || wanted.name !== found.name) return "is elsewhere at the end";
  if (wanted.kind === "folder") return undefined;
  if (wanted.bytes?.version !== found.bytes?.version) return "has other bytes at the end";
  if (wanted.bytes?.hash !== found.bytes?.hash || wanted.bytes?.size !== found.bytes?.size)
    return "has a false hash at the end";
  return wanted.mtime === found.mtime ? undefined : "has another mtime at the end";
}

function openScratch(start: Tree): Scratch {
  const own = new Map<ItemKey, TreeNode | undefined>();
  const seats = new Map<string, ItemKey>();
  const inside = new Map<ItemKey, Set<ItemKey>>();
  const get = (node: ItemKey): TreeNode | undefined => (own.has(node) ? own.get(node) : start.get(node));
  return {
    get,
    set(node, state) {
      const was = own.get(node);
      if (was && seats.get(seat(was.parent, was.name)) === node) seats.delete(seat(was.parent, was.name));
      if (was) inside.get(was.parent)?.delete(node);
      own.set(node, state);
      if (!state) return;
      seats.set(seat(state.parent, state.name), node);
      inside.set(state.parent, (inside.get(state.parent) ?? new Set()).add(node));
    },
    occupant(parent, name) {
      const seated = seats.get(seat(parent, name));
      if (seated !== undefined) return seated;
      const before = start.at(parent, sameLetters(name) as Folded);
      return before !== undefined && !own.has(before) ? before : undefined;
    },
    childOtherThan(folder, listed) {
      for (const child of inside.get(folder) ?? []) if (!listed.has(child)) return child;
      for (const child of start.children(folder)) if (!own.has(child) && !listed.has(child)) return child;
      return undefined;
    },
    changed: () => own.keys(),
  };
}

function seat(parent: ItemKey, name: string): string {
  return `${sameLetters(name)}\0${parent}`;
}

/** Names that differ in case or in Unicode composition only are one name to the service. */
function sameLetters(name: string): string {
  const composed = name.normalize("NFD").normalize("NFC");
  return composed.toLocaleUpperCase("en").toLocaleLowerCase("en").normalize("NFC");
}
