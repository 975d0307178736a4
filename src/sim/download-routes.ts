/** Bytes going out over a pre-authenticated link: whole, or one range of them. A token sent along is ignored. */
import { eTagOf, mimeTypeOf } from "./item-json.ts";
import { mustBeKept, type Content } from "./content.ts";
import { empty, type Answer, type Plan } from "./exchange.ts";
import type { Item } from "./item.ts";
import { notFound, Refusal } from "./refusal.ts";
import type { Call } from "./service.ts";

export function planDownload(call: Call): Plan {
  if (call.method !== "GET" && call.method !== "HEAD") throw new Refusal(405, "notSupported");
  return {
    route: "download",
    group: "download",
    takes: "nothing",
    subject() {
      const found = call.service.world.item(Number(/^\/_dl\/(\d+)/.exec(call.path)?.[1]));
      return found ? { id: found.drive.ids.itemId(found.num) } : {};
    },
    run: () => download(call),
  };
}

function download(call: Call): Answer {
  const { world, signer } = call.service;
  const signed = signer.readDownloadPath(call.path, call.query, world.clockMs());
  if (signed === undefined) throw new Refusal(401, "unauthenticated", { message: "The download link is not valid." });
  if (signed === "expired")
    throw new Refusal(401, "unauthenticated", { message: "The download link has expired.", inner: "expiredToken" });
  const item = world.item(signed.num);
  const version = item?.extra?.versions?.find((each) => each.label === signed.version);
  const content = signed.version === 0 ? item?.content : version?.content;
  if (!item || item.binned || !content) throw notFound();
  mustBeKept(content);
  return contentAnswer(call, item, content);
}

function contentAnswer(call: Call, item: Item, content: Content): Answer {
  const headers: Record<string, string> = {
    "accept-ranges": "bytes",
    etag: eTagOf(item, call.service.world),
    "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(item.name)}`,
    "last-modified": new Date(item.modified).toUTCString(),
  };
  const type = mimeTypeOf(item.name);
  const ifRange = call.head.headers["if-range"];
  const asked = ifRange === undefined || ifRange === headers["etag"] ? call.head.headers["range"] : undefined;
  const range = readRange(asked, content.size);
  if (range === "unsatisfiable") return empty(416, { "content-range": `bytes */${content.size}` });
  if (range === undefined)
    return { status: 200, headers, body: { kind: "content", content, from: 0, to: content.size, type } };
  headers["content-range"] = `bytes ${range.from}-${range.to - 1}/${content.size}`;
  return { status: 206, headers, body: { kind: "content", content, ...range, type } };
}

/** One range, clipped to the size; several ranges or another unit give the whole. */
function readRange(
  header: string | undefined,
  size: number,
): { from: number; to: number } | "unsatisfiable" | undefined {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (!found || (found[1] === "" && found[2] === "")) return undefined;
  const [, first = "", last = ""] = found;
  if (first === "")
    return Number(last) === 0 || size === 0 ? "unsatisfiable" : { from: Math.max(0, size - Number(last)), to: size };
  if (Number(first) >= size) return "unsatisfiable";
  if (last !== "" && Number(last) < Number(first)) return undefined;
  return { from: Number(first), to: last === "" ? size : Math.min(size, Number(last) + 1) };
}
