/**
 * The nodes that the kernel knows, each with the number of times it was handed over. The kernel gives back exactly as many
 * (FORGET), and then it knows the node no more. A node of the kernel is an inode of the vfs under the same number, so nothing
 * else hangs on this table than the answer to one question: is there anything to tell the kernel about?
 *
 * The root is known from the mount on and never forgotten.
 */
import { ROOT, type ItemKey } from "../../model/ids.ts";

export interface NodeTable {
  /** The node was handed over once more. */
  add(node: ItemKey): void;
  /** The kernel gives back `times`. True when it does not know the node any more. More than it was given counts as all. */
  forget(node: number, times: number): boolean;
  knows(node: ItemKey): boolean;
  /** How often it was handed over and not given back. */
  times(node: ItemKey): number;
  readonly count: number;
}

export function nodeTable(): NodeTable {
  const times = new Map<number, number>();
  return {
    add: (node) => void times.set(node, (times.get(node) ?? 0) + 1),
    forget(node, back) {
      const left = (times.get(node) ?? 0) - back;
      if (left > 0) times.set(node, left);
      else times.delete(node);
      return left <= 0;
    },
    knows: (node) => node === ROOT || times.has(node),
    times: (node) => times.get(node) ?? 0,
    get count() {
      return times.size;
    },
  };
}
