/**
 * Large files on their way while the daemon is killed again and again: what was sent or fetched before is not sent or fetched again. The
 * simulator's log says how many bytes really moved. The bytes of the file are made as they are read, and only their hash is kept.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../src/base/random.ts";
import { noise } from "../contract/content-world.ts";
import { eventually, startMount, type Mount } from "./mount-process.ts";
import { startSim, type Sim, type SimRequest } from "./sim-process.ts";

export const MIB = 1024 * 1024;
/** What one request of an upload carries at most on a line of 60 MB/s: what goes in a second. */
export const FRAGMENT = 60_000_000;

export interface Killing {
  readonly mib: number;
  readonly kills: number;
  readonly random: Random;
  /** How long the daemon lives at most between two kills. */
  readonly lifeMs: number;
}

export interface Moved {
  /** Body bytes of all requests for content. */
  readonly bytes: number;
  readonly kills: number;
  readonly sessions: number;
}

/** A file of `mib` MiB that no compression or hole makes smaller, piece by piece. */
export function* pieces(mib: number, seed = 1): Generator<Buffer> {
  const block = noise(MIB, seed);
  for (let i = 0; i < mib; i++) {
    block.writeUInt32LE(i, (i * 4099) % (MIB - 4));
    yield block;
  }
}

export function hashOf(mib: number, seed = 1): string {
  const hash = createHash("sha256");
  for (const piece of pieces(mib, seed)) hash.update(piece);
  return hash.digest("hex");
}

export async function writeLarge(path: string, mib: number, seed = 1): Promise<void> {
  const out = createWriteStream(path);
  for (const piece of pieces(mib, seed)) if (!out.write(Buffer.from(piece))) await once(out, "drain");
  out.end();
  await once(out, "close");
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path, { highWaterMark: MIB })) hash.update(part as Buffer);
  return hash.digest("hex");
}

async function hashInCloud(sim: Sim, path: string): Promise<string> {
  const answer = await fetch(`${sim.url}/_sim/files/${path}`);
  const hash = createHash("sha256");
  for await (const part of answer.body!) hash.update(part);
  return hash.digest("hex");
}

export const fragments = (rows: readonly SimRequest[]): SimRequest[] =>
  rows.filter(({ method, path }) => method === "PUT" && path.startsWith("/_up/"));

export const downloads = (rows: readonly SimRequest[]): SimRequest[] =>
  rows.filter(({ method, path, bytes }) => method === "GET" && path.startsWith("/_dl/") && bytes > 0);

/** Kills the daemon `kills` times while it uploads one file. */
export async function killedUpload({ mib, kills, random, lifeMs }: Killing): Promise<Moved> {
  const sim = await startSim("--bandwidth", "60M");
  const mount = await startMount(sim);
  try {
    await writeLarge(mount.path("large.bin"), mib);
    let done = 0;
    for (; done < kills && !(await isThere(sim)); done++) {
      const before = fragments(await sim.requests()).length;
      await eventually(
        "a fragment goes",
        async () => (await isThere(sim)) || fragments(await sim.requests()).length > before,
        60_000,
      );
      await delay(random.below(lifeMs));
      await mount.kill();
      await mount.start();
    }
    await mount.settled(120);
    assert.equal(await hashInCloud(sim, "large.bin"), hashOf(mib), "the right bytes are in the cloud");
    assert.equal((await sim.versions("large.bin")).length, 1, "one version");
    const rows = await sim.requests();
    const landed = fragments(rows).filter(({ status }) => status >= 200 && status < 300);
    const landedBytes = landed.reduce((sum, row) => sum + (row.received ?? 0), 0);
    assert.equal(landedBytes, mib * MIB, "no fragment that landed is sent again");
    const bytes = fragments(rows).reduce((sum, row) => sum + (row.received ?? 0), 0);
    const sessions = rows.filter(
      ({ method, path }) => method === "POST" && path.includes("createUploadSession"),
    ).length;
    return { bytes, kills: done, sessions };
  } finally {
    await mount.dispose();
    await sim.stop();
  }
}

async function isThere(sim: Sim): Promise<boolean> {
  return (await sim.paths()).has("large.bin");
}

/** Kills the daemon `kills` times while a program reads one file that is only in the cloud. */
export async function killedDownload({ mib, kills, random, lifeMs }: Killing): Promise<Moved> {
  const sim = await startSim("--bandwidth", "60M");
  let mount: Mount | undefined;
  try {
    await sim.put("large.bin", Buffer.concat(Array.from(pieces(mib), (piece) => Buffer.from(piece))));
    mount = await startMount(sim);
    const path = mount.path("large.bin");
    let done = 0;
    let hash = "";
    while (hash === "") {
      const reading = hashOfFile(path).catch(() => "");
      if (done < kills) {
        const before = downloads(await sim.requests()).length;
        const over = reading.then(() => true);
        await Promise.race([
          over,
          eventually("bytes come", async () => downloads(await sim.requests()).length > before, 60_000).catch(
            () => undefined,
          ),
        ]);
        await delay(random.below(lifeMs));
        await mount.kill();
        done++;
        hash = await reading;
        await mount.start();
      } else hash = await reading;
    }
    assert.equal(hash, hashOf(mib), "the right bytes are read");
    assert.equal(await hashOfFile(path), hash);
    const bytes = downloads(await sim.requests()).reduce((sum, row) => sum + row.bytes, 0);
    return { bytes, kills: done, sessions: 0 };
  } finally {
    await mount?.dispose();
    await sim.stop();
  }
}
