/**
 * The journal of downloads: which program made bytes of which item come from the cloud, how many, and when. The vfs says who asks for
 * an item before it reads; what then arrives is put down to the one who asked last, so of several programs that read the same missing
 * bytes at the same time one is named. What nobody asked for (the look through pinned folders, the daemon's own repairs) has a name of its own.
 *
 * Kept in memory, since the daemon started: the last DOWNLOADS_KEPT_MAX. Bytes that one program got of one item are one entry.
 */
import type { Clock } from "../base/clock.ts";
import type { Content } from "../content/content.ts";
import type { DownloadReport } from "../control/control.ts";
import type { Download, Drive } from "../drive/drive.ts";
import type { ItemId, ItemKey } from "../model/ids.ts";
import { DOWNLOAD_ASKERS_MAX, DOWNLOADS_KEPT_MAX } from "../model/limits.ts";
import type { Asker } from "../vfs/core.ts";

/** Who: a program, or (without a number) a part of the daemon. */
type Downloader = Pick<Asker, "name" | "pid">;

const PINS: Downloader = { name: "(kept here by a pin)", pid: 0 };
const ITSELF: Downloader = { name: "(the daemon itself)", pid: 0 };
const UNKNOWN_NAME = "(a program that could not be seen)";

export interface Downloads {
  /** From now on the item's bytes come because of `who`; undefined: nobody asks any more. */
  asks(node: ItemKey, who: Downloader | undefined): void;
  /** The same drive; what comes through it is written down. */
  watched(drive: Pick<Drive, "download">): Pick<Drive, "download">;
  /** What `hydrate` fetches is put down to the pins. */
  forPins(content: Pick<Content, "have" | "hydrate">): Pick<Content, "have" | "hydrate">;
  /** The newest first; of one node, or of all. */
  list(node?: ItemKey): readonly DownloadReport[];
}

export interface DownloadsOptions {
  readonly clock: Clock;
  nodeOf(item: ItemId): ItemKey | undefined;
  pathOf(node: ItemKey): string;
}

interface Entry {
  readonly node: ItemKey;
  /** Where it was when its bytes came. */
  readonly path: string;
  readonly who: Downloader;
  readonly since: number;
  bytes: number;
  at: number;
}

export function downloadJournal({ clock, nodeOf, pathOf }: DownloadsOptions): Downloads {
  const asking = new Map<ItemKey, Downloader>();
  /** In the order in which they last grew. */
  const entries = new Map<string, Entry>();
  const entryOf = (node: ItemKey, who: Downloader): Entry => {
    const key = `${node} ${who.pid} ${who.name ?? ""}`;
    const at = clock.now();
    const entry = entries.get(key) ?? { node, path: pathOf(node), who, since: at, bytes: 0, at };
    entries.delete(key);
    entries.set(key, entry);
    dropOldest(entries, DOWNLOADS_KEPT_MAX);
    return entry;
  };
  const begun = (item: ItemId): ((bytes: number) => void) => {
    const node = nodeOf(item);
    if (node === undefined) return () => undefined;
    const who = asking.get(node) ?? ITSELF;
    return (bytes) => {
      const entry = entryOf(node, who);
      entry.bytes += bytes;
      entry.at = clock.now();
    };
  };
  const asks: Downloads["asks"] = (node, who) => {
    if (asking.get(node) === who) return;
    asking.delete(node);
    if (who) asking.set(node, who);
    dropOldest(asking, DOWNLOAD_ASKERS_MAX);
  };
  return {
    asks,
    forPins: (content) => ({
      have: (node) => content.have(node),
      async hydrate(node, signal) {
        asks(node, PINS);
        const fetched = await content.hydrate(node, signal);
        if (asking.get(node) === PINS) asks(node, undefined);
        return fetched;
      },
    }),
    watched: (drive) => ({
      async download(item, ...rest) {
        const got = begun(item);
        const answer = await drive.download(item, ...rest);
        return answer.ok ? { ...answer, value: { ...answer.value, bytes: counted(answer.value.bytes, got) } } : answer;
      },
    }),
    list: (node) =>
      [...entries.values()]
        .filter((entry) => node === undefined || entry.node === node)
        .reverse()
        .map(reportOf),
  };
}

function reportOf({ path, who, bytes, since, at }: Entry): DownloadReport {
  const program = who.name ?? UNKNOWN_NAME;
  return { path, program, pid: who.pid === 0 ? null : who.pid, bytes, since, at };
}

async function* counted(bytes: Download["bytes"], got: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const part of bytes) {
    got(part.length);
    yield part;
  }
}

function dropOldest<K>(map: Map<K, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
