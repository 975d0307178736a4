/** The exercise of exercise.ts on a real mount: files that are in the cloud only at first, a cache that holds a part of them. */
import { createHash } from "node:crypto";
import { promises as fs } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { seededRandom } from "../../src/base/random.ts";
import { call } from "../../src/control/socket-client.ts";
import { socketPathOf } from "../../src/control/whereabouts.ts";
import { Exercise, type Opened, type Target } from "./exercise.ts";
import { mappedFiles, type MappedFiles } from "./mapped-file.ts";
import { programExists, startMount, type Mount } from "./mount-process.ts";
import { startSim } from "./sim-process.ts";

const SIZES = [0, 3_000, 300_000, 1_500_000, 9_000_000];

export async function exerciseMount(seed: string, steps: number): Promise<ReadonlyMap<string, number>> {
  const sim = await startSim();
  let mount: Mount | undefined;
  const mapped = programExists("python3") ? mappedFiles() : undefined;
  try {
    const files = new Map(SIZES.map((size, i) => [`file-${i}`, content(`${seed} ${i}`, size)]));
    for (const [file, bytes] of files) await sim.put(file, bytes);
    mount = await startMount(sim, { options: { write_back: "0.05", cache_size: "8M", flush_timeout: "1" } });
    const sizeMax = 10_000_000;
    const permille = { kill: 4, restart: 2, push: 30, wipe: 3 };
    const exercise = new Exercise({
      target: onMount(mount, mapped),
      random: seededRandom(seed),
      files,
      sizeMax,
      permille,
    });
    try {
      await exercise.run(steps);
      await mount.settled(120);
      await exercise.verify();
    } catch (error) {
      const open = (await sim.requests()).filter(({ status }) => status === 0).map((row) => JSON.stringify(row));
      throw new Error(
        `${String(error)}\nunanswered: ${open.join("\n")}\n${mount.stderr().split("\n").slice(-200).join("\n")}`,
        { cause: error },
      );
    }
    for (const [file, bytes] of exercise.files)
      if (!(await sim.get(file)).equals(bytes)) throw new Error(`${file} has other bytes in the cloud`);
    return exercise.counts;
  } finally {
    await mapped?.stop();
    await mount?.dispose();
    await sim.stop();
  }
}

function content(seed: string, size: number): Buffer {
  const block = createHash("sha512").update(seed).digest();
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = block[i % 61]! ^ (i >> 9);
  return bytes;
}

function onMount(mount: Mount, mapped: MappedFiles | undefined): Target {
  const socket = socketPathOf(join(mount.home, "run/mount.onedrive"), "default");
  let maps = 0;
  return {
    open: async (file, how) => opened(await fs.open(mount.path(file), how), how === "a"),
    truncate: (file, size) => fs.truncate(mount.path(file), size),
    size: async (file) => (await fs.stat(mount.path(file))).size,
    ...(mapped && {
      map: {
        read: (file: string, at: number, length: number) => mapped.read(mount.path(file), at, length),
        write: (file: string, at: number, bytes: Uint8Array) =>
          mapped.write(mount.path(file), at, bytes, maps++ % 2 === 0 ? "sync" : "close"),
      },
    }),
    async free(file) {
      const freed = await call(socket, "free", { path: mount.path(file) });
      if (!freed.ok) throw new Error(freed.fault.why);
    },
    wipe: () => rm(join(mount.home, "cache"), { recursive: true, force: true, maxRetries: 10, retryDelay: 10 }),
    push: () => mount.settled(60),
    async kill() {
      await mount.kill();
      await mount.start();
    },
    async restart() {
      const status = await mount.unmount();
      if (status !== 0) throw new Error(`the mount ended with ${status}`);
      await mount.start();
    },
  };
}

function opened(file: fs.FileHandle, appends: boolean): Opened {
  return {
    async read(at, length) {
      const buffer = Buffer.alloc(length);
      let got = 0;
      for (let n = -1; n !== 0 && got < length; got += n)
        n = (await file.read(buffer, got, length - got, at + got)).bytesRead;
      return buffer.subarray(0, got);
    },
    async write(at, bytes) {
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, appends ? null : at + done)).bytesWritten;
    },
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
