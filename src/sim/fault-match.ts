/** Does a fault fit a request? By its kind, its route (a name, group, method, pattern or part of the path) and its item. */
import type { FaultSpec, Struck, Subject } from "./exchange.ts";
import { kinds } from "./fault-kinds.ts";
import { pathOf } from "./item.ts";
import { collate } from "./names.ts";
import type { World } from "./world.ts";

export function fitting(fault: FaultSpec, request: Struck, world: World): boolean {
  const { route, group } = request.plan;
  if (group === "admin") return false;
  const routes = kinds[fault.kind]?.routes;
  if (routes && !routes.includes(route)) return false;
  if (fault.route === undefined ? group === "login" : !routeFits(fault.route, request)) return false;
  if (fault.kind === "token-expired" && group !== "graph") return false;
  if (fault.kind === "not-found" && !addressFits(fault.by, request)) return false;
  if (fault.kind === "resync-mid-paging" && !isNextLink(request.target)) return false;
  return fault.item === undefined || itemFits(fault.item, request, world);
}

/** `PUT upload`, `delta`, `graph`, `GET`, a pattern with stars, or any part of the path. */
function routeFits(asked: string, { plan, method, target }: Struck): boolean {
  const [first = "", ...others] = asked.trim().split(/\s+/);
  if (/^[A-Z]+$/.test(first)) {
    if (first !== method) return false;
    return others.length === 0 || nameFits(others.join(" "), plan.route, plan.group, target);
  }
  return nameFits(asked.trim(), plan.route, plan.group, target);
}

function nameFits(name: string, route: string, group: string, target: string): boolean {
  if (name === "*" || name === route || name === group || route.startsWith(`${name}.`)) return true;
  if (synonyms[name]?.includes(route)) return true;
  if (name.includes("*")) {
    const pattern = name.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    return (
      new RegExp(`^${pattern.join(".*")}$`).test(target.split("?")[0] ?? "") ||
      new RegExp(`^${pattern.join(".*")}$`).test(target)
    );
  }
  return name.startsWith("/") ? target.includes(name) : target.toLowerCase().includes(`/${name.toLowerCase()}`);
}

const synonyms: Readonly<Record<string, readonly string[]>> = {
  upload: ["content.put", "session.create", "session.put", "session.get", "session.commit"],
  fragment: ["session.put"],
  createUploadSession: ["session.create"],
  content: ["content.put", "content.get"],
  create: ["children.create"],
  mkdir: ["children.create"],
  list: ["children.list"],
  children: ["children", "children.create"],
  rename: ["item.patch"],
  move: ["item.patch"],
  delete: ["item.delete"],
  batch: ["batch"],
};

function addressFits(by: FaultSpec["by"], { plan, target, method }: Struck): boolean {
  const path = target.split("?")[0] ?? "";
  if (by === "session") return plan.group === "upload";
  if (plan.group === "upload") return by === undefined;
  if (by === "id") return /\/items\/[^:/]+(\/|$)/.test(path);
  if (by === "path") return /:|%3a/i.test(path);
  if (by === "parent")
    return method !== "GET" && ["children.create", "content.put", "session.create"].includes(plan.route);
  return plan.group === "graph";
}

/** A next link's token stands between where its round began and its end. */
function isNextLink(target: string): boolean {
  const token = new URLSearchParams(target.split("?")[1] ?? "").get("token");
  const parts = Buffer.from(token ?? "", "base64url")
    .toString()
    .split(";");
  return parts.length > 8 && parts[6] !== parts[7];
}

function itemFits(asked: string, request: Struck, world: World): boolean {
  const subject: Subject = request.subject();
  if (subject.id === asked || request.target.includes(`/${asked}`)) return true;
  const wanted = collate(asked.replace(/^\/+/, ""));
  if (subject.path !== undefined && collate(subject.path) === wanted) return true;
  const drive = world.main;
  const item = subject.id === undefined ? undefined : world.byId(drive, subject.id);
  return item !== undefined && collate(pathOf(item)) === wanted;
}
