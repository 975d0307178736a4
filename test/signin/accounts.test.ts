/** Account folders: made, listed, removed, never outside of their place, never open to others. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  accountFolder,
  accountsFolder,
  createAccount,
  listAccounts,
  removeAccount,
  soleAccount,
} from "../../src/signin/accounts.ts";
import { TOKENS_NAME } from "../../src/signin/token-file.ts";
import { signedInWith } from "../../src/signin/signed-in-with.ts";

function scratch(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "accounts-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "config");
}

test("accounts live in the configuration folder", () => {
  assert.equal(accountsFolder({ XDG_CONFIG_HOME: "/x" }, "/home/p"), "/x/mount.onedrive");
  assert.equal(accountsFolder({}, "/home/p"), "/home/p/.config/mount.onedrive");
  assert.equal(accountsFolder({ XDG_CONFIG_HOME: "relative" }, "/home/p"), "/home/p/.config/mount.onedrive");
});

test("accounts are made, listed and removed", async (context) => {
  const folder = scratch(context);
  assert.deepEqual(await listAccounts(folder), []);
  assert.equal(await soleAccount(folder), "default");
  const made = await createAccount(folder, "work");
  assert.ok(made.ok);
  assert.equal(statSync(made.value).mode & 0o777, 0o700);
  writeFileSync(join(folder, "config"), "not an account");
  assert.deepEqual(await listAccounts(folder), [], "nobody has signed in yet");
  assert.equal(await soleAccount(folder), "default");
  writeFileSync(join(made.value, TOKENS_NAME), "{}");
  assert.deepEqual(await listAccounts(folder), ["work"]);
  assert.equal(await soleAccount(folder), "work");
  await createAccount(folder, "home");
  writeFileSync(join(folder, "home", TOKENS_NAME), "{}");
  assert.deepEqual(await listAccounts(folder), ["home", "work"]);
  assert.equal(await soleAccount(folder), "default");
  assert.equal((await removeAccount(folder, "work")).ok, true);
  assert.deepEqual(await listAccounts(folder), ["home"]);
});

test("an account's name never leads out of the folder", async (context) => {
  const folder = scratch(context);
  for (const name of ["..", ".", "", "a/b", "../x", ".hidden", "a\0b", "-o", "x".repeat(200)]) {
    assert.equal(accountFolder(folder, name).ok, false, name);
    assert.equal((await removeAccount(folder, name)).ok, false, name);
  }
  assert.ok(accountFolder(folder, "p.q-r_s@example.com").ok);
});

test("what an account was signed in with is read from its tokens, as far as they say it plainly", async (context) => {
  const folder = scratch(context);
  const made = await createAccount(folder, "a");
  assert.ok(made.ok);
  const with_ = (...entries: readonly object[]) => {
    writeFileSync(join(made.value, "tokens.json"), JSON.stringify({ RefreshToken: Object.assign({}, entries) }));
    return signedInWith(made.value);
  };
  assert.deepEqual(await signedInWith(made.value), { endpoint: undefined, clientId: undefined });
  const entry = (environment: string) => ({ environment, client_id: "c", secret: "s" });
  assert.deepEqual(await with_(entry("127.0.0.1:80")), { endpoint: "http://127.0.0.1:80", clientId: "c" });
  assert.deepEqual(await with_(entry("login.microsoftonline.com")), { endpoint: "global", clientId: "c" });
  assert.deepEqual(await with_(entry("login.microsoftonline.us")), { endpoint: undefined, clientId: "c" });
  assert.deepEqual(await with_(entry("elsewhere.example")), { endpoint: undefined, clientId: "c" });
  assert.deepEqual(await with_(entry("x"), entry("y")), { endpoint: undefined, clientId: undefined });
  writeFileSync(join(made.value, "tokens.json"), "{ half");
  assert.deepEqual(await signedInWith(made.value), { endpoint: undefined, clientId: undefined });
});

test("a folder that others can read is refused", async (context) => {
  const folder = scratch(context);
  const made = await createAccount(folder, "open");
  assert.ok(made.ok);
  chmodSync(made.value, 0o755);
  const again = await createAccount(folder, "open");
  assert.ok(!again.ok && again.fault.kind === "denied");
});
