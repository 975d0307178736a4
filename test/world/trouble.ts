/** What can go wrong between a client and the cloud, drawn one at a time: for the fake drive its knobs, for the simulator its fault kinds. */
import type { Random } from "../../src/base/random.ts";
import type { FaultKind } from "../../src/model/fault.ts";
import type { Device } from "../engine/device.ts";
import type { SimWorld } from "../engine/sim-world.ts";
import type { World } from "../engine/world.ts";

export interface Trouble {
  /** Brings something about; returns it as words. */
  next(device: Device, random: Random): string;
  /** The feed told some things late, or not at all. */
  readonly lateFeed: boolean;
  /** The service may have changed the bytes of an upload that it did not answer. */
  readonly disowns: boolean;
  /** Everything works from now on. */
  end(): void;
}

const CHANGING = ["createFolder", "update", "remove", "upload"] as const;
const FAULTS: readonly FaultKind[] = [
  "unavailable",
  "timedOut",
  "offline",
  "garbled",
  "throttled",
  "locked",
  "changed",
  "denied",
];

export function fakeTrouble(world: World): Trouble {
  const { cloud } = world;
  const quotaBytes = cloud.knobs.quotaBytes;
  return {
    lateFeed: cloud.knobs.lagMs > 0,
    disowns: false,
    next(device, random) {
      const kind = random.below(12);
      if (kind < 2) {
        device.drive.online = !device.drive.online;
        return `${device.name} is ${device.drive.online ? "online" : "offline"}`;
      }
      if (kind < 8) {
        const fault = random.pick(FAULTS);
        const refusal = fault === "changed" || fault === "locked" || fault === "denied";
        const moment = refusal ? "before" : random.pick(["before", "after"] as const);
        device.drive.fail({ call: CHANGING, count: 1 + random.below(2), moment, fault });
        return `${device.name} will see ${fault} ${moment}`;
      }
      if (kind === 8) {
        cloud.expireCursors();
        return "all cursors expire";
      }
      if (kind === 9) {
        cloud.knobs.quotaBytes = cloud.knobs.quotaBytes === quotaBytes ? cloud.quota().used : quotaBytes;
        return `the quota is ${cloud.knobs.quotaBytes}`;
      }
      const rows = cloud.tree();
      if (rows.length === 0) return "";
      const { item, path } = random.pick(rows);
      if (kind === 10) cloud.lock(item.id, 60_000);
      else cloud.bumpETag(item.id);
      return `${path} is ${kind === 10 ? "locked" : "tagged anew"}`;
    },
    end() {
      cloud.knobs.quotaBytes = quotaBytes;
      for (const { drive } of world.devices) {
        drive.online = true;
        drive.clearFaults();
      }
    },
  };
}

/** Once or twice each, but for those that last. */
const STRIKES: readonly Readonly<Record<string, unknown>>[] = [
  { kind: "status", status: 503 },
  { kind: "status", status: 503, when: "after", route: "item.patch" },
  { kind: "status", status: 500, when: "after", route: "children.create" },
  { kind: "status", status: 504, when: "after", route: "content.put" },
  { kind: "status", status: 429, retryAfter: 5 },
  { kind: "status", status: 409, code: "resourceModified", route: "item.patch" },
  { kind: "lost", when: "before" },
  { kind: "lost", when: "after", route: "item.patch" },
  { kind: "lost", when: "after", route: "children.create" },
  { kind: "lost", when: "after", route: "content.put" },
  { kind: "lost", when: "after", route: "item.delete" },
  { kind: "lost", when: "after", route: "batch" },
  { kind: "cut", direction: "down", bytes: 3 },
  { kind: "empty", route: "item.patch" },
  { kind: "empty", route: "children.create" },
  { kind: "not-found", by: "id" },
  { kind: "not-found", by: "parent" },
  { kind: "token-expired" },
  { kind: "url-expired" },
  { kind: "precondition" },
  { kind: "young-item", seconds: 10 },
  { kind: "locked", seconds: 60 },
  { kind: "read-only" },
  { kind: "quota" },
  { kind: "etag-bump", seconds: 2 },
  { kind: "rewrite", seconds: 5 },
  { kind: "resync" },
  { kind: "resync-mid-paging" },
  { kind: "delta-duplicate" },
  { kind: "delta-shuffle" },
  { kind: "delta-stale" },
  { kind: "delta-child-first" },
  { kind: "delta-create-first" },
  { kind: "delta-unknown-parent" },
  { kind: "lost-tombstone" },
  { kind: "encoded-name" },
  { kind: "missing-field", fields: ["cTag"] },
  { kind: "missing-field", fields: ["file.hashes"] },
  { kind: "drive-id" },
  { kind: "clock-skew", seconds: 7_200 },
  { kind: "delta-lag", seconds: 20, count: 10 },
];

const UNANSWERED_UPLOADS = STRIKES.filter(({ when, route }) => when === "after" && route === "content.put");

export function simTrouble(world: SimWorld): Trouble {
  const { faults } = world.sim.service;
  let lateFeed = false;
  const struck = new Set<unknown>();
  return {
    get lateFeed() {
      return lateFeed;
    },
    get disowns() {
      return struck.has("rewrite") && UNANSWERED_UPLOADS.some((strike) => struck.has(strike));
    },
    next(device, random) {
      if (random.below(6) === 0) {
        const up = world.online.get(device.name) === false;
        world.online.set(device.name, up);
        return `${device.name} is ${up ? "online" : "offline"}`;
      }
      const strike = random.pick(STRIKES);
      const count = 1 + random.below(2);
      lateFeed ||= String(strike["kind"]).startsWith("delta-");
      struck.add(strike).add(strike["kind"]);
      faults.add({ count, ...strike, seed: random.below(1_000) });
      return `the service will strike with ${JSON.stringify(strike)} ${count} times`;
    },
    end() {
      faults.clear();
      for (const { name } of world.devices) world.online.set(name, true);
    },
  };
}
