/**
 * Fills a drive with folders of files whose content is computed when read. The same seed, time and numbers give the same
 * items with the same ids, so persistence keeps only the order to populate, not the items.
 */
import type { World } from "./world.ts";
import { SERVICE } from "./world.ts";

export interface Population {
  readonly dirs: number;
  readonly files: number;
  readonly bytes: number;
}

/** `DIRSxFILESxBYTES`; bytes may end in K, M or G. */
export function readPopulation(text: string): Population | undefined {
  const found = /^(\d+)x(\d+)x(\d+)([KMG]?)$/i.exec(text);
  if (!found) return undefined;
  const scale = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(found[4] ?? "").toUpperCase()] ?? 1;
  return { dirs: Number(found[1]), files: Number(found[2]), bytes: Number(found[3]) * scale };
}

/** Folders `dir-N` with files `file-N.bin`. Nothing of it is marked as changed. */
export function populate(world: World, { dirs, files, bytes }: Population): void {
  const { root } = world.main;
  for (let d = 0; d < dirs; d++) {
    const dir = world.add(root, numbered("dir-", d, dirs), { content: null, by: SERVICE });
    world.note(dir);
    for (let f = 0; f < files; f++) {
      const stamp = world.nextNum();
      const item = world.add(dir, `${numbered("file-", f, files)}.bin`, {
        content: { kind: "made", stamp, size: bytes },
        by: SERVICE,
      });
      world.note(item);
    }
    world.takeChanged();
  }
}

function numbered(prefix: string, n: number, of: number): string {
  return prefix + String(n).padStart(Math.max(4, String(of).length), "0");
}
