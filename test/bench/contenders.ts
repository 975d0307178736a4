/** The three that are measured: a plain folder, our mount, Debian's rclone mount. Both mounts go through the simulator's TLS proxy. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isMounted, run, startMount, type Mount } from "../support/mount-process.ts";
import type { Sim } from "../support/sim-process.ts";

export interface Contender {
  readonly name: string;
  readonly dir: string;
  /** Anonymous resident memory in MiB. */
  memory(): number;
  /** Everything written is in the cloud. */
  pushed(sim: Sim, files: number, prefix: string): Promise<void>;
  stop(): Promise<void>;
}

export type Starter = (sim: Sim) => Promise<Contender>;

/** TLS through the simulator's proxy, for both mounts alike. */
function proxyEnv(sim: Sim): NodeJS.ProcessEnv {
  const proxy = String(sim.ready["proxy"] ?? sim.url);
  return {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: "",
    NODE_EXTRA_CA_CERTS: String(sim.ready["ca"]),
    SSL_CERT_FILE: String(sim.ready["ca"]),
  };
}

export const ours: Starter = async (sim) => {
  const mount: Mount = await startMount(sim, {
    options: { endpoint: "global", client_id: "bench", write_back: "3", poll: "30" },
    env: proxyEnv(sim),
  });
  return {
    name: "ours",
    dir: mount.dir,
    memory: () => anonymousMiB(mount.pid),
    pushed: (cloud, files, prefix) => inCloud(cloud, files, prefix),
    stop: () => mount.dispose(),
  };
};

export const plain: Starter = async () => {
  const home = mkdtempSync(join(tmpdir(), "onedrive-bench-plain-"));
  return {
    name: "plain",
    dir: home,
    memory: () => 0,
    pushed: async () => undefined,
    stop: async () => rmSync(home, { recursive: true, force: true }),
  };
};

/** `extra` are the flags beside the defaults. */
export function rclone(name: string, ...extra: string[]): Starter {
  return async (sim) => {
    const home = mkdtempSync(join(tmpdir(), "onedrive-bench-rclone-"));
    const dir = join(home, "mnt");
    mkdirSync(dir);
    const lines = [
      "[od]",
      "type = onedrive",
      `token = ${JSON.stringify(await sim.token())}`,
      `drive_id = ${String(sim.ready["driveId"])}`,
      "drive_type = personal",
    ];
    writeFileSync(join(home, "rclone.conf"), `${lines.join("\n")}\n`);
    const args = [
      "mount",
      "od:",
      dir,
      "--config",
      join(home, "rclone.conf"),
      "--cache-dir",
      join(home, "cache"),
      "--ca-cert",
      String(sim.ready["ca"]),
      ...extra,
    ];
    const child = spawn("rclone", args, {
      env: { ...process.env, ...proxyEnv(sim), HOME: home },
      stdio: ["ignore", "ignore", "inherit"],
    });
    await mounted(child, dir);
    return {
      name,
      dir,
      memory: () => anonymousMiB(child.pid!),
      pushed: (cloud, files, prefix) => inCloud(cloud, files, prefix),
      async stop() {
        await run("fusermount", ["-uz", dir]);
        if (child.exitCode === null) {
          const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
          await once(child, "exit");
          clearTimeout(timer);
        }
        rmSync(home, { recursive: true, force: true });
      },
    };
  };
}

async function mounted(child: ChildProcess, dir: string): Promise<void> {
  for (let i = 0; i < 500 && !isMounted(dir); i++) {
    if (child.exitCode !== null) throw new Error("rclone did not mount");
    await delay(20);
  }
}

async function inCloud(sim: Sim, files: number, prefix: string): Promise<void> {
  for (;;) {
    const there = (await sim.tree()).filter((item) => item.path.startsWith(`${prefix}/`) && !item.folder);
    if (there.length >= files) return;
    await delay(50);
  }
}

function anonymousMiB(pid: number): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}
