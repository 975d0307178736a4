/** onedrivectl login, logout and accounts: they need no daemon. A running daemon notices new tokens by itself. */
import { join } from "node:path";
import { accountFolder, createAccount, listAccounts, removeAccount } from "../signin/accounts.ts";
import { signedInWith } from "../signin/signed-in-with.ts";
import type { CtlLine } from "./ctl-line.ts";
import type { Surroundings } from "./ctl.ts";
import type { MountPorts } from "./mount.ts";
import { configHome } from "./places.ts";
import { settleAccount, storedSettings } from "./settle-config.ts";

export async function accountCommand(
  line: CtlLine,
  around: Surroundings,
  ports: Pick<MountPorts, "openSignIn">,
): Promise<number> {
  const folder = configHome(around.env);
  const accounts = await listAccounts(folder);
  if (line.command === "accounts") {
    around.print(line.json ? JSON.stringify(accounts) : accounts.join("\n") || "no account has tokens");
    return 0;
  }
  const account = settleAccount(line.args[0], accounts);
  if (!account.ok) return complain(around, account.fault);
  return line.command === "login"
    ? login(line, account.value, around, ports)
    : logout(account.value, folder, around, line.json);
}

async function login(
  line: CtlLine,
  account: string,
  around: Surroundings,
  ports: Pick<MountPorts, "openSignIn">,
): Promise<number> {
  const stored = storedSettings(around.env);
  if (!stored.ok) return complain(around, stored.fault);
  const made = await createAccount(configHome(around.env), account);
  if (!made.ok) return complain(around, made.fault.why);
  const before = await signedInWith(made.value);
  const opened = await ports.openSignIn({
    endpoint: line.endpoint ?? (stored.value["endpoint"] as string | undefined) ?? before.endpoint ?? "global",
    clientId: line.clientId ?? (stored.value["client_id"] as string | undefined) ?? before.clientId,
    accountDir: made.value,
  });
  if (!opened.ok) return complain(around, opened.fault.why);
  try {
    const { signIn } = opened.value;
    const who = await (line.deviceCode ? signIn.byDeviceCode(around.complain) : signIn.byBrowser(around.complain));
    if (!who.ok) return complain(around, `cannot sign in: ${who.fault.why}`);
    around.print(line.json ? JSON.stringify({ account, who: who.value }) : `${account}: signed in as ${who.value}`);
    return 0;
  } finally {
    await opened.value.close();
  }
}

async function logout(account: string, folder: string, around: Surroundings, json: boolean): Promise<number> {
  const path = accountFolder(folder, account);
  if (!path.ok) return complain(around, path.fault.why);
  if (!(await listAccounts(folder)).includes(account))
    return complain(around, `no account "${account}" has tokens in ${join(folder)}`);
  const removed = await removeAccount(folder, account);
  if (!removed.ok) return complain(around, removed.fault.why);
  around.print(json ? JSON.stringify({ account }) : `${account}: tokens forgotten`);
  return 0;
}

function complain(around: Surroundings, why: string): number {
  around.complain(`onedrivectl: ${why}`);
  return 1;
}
