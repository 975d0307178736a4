/** A drive on Microsoft Graph against a scripted server, and the pieces of answers it is told. */
import { systemClock, type Clock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ok } from "../../src/base/result.ts";
import { msgraphDrive, type MsgraphDrive } from "../../src/drive/msgraph-drive.ts";
import type { Tokens } from "../../src/drive/graph.ts";
import { parseEndpoint } from "../../src/http/endpoint.ts";
import { undiciHttp, type UndiciHttpOptions } from "../../src/http/undici-http.ts";
import { itemId } from "../../src/model/ids.ts";
import type { Body } from "../../src/drive/drive.ts";
import { scriptedServer, type Asked, type Said, type Scripted } from "../support/scripted-server.ts";

export const TOKEN = "t0ken-that-nobody-may-see";
export const ID = itemId("1D641CFAE05579A4!s1");
export const ROOT_ID = itemId("1D641CFAE05579A4!root");
/** Without its cTag the version is its hash: both forms are used. */
export const VERSION = '"c:{G},1"';

export interface GraphWorld {
  readonly drive: MsgraphDrive;
  readonly server: Scripted;
  /** What Graph was asked, as "GET /path". */
  calls(): string[];
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly tokens?: Tokens;
  readonly clock?: Clock;
  readonly http?: UndiciHttpOptions;
}

export async function graphWorld(answer: Scripted["answer"], options: WorldOptions = {}): Promise<GraphWorld> {
  const server = await scriptedServer(answer);
  const http = undiciHttp({ proxies: { httpProxy: "", httpsProxy: "", noProxy: "*" }, ...options.http });
  const endpoint = parseEndpoint(server.url);
  if (!endpoint.ok) throw new Error(endpoint.fault.why);
  const drive = msgraphDrive({
    endpoint: endpoint.value,
    http,
    tokens: options.tokens ?? { token: () => Promise.resolve(ok(TOKEN)) },
    clock: options.clock ?? systemClock,
    random: seededRandom("graph"),
  });
  return {
    drive,
    server,
    calls: () => server.asked.map(({ method, path }) => `${method} ${path.split("?")[0]?.replace("/v1.0", "")}`),
    async close() {
      drive.close();
      await http.close();
      await server.close();
    },
  };
}

/** A file as Graph describes it. */
export function fileJson(more: object = {}): Record<string, unknown> {
  return {
    id: ID,
    name: "a.txt",
    eTag: '"{G},1"',
    cTag: VERSION,
    size: 10,
    fileSystemInfo: { lastModifiedDateTime: "2024-01-02T00:00:00Z", createdDateTime: "2024-01-02T00:00:00Z" },
    parentReference: { id: ROOT_ID, driveId: "1d641cfae05579a4" },
    file: { hashes: {} },
    ...more,
  };
}

export function error(status: number, code: string, headers: Record<string, string> = {}): Said {
  return { status, headers, json: { error: { code, message: "said so" } } };
}

/** Answers one after another; the last one for ever. */
export function inTurn(...answers: (Said | "lost")[]): (asked: Asked) => Said | "lost" {
  let turn = 0;
  return () => answers[Math.min(turn++, answers.length - 1)] ?? "lost";
}

export function bodyOf(text: string): Body {
  const bytes = Buffer.from(text);
  return {
    size: bytes.length,
    async *stream(start, end) {
      yield bytes.subarray(start, end);
    },
  };
}
