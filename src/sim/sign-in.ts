/**
 * How a person answers at the sign-in page, as scripted by the admin: `auto` agrees at once, `pending` keeps the device
 * waiting, `deny` declines, `expire` lets the code run out. `revoke` ends every token issued so far, once; later sign-ins
 * are agreed to, as when a person signs in again after changing the password. `slowDowns` makes that many polls answer
 * `slow_down` first.
 */
import { badRequest } from "./refusal.ts";

export type SignInMode = "auto" | "pending" | "deny" | "expire" | "revoke";
const MODES: readonly string[] = ["auto", "pending", "deny", "expire", "revoke"] satisfies SignInMode[];

export interface DeviceCode {
  readonly app: string;
  readonly scope: string;
  readonly expiresMs: number;
  used: boolean;
}

export interface AuthCode {
  readonly app: string;
  readonly scope: string;
  readonly redirectUri: string;
  readonly challenge: string | undefined;
  readonly method: string;
  readonly nonce: string | undefined;
  readonly expiresMs: number;
  used: boolean;
}

export interface SignIn {
  mode: SignInMode;
  slowDowns: number;
  readonly deviceCodes: Map<string, DeviceCode>;
  readonly authCodes: Map<string, AuthCode>;
}

export function makeSignIn(): SignIn {
  return { mode: "auto", slowDowns: 0, deviceCodes: new Map(), authCodes: new Map() };
}

export function readMode(value: unknown): SignInMode {
  if (typeof value === "string" && MODES.includes(value)) return value as SignInMode;
  throw badRequest("invalidRequest", `mode must be one of ${MODES.join(", ")}.`);
}
