/**
 * Access and refresh tokens, signed and self-contained, so that they survive a restart when the secret does. Access tokens
 * live about an hour of service time, refresh tokens 90 days; each refresh gives a new one and the old stays good, as the
 * service does it. `revokeAll` ends everything issued so far.
 */
import type { Signer } from "./links.ts";

export const ACCESS_LIFE_S = 3599;
const REFRESH_LIFE_S = 90 * 24 * 3600;

export interface Grant {
  readonly device: string;
  readonly app: string;
  readonly scope: string;
}

export interface Tokens {
  issue(grant: Grant): { access: string; refresh: string };
  readAccess(token: string): Grant | undefined;
  readRefresh(token: string): Grant | undefined;
  revokeAll(): void;
  /** A new number for a device that signs in. */
  nextDevice(): number;
  state(): TokenState;
}

export interface TokenState {
  readonly epoch: number;
  readonly serial: number;
  readonly devices: number;
}

export interface TokensOptions {
  readonly signer: Signer;
  nowMs(): number;
  readonly state?: TokenState;
  onChange(state: TokenState): void;
}

export function makeTokens({ signer, nowMs, state, onChange }: TokensOptions): Tokens {
  let { epoch, serial, devices } = state ?? { epoch: 0, serial: 0, devices: 0 };
  const changed = (): void => onChange({ epoch, serial, devices });
  const write = (kind: "A" | "R", grant: Grant, lifeS: number): string => {
    const claims = { k: kind, e: epoch, x: Math.floor(nowMs() / 1000) + lifeS, s: ++serial, ...grant };
    const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
    return `${kind === "A" ? "EwA" : "MC5"}.${payload}.${signer.sign(payload)}`;
  };
  const read = (kind: "A" | "R", token: string): Grant | undefined => {
    const [, payload = "", signature] = token.split(".");
    if (signature !== signer.sign(payload)) return undefined;
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Grant & {
      k: string;
      e: number;
      x: number;
    };
    const good = claims.k === kind && claims.e === epoch && claims.x * 1000 > nowMs();
    return good ? { device: claims.device, app: claims.app, scope: claims.scope } : undefined;
  };
  const cache = new Map<string, { grant: Grant; epoch: number; untilMs: number }>();
  return {
    issue(grant) {
      const pair = { access: write("A", grant, ACCESS_LIFE_S), refresh: write("R", grant, REFRESH_LIFE_S) };
      changed();
      return pair;
    },
    readAccess(token) {
      const known = cache.get(token);
      if (known && known.epoch === epoch && known.untilMs > nowMs()) return known.grant;
      const grant = read("A", token);
      if (cache.size > 1000) cache.clear();
      if (grant) cache.set(token, { grant, epoch, untilMs: nowMs() + 1000 });
      return grant;
    },
    readRefresh: (token) => read("R", token),
    revokeAll() {
      epoch++;
      changed();
    },
    nextDevice: () => ++devices,
    state: () => ({ epoch, serial, devices }),
  };
}
