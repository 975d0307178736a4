/** What of Local changed in a transaction: nodes and (parent, name) entries, for the kernel's caches. */
import type { ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import type { Reader } from "../store/store.ts";
import { viewLocal, type LocalView } from "../store/tree.ts";
import type { Applied } from "./apply.ts";

export interface Views {
  /** To be asked after the change. */
  changed(adopt: Applied["adopt"]): Pick<Applied, "nodes" | "entries" | "renewed">;
}

/** Looks at the nodes as they are before the change. */
export function watchViews(read: Reader, nodes: Iterable<ItemKey>): Views {
  const before = new Map<ItemKey, LocalView | undefined>();
  for (const node of nodes) before.set(node, viewLocal(read, node));
  return {
    changed(adopt) {
      const changed: ItemKey[] = [];
      const renewed: ItemKey[] = [];
      const entries: { parent: ItemKey; name: string; gone?: ItemKey; came?: true }[] = [];
      for (const [node, was] of before) {
        const is = viewLocal(read, node);
        if (was ? is && looksTheSame(was, is) : !is) continue;
        changed.push(node);
        if (was && is && !sameBytes(was, is, adopt)) renewed.push(node);
        if (was) entries.push({ parent: was.parent, name: was.name, ...(is ? {} : { gone: node }) });
        if (is && !was) entries.push({ parent: is.parent, name: is.name, came: true });
        else if (is && was && !(was.parent === is.parent && was.name === is.name))
          entries.push({ parent: is.parent, name: is.name });
      }
      return { nodes: changed, entries, renewed };
    },
  };
}

function looksTheSame(a: LocalView, b: LocalView): boolean {
  return (
    a.parent === b.parent && a.name === b.name && a.mtime === b.mtime && a.size === b.size && bytesOf(a) === bytesOf(b)
  );
}

/**
 * An uploaded blob and the version it became are the same bytes. Two versions with one hash need not be: quickXorHash gives one value
 * for all runs of one letter whose length is right.
 */
function sameBytes(was: LocalView, is: LocalView, adopt: Applied["adopt"]): boolean {
  if (bytesOf(was) === bytesOf(is)) return true;
  const { content } = was;
  return (
    content.from === "blob" && adopt.some(({ blob, node, same }) => blob === content.blob && node === is.node && same)
  );
}

function bytesOf({ kind, content, mirror }: LocalView): string | undefined {
  if (kind === "folder") return undefined;
  if (content.from === "blob") return `blob:${content.blob}`;
  return mirror && contentVersion(mirror);
}
