/**
 * With which app registration and at which service the tokens of an account were had, read from the file that keeps them: who has to
 * sign in again need not say it again. What the file does not say plainly is undefined. No token leaves this file.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { objectOf, parseJson, textOf } from "../base/json.ts";
import { parseEndpoint } from "../http/endpoint.ts";
import { TOKENS_NAME } from "./token-file.ts";

export interface SignedInWith {
  readonly endpoint: string | undefined;
  readonly clientId: string | undefined;
}

export async function signedInWith(accountDir: string): Promise<SignedInWith> {
  const text = await readFile(join(accountDir, TOKENS_NAME), "utf8").catch(() => ""); // none: nothing is known
  const kept = Object.values(objectOf(objectOf(parseJson(text))?.["RefreshToken"]) ?? {});
  const entry = kept.length === 1 ? objectOf(kept[0]) : undefined;
  return { endpoint: endpointAt(textOf(entry?.["environment"])), clientId: textOf(entry?.["client_id"]) };
}

/** Several clouds share one sign-in host: then nobody can tell. A server on this machine is its own address. */
function endpointAt(host: string | undefined): string | undefined {
  if (host === undefined) return undefined;
  if (/^(localhost|127\.0\.0\.1|\[::1\]):\d+$/.test(host)) return `http://${host}`;
  const named = ["global", "us", "us-dod", "china"].filter((name) => {
    const cloud = parseEndpoint(name);
    return cloud.ok && new URL(cloud.value.login).host === host;
  });
  return named.length === 1 ? named[0] : undefined;
}
