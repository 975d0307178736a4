/**
 * The number under which the kernel knows an item that it looked up by another spelling of its name. It is another node to the kernel
 * (its inode number for stat(2) is the item's own), because two names of one node are links to it for the kernel: renaming one to the
 * other does nothing, and so a rename that changes only the case of a name would never reach us.
 *
 * What such a node says is never remembered: no attributes, no pages, no listing, no names below it. What is done through it is told to the
 * kernel for the item's own node.
 */
import { itemKey, type ItemKey } from "../../model/ids.ts";

const OTHER_SPELLING = 2 ** 52;

/** The item that a node number of the kernel stands for. 0 stands for none and is refused before. */
export const itemOf = (node: number): ItemKey => itemKey(plainNumber(node));

export const plainNumber = (node: number): number => (node >= OTHER_SPELLING ? node - OTHER_SPELLING : node);

export const isOtherSpelling = (node: number): boolean => node >= OTHER_SPELLING;

export const otherSpellingOf = (node: ItemKey): number => node + OTHER_SPELLING;
