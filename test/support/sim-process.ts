/** The simulator as a child process, and its admin API in words of the tests. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { programs, repository } from "./repository.ts";

export interface SimItem {
  readonly path: string;
  readonly id: string;
  readonly eTag: string;
  readonly cTag: string;
  readonly folder: boolean;
  readonly size: number;
  readonly quickXorHash?: string;
  readonly mtime: string;
  readonly createdBy?: string;
}

export interface SimRequest {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly received?: number;
  readonly itemId?: string;
  /** Part of a `$batch`, which has a row of its own. */
  readonly batched?: true;
}

export interface Sim {
  readonly url: string;
  readonly ready: Readonly<Record<string, unknown>>;
  readonly pid: number;
  tree(): Promise<SimItem[]>;
  /** Live items by path. */
  paths(): Promise<Map<string, SimItem>>;
  put(path: string, bytes: Uint8Array | string): Promise<void>;
  get(path: string): Promise<Buffer>;
  remove(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  versions(path: string): Promise<unknown[]>;
  faults(...faults: object[]): Promise<void>;
  clearFaults(): Promise<void>;
  network(up: boolean): Promise<void>;
  clock(seconds: number): Promise<void>;
  requests(): Promise<SimRequest[]>;
  clearRequests(): Promise<void>;
  login(mode: string): Promise<void>;
  /** An access and a refresh token of this drive, for independent clients. */
  token(): Promise<object>;
  stop(): Promise<void>;
}

/** For setpriv(1), which becomes the program that follows: that ends when we are killed, so nothing stays mounted. */
export const WITH_US = ["--pdeathsig", "TERM"] as const;

/** The built simulator. */
export function startSim(...args: string[]): Promise<Sim> {
  return startFrom([join(programs, "onedrive-sim.js")], args);
}

/** The simulator as it stands in src, for tests that run without a build. */
export function startSourceSim(...args: string[]): Promise<Sim> {
  return startFrom(["--import", "tsx", join(repository, "src/bin/onedrive-sim.ts")], args);
}

async function startFrom(script: readonly string[], args: readonly string[]): Promise<Sim> {
  const child = spawn("setpriv", [...WITH_US, process.execPath, ...script, "--listen", "127.0.0.1:0", ...args], {
    cwd: repository,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ready = await firstLine(child);
  const url = String(ready["url"]);
  const call = (method: string, path: string, body?: unknown): Promise<Response> => admin(url, method, path, body);
  const tree = async (): Promise<SimItem[]> => (await (await call("GET", "tree")).json()) as SimItem[];
  const run = async (method: string, path: string, body?: unknown): Promise<void> =>
    void (await (await call(method, path, body)).arrayBuffer());
  return {
    url,
    ready,
    pid: child.pid!,
    tree,
    paths: async () => new Map((await tree()).map((item) => [item.path, item])),
    put: (path, bytes) => run("PUT", `files/${encode(path)}`, typeof bytes === "string" ? Buffer.from(bytes) : bytes),
    get: async (path) => Buffer.from(await (await call("GET", `files/${encode(path)}`)).arrayBuffer()),
    remove: (path) => run("DELETE", `files/${encode(path)}`),
    mkdir: (path) => run("POST", "mkdir", { path }),
    move: (from, to) => run("POST", "move", { from, to }),
    versions: async (path) => (await (await call("GET", `versions/${encode(path)}`)).json()) as unknown[],
    async faults(...faults) {
      for (const fault of faults) await run("POST", "faults", fault);
    },
    clearFaults: () => run("DELETE", "faults"),
    network: (up) => run("POST", "network", { up }),
    clock: (seconds) => run("POST", "clock", { advance: seconds }),
    requests: async () => (await (await call("GET", "requests")).json()) as SimRequest[],
    clearRequests: () => run("DELETE", "requests"),
    login: (mode) => run("POST", "login", { mode }),
    token: () => signIn(url),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Device code sign-in as the service documents it; in mode `auto` the code is approved at once. */
async function signIn(url: string): Promise<object> {
  const post = async (path: string, fields: Record<string, string>): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${url}/common/oauth2/v2.0/${path}`, {
      method: "POST",
      body: new URLSearchParams({ client_id: "tests", ...fields }),
    });
    return (await answer.json()) as Record<string, unknown>;
  };
  const code = await post("devicecode", { scope: "Files.ReadWrite.All offline_access" });
  const grant = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: String(code["device_code"]),
  };
  const { access_token, refresh_token, token_type, expires_in } = await post("token", grant);
  const expiry = new Date(Date.now() + Number(expires_in) * 1000).toISOString();
  return { access_token, refresh_token, token_type, expiry };
}

async function admin(url: string, method: string, path: string, body?: unknown): Promise<Response> {
  const raw = body instanceof Uint8Array;
  const ask = (): Promise<Response> =>
    fetch(`${url}/_sim/${path}`, {
      method,
      ...(body === undefined ? {} : { body: raw ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
      headers: { "content-type": raw ? "application/octet-stream" : "application/json" },
    });
  const answer = await ask().catch((error: unknown) => {
    if (isClosedMeanwhile(error)) return ask();
    throw error;
  });
  if (!answer.ok) throw new Error(`${method} /_sim/${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** The server had closed the idle connection while this process was busy with something else: nothing was asked yet. */
function isClosedMeanwhile(error: unknown): boolean {
  const { code } = (error as { cause?: { code?: string } }).cause ?? {};
  return code === "EPIPE" || code === "ECONNRESET" || code === "UND_ERR_SOCKET";
}

function encode(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

async function firstLine(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  const lines = createInterface({ input: child.stdout! });
  const line = await new Promise<string>((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the simulator ended with ${code} before it was ready`)));
  });
  child.stdout!.resume();
  return JSON.parse(line) as Record<string, unknown>;
}
