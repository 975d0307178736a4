/** Puts a simulator together: stored or fresh state, blobs, population, certificates, server. Closes all of it again. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Clock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { scope } from "../base/scope.ts";
import { makeCertificates } from "./certificates.ts";
import { openDataFolder, DataFault, type DataFolder, type Founding } from "./data-folder.ts";
import { diskBlobs, type DiskBlobs } from "./disk-blobs.ts";
import { populate, type Population } from "./populate.ts";
import type { ProfileName } from "./profile.ts";
import { applyRecords } from "./records.ts";
import { startServer } from "./server.ts";
import { createSim, type Sim } from "./sim.ts";

export interface SimSettings {
  readonly host: string;
  readonly port: number;
  readonly data: string | undefined;
  /** Undefined: what the data folder has, else personal. */
  readonly profile: ProfileName | undefined;
  readonly populate: Population | undefined;
  readonly latencyMs: number;
  readonly bytesPerSecond: number;
  readonly connectProxy: boolean;
  readonly discardContent: boolean;
  readonly seed: string | undefined;
}

export interface RunningSim {
  /** What the first line says. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly sim: Sim;
  readonly url: string;
  close(): Promise<void>;
}

export const defaultSettings: SimSettings = {
  host: "127.0.0.1",
  port: 0,
  data: undefined,
  profile: undefined,
  populate: undefined,
  latencyMs: 0,
  bytesPerSecond: Infinity,
  connectProxy: false,
  discardContent: false,
  seed: undefined,
};

export async function runSim(
  settings: SimSettings,
  clock: Clock,
  onDefect: (error: unknown) => void,
): Promise<RunningSim> {
  const all = scope();
  try {
    const data = settings.data === undefined ? undefined : openDataFolder(settings.data, () => found(settings, clock));
    if (data) all.add("the data folder", () => data.close());
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "onedrive-sim-"));
    all.add("the scratch folder", () => fs.rmSync(scratch, { recursive: true, force: true }));
    const blobs = diskBlobs({
      folder: data?.contentFolder ?? scratch,
      durable: data !== undefined,
      discard: settings.discardContent,
    });
    const sim = makeSim(settings, { clock, data, blobs });
    const certificates = settings.connectProxy
      ? await makeCertificates(path.join(settings.data ?? scratch, "tls"))
      : undefined;
    const { host, port, latencyMs, bytesPerSecond } = settings;
    const server = await startServer({ sim, clock, host, port, latencyMs, bytesPerSecond, certificates, onDefect });
    all.add("the server", () => server.close());
    const { world } = sim;
    const proxy = certificates ? { proxy: server.url, ca: certificates.caFile } : {};
    const ready = {
      url: server.url,
      profile: world.profile.name,
      driveId: world.main.ids.driveId,
      pid: process.pid,
      ...proxy,
    };
    return { ready, sim, url: server.url, close: () => all.close() };
  } catch (error) {
    await all.close();
    throw error;
  }
}

function found(settings: SimSettings, clock: Clock): Founding {
  const population = settings.populate ? { population: { ...settings.populate, at: clock.now() } } : {};
  return {
    format: 1,
    profile: settings.profile ?? "personal",
    seed: settings.seed ?? randomBytes(16).toString("hex"),
    ...population,
  };
}

interface Parts {
  readonly clock: Clock;
  readonly data: DataFolder | undefined;
  readonly blobs: DiskBlobs;
}

function makeSim(settings: SimSettings, { clock, data, blobs }: Parts): Sim {
  const stored = data?.stored;
  const founding = stored?.founding ?? found(settings, clock);
  if (settings.profile !== undefined && settings.profile !== founding.profile) {
    throw new DataFault(`the data folder holds a ${founding.profile} drive, not a ${settings.profile} one`);
  }
  let fixedNow: number | undefined = founding.population?.at;
  const sim = createSim({
    profile: founding.profile,
    clock: { now: () => fixedNow ?? clock.now() },
    random: seededRandom(founding.seed),
    blobs,
    ...(data ? { persist: data.persist } : {}),
    ...(stored?.tokens ? { tokens: stored.tokens } : {}),
  });
  if (founding.population) populate(sim.world, founding.population);
  fixedNow = undefined;
  sim.world.takeChanged();
  if (stored) {
    applyRecords(sim.world, stored.records.values());
    blobs.sweep(sim.world.usedBlobs());
    if (stored.advancedMs > 0) sim.setAdvance(stored.advancedMs);
    if (stored.quotaBytes !== undefined) sim.world.main.quotaBytes = stored.quotaBytes;
  }
  return sim;
}
