/**
 * Names for what has to step aside: built from what is in the conflict (device, date of the local mtime, tag of the bytes), never from a
 * clock or a counter of the moment, so the same conflict resolved twice gives the same name, and then binds by equal bytes.
 */
import type { ItemKey } from "../model/ids.ts";
import { conflictName, fold } from "../model/name.ts";
import type { Draft } from "./draft.ts";
import type { TreeNode } from "./merge.ts";
import { sameBytes } from "./tree-view.ts";

/** A free name beside `state`'s place. A place held by a file with the very same bytes counts as free when `node` is new: they are one. */
export function asideName(draft: Draft, node: ItemKey, state: TreeNode): string {
  const real = draft.input.parked.get(node) ?? state.name;
  const isNew = !draft.remote.get(node) && !draft.input.localOnly.has(node);
  const taken = (name: string): boolean =>
    draft.star.occupants(state.parent, fold(name)).some((other) => {
      const there = draft.star.get(other);
      return other !== node && !(isNew && state.bytes && there?.bytes && sameBytes(state.bytes, there.bytes));
    });
  return conflictName(real, { device: draft.input.device, date: isoDate(state.mtime), tag: tagOf(node, state) }, taken);
}

function tagOf(node: ItemKey, state: TreeNode): string {
  return state.bytes?.tag ?? node.toString(36);
}

/** YYYY-MM-DD in UTC of seconds since the epoch. */
export function isoDate(seconds: number): string {
  const days = Math.floor(seconds / 86_400) + 719_468; // since 1 March of the year 0
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}
