/** The app registration to use; none is built in, since an app is somebody's. A server on this machine takes any. */
import { ok, type Result } from "../base/result.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { fault, type Fault } from "../model/fault.ts";

export function clientIdFor(endpoint: Endpoint, configured: string | undefined): Result<string, Fault> {
  if (configured) return ok(configured);
  if (endpoint.loopback) return ok("mount.onedrive");
  return fault(
    "invalid",
    "no app registration: give one with -o client_id=ID (onedrivectl login: --client-id ID); README, “Registering a client id”, says how to make one in a few minutes",
  );
}
