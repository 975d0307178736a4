/** A child that renews a token and is killed after the new one was written beside the old and before it took its place: URL FOLDER TOKEN. */
import { syncBuiltinESMExports } from "node:module";
import promises from "node:fs/promises";

promises.rename = () => {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => undefined);
};
syncBuiltinESMExports();

const { systemClock } = await import("../../src/base/clock.ts");
const { seededRandom } = await import("../../src/base/random.ts");
const { parseEndpoint } = await import("../../src/http/endpoint.ts");
const { undiciHttp } = await import("../../src/http/undici-http.ts");
const { msalSignIn } = await import("../../src/signin/msal-sign-in.ts");

const [url = "", folder = "", rejected = ""] = process.argv.slice(2);
const endpoint = parseEndpoint(url);
if (!endpoint.ok) throw new Error(endpoint.fault.why);
const http = undiciHttp({ proxies: { httpProxy: "", httpsProxy: "", noProxy: "*" } });
const shared = { clock: systemClock, random: seededRandom(1), http, clientId: "mount.onedrive" };
await msalSignIn({ endpoint: endpoint.value, folder, ...shared }).token({ rejected });
