/** The accounts of this person: one folder each, 0700, below the configuration folder. An account's name is a file name and nothing more. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { TOKENS_NAME } from "./token-file.ts";

export const DEFAULT_ACCOUNT = "default";

/** `$XDG_CONFIG_HOME/mount.onedrive`, or below `~/.config`. */
export function accountsFolder(env: Readonly<Record<string, string | undefined>>, home: string): string {
  const base = env["XDG_CONFIG_HOME"];
  return join(base?.startsWith("/") ? base : join(home, ".config"), "mount.onedrive");
}

export function accountFolder(folder: string, account: string): Result<string, Fault> {
  const plain = /^[A-Za-z0-9@][A-Za-z0-9@._-]{0,127}$/.test(account);
  return plain ? ok(join(folder, account)) : fault("invalid", `not a name for an account: ${JSON.stringify(account)}`);
}

/** Names of those that have tokens, sorted: a sign-in that was refused leaves a folder and no account. */
export async function listAccounts(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return names.filter((name) => accountFolder(folder, name).ok && existsSync(join(folder, name, TOKENS_NAME))).sort();
}

/** The only account there is, else `default`. */
export async function soleAccount(folder: string): Promise<string> {
  const [first, ...more] = await listAccounts(folder);
  return first !== undefined && more.length === 0 ? first : DEFAULT_ACCOUNT;
}

/** Makes the account's folder, and says where it is. */
export async function createAccount(folder: string, account: string): Promise<Result<string, Fault>> {
  const path = accountFolder(folder, account);
  if (!path.ok) return path;
  await mkdir(path.value, { recursive: true, mode: 0o700 });
  const { mode } = await stat(path.value);
  if ((mode & 0o077) !== 0) return fault("denied", `${path.value} can be read by others; chmod 700 it`);
  return path;
}

export async function removeAccount(folder: string, account: string): Promise<Result<undefined, Fault>> {
  const path = accountFolder(folder, account);
  if (!path.ok) return path;
  await rm(path.value, { recursive: true, force: true });
  return ok();
}
