/**
 * Settle windows: when an item, or one of the names a step touches, was last touched by an operation. A step waits until all of
 * them were quiet for the window, so that save-by-rename and the like complete here before half of them is sent.
 */
import type { Stepwise } from "../base/stepwise.ts";
import type { Step } from "../merge/merge.ts";
import type { ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import type { Op } from "../op/op.ts";
import type { Reader } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";

type Place = { readonly parent: ItemKey; readonly name: string };

/** For every step: milliseconds since the epoch of the last act that touched it; 0 when nothing recorded did. */
export function* lastTouches(read: Reader, steps: readonly Step[]): Stepwise<number[]> {
  const nodes = new Map<ItemKey, number>();
  const slots = new Map<string, number>();
  for (const [, { op, at }] of read.ops.range()) {
    yield;
    raise(nodes, op.node, at);
    for (const place of placesOf(read, op)) raise(slots, slotKey(place), at);
  }
  const touches: number[] = [];
  for (const step of steps) {
    yield;
    const own = [step.node, ...(step.action === "deleteFolder" ? step.covers : [])].map((node) => nodes.get(node) ?? 0);
    const named = stepPlaces(read, step).map((place) => slots.get(slotKey(place)) ?? 0);
    touches.push(Math.max(0, ...named, highest(own)));
  }
  return touches;
}

/** Names an operation takes or releases. */
function placesOf(read: Reader, op: Op): readonly Place[] {
  if (op.type === "move") return [op, { parent: op.fromParent, name: op.fromName }];
  if (op.type === "createFile" || op.type === "createFolder" || op.type === "copy") return [op];
  const place = read.mirror.get(op.node);
  return place && (op.type === "deleteFile" || op.type === "deleteFolder") ? [place] : [];
}

function stepPlaces(read: Reader, step: Step): readonly Place[] {
  const places = [read.mirror.get(step.node), viewLocal(read, step.node)];
  return places.filter((place) => place !== undefined);
}

function slotKey(place: Place): string {
  return `${place.parent}/${fold(place.name)}`;
}

function raise<K>(into: Map<K, number>, key: K, at: number): void {
  if ((into.get(key) ?? 0) < at) into.set(key, at);
}

function highest(times: readonly number[]): number {
  return times.reduce((most, at) => (at > most ? at : most), 0);
}
