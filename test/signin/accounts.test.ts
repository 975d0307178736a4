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
  assert.deepEqual(await listAccounts(folder), ["work"]);
  assert.equal(await soleAccount(folder), "work");
  await createAccount(folder, "home");
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

test("a folder that others can read is refused", async (context) => {
  const folder = scratch(context);
  const made = await createAccount(folder, "open");
  assert.ok(made.ok);
  chmodSync(made.value, 0o755);
  const again = await createAccount(folder, "open");
  assert.ok(!again.ok && again.fault.kind === "denied");
});
