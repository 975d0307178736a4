/**
 * What @microsoft/microsoft-graph-client 3.0.7 really does, shown one by one: `node --import tsx native-notes/graph-client/probes.ts`.
 * Exits 1 when a claim of ../graph-client.md does not hold any more.
 */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { Client, ResponseType, type Context } from "@microsoft/microsoft-graph-client";

interface Seen {
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

const seen: Seen[] = [];
let answer: { status?: number; type?: string; text?: string } = {};
const server = http.createServer((request, response) => {
  void request.toArray().then((parts: Buffer[]) => {
    const body = Buffer.concat(parts).toString();
    seen.push({ url: request.url ?? "", authorization: request.headers.authorization, body });
    response.writeHead(answer.status ?? 200, { "content-type": answer.type ?? "application/json" });
    response.end(answer.text ?? "{}");
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
const baseUrl = `http://127.0.0.1:${port}/`;

let failures = 0;
async function claim(what: string, holds: () => Promise<boolean>): Promise<void> {
  seen.length = 0;
  answer = {};
  const held = await holds();
  if (!held) failures++;
  console.log(`${held ? "holds" : "DOES NOT HOLD"}  ${what}`);
}

const authProvider = { getAccessToken: () => Promise.resolve("token") };
const stock = Client.initWithMiddleware({ baseUrl, authProvider, customHosts: new Set(["127.0.0.1"]) });
const requested: string[] = [];
const recorder = {
  execute(context: Context): Promise<void> {
    requested.push(String(context.request));
    context.response = new Response("{}");
    return Promise.resolve();
  },
};
const ours = Client.initWithMiddleware({ baseUrl, middleware: recorder });

await claim("the default chain sends no token to an http host, and says nothing", async () => {
  await stock.api("/me").get();
  return seen[0]?.authorization === undefined;
});
await claim("an http link is glued behind the version", async () => {
  await ours.api(`http://127.0.0.1:${port}/v1.0/me/drive/root/delta?token=1`).get();
  return requested.at(-1)?.startsWith(`${baseUrl}v1.0/http:`) ?? false;
});
await claim("the query of an https link is put into another order", async () => {
  await ours.api("https://h.example/v1.0/me?z=1&$select=id&a=2").get();
  return requested.at(-1) !== "https://h.example/v1.0/me?z=1&$select=id&a=2";
});
await claim("put(stream) uploads the JSON of the stream object", async () => {
  await stock.api("/me/drive/root:/x:/content").put(Readable.from(["the content"]));
  return !seen[0]?.body.includes("the content");
});
await claim("a login page with 200 passes for an answer", async () => {
  answer = { type: "text/html", text: "<html>log in</html>" };
  const got: unknown = await stock
    .api("/me")
    .get()
    .catch((error: unknown) => error);
  return !(got instanceof Error);
});
await claim("an empty 200 is an error", async () => {
  answer = { text: "" };
  const got: unknown = await stock
    .api("/me")
    .get()
    .catch((error: unknown) => error);
  return got instanceof Error;
});
await claim("RAW hands out the answer of the last middleware untouched", async () => {
  const got: unknown = await ours.api("/me").responseType(ResponseType.RAW).get();
  return got instanceof Response && (await got.text()) === "{}";
});

server.close();
server.closeAllConnections();
process.exitCode = failures > 0 ? 1 : 0;
