/**
 * A child that does what the product does on its first day, at the endpoint `global`, in the environment it was given: signs in by
 * device code, uploads, downloads. Prints one line of JSON. Certificates are read by node itself, at its start: hence a process.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Result } from "../../src/base/result.ts";
import { msgraphDrive } from "../../src/drive/msgraph-drive.ts";
import { parseEndpoint } from "../../src/http/endpoint.ts";
import { undiciHttp } from "../../src/http/undici-http.ts";
import type { Fault } from "../../src/model/fault.ts";
import { contentVersion } from "../../src/model/item.ts";
import { msalSignIn } from "../../src/signin/msal-sign-in.ts";

const folder = mkdtempSync(join(tmpdir(), "proxy-"));
const http = undiciHttp();
const shared = { http, clock: systemClock, random: seededRandom("proxy") };

try {
  process.stdout.write(`${JSON.stringify(await firstDay())}\n`);
} finally {
  await http.close();
  rmSync(folder, { recursive: true, force: true });
}

async function firstDay(): Promise<object> {
  const endpoint = value(parseEndpoint("global"));
  const signIn = msalSignIn({ ...shared, endpoint, clientId: "tests", folder });
  const who = await signIn.byDeviceCode(() => undefined);
  if (!who.ok) return { fault: who.fault };
  const drive = msgraphDrive({ ...shared, endpoint, tokens: signIn });
  const { rootId } = value(await drive.info());
  const bytes = Buffer.alloc(400_000, "proxied ");
  const body = {
    size: bytes.length,
    stream: async function* (start: number, end: number) {
      yield bytes.subarray(start, end);
    },
  };
  const session = value(await drive.openSession({ parent: rootId, name: "proxied.bin" }, body.size, 0));
  const { item } = value(await drive.sendFragment(session, body, body.size));
  if (!item) throw new Error("no item after the last fragment");
  const download = value(await drive.download(item.id, 0, item.size, contentVersion(item)));
  const parts: Uint8Array[] = [];
  for await (const part of download.bytes) parts.push(part);
  drive.close();
  return { who: who.value, same: Buffer.concat(parts).equals(bytes) };
}

function value<T>(result: Result<T, Fault>): T {
  if (!result.ok) throw new Error(`${result.fault.kind}: ${result.fault.why}`);
  return result.value;
}
