/** Command lines, options, config files: what they mean, and that every wrong one gets one sentence naming what is wrong. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseCtlLine } from "../../src/cli/ctl-line.ts";
import { ctlHelp, mountHelp } from "../../src/cli/help.ts";
import { parseMountLine, type MountLine } from "../../src/cli/mount-line.ts";
import { OPTIONS, parseConfigFile, parseOptionList } from "../../src/cli/options.ts";
import { settleAccount, settleConfig } from "../../src/cli/settle-config.ts";

const line = (...argv: string[]): MountLine => {
  const read = parseMountLine(argv);
  assert.ok(read.ok && typeof read.value === "object", JSON.stringify(read));
  return read.value;
};
const wrong = (...argv: string[]): string => {
  const read = parseMountLine(argv);
  assert.equal(read.ok, false);
  return read.ok ? "" : read.fault;
};

test("cli: one argument is the mountpoint, two are account and mountpoint as mount(8) gives them", () => {
  assert.deepEqual(line("/m"), {
    account: undefined,
    mountpoint: "/m",
    foreground: false,
    fake: false,
    verbose: false,
    settings: {},
  });
  const helper = line(
    "work",
    "/m",
    "-f",
    "-s",
    "-n",
    "-t",
    "onedrive",
    "-o",
    "rw,noauto,user,_netdev,x-systemd.automount,ro",
  );
  assert.deepEqual(
    [helper.account, helper.fake, helper.foreground, helper.settings],
    ["work", true, false, { ro: true }],
  );
  assert.equal(line("/m", "-f").foreground, true);
  assert.equal(line("work", "/m", "--foreground").foreground, true);
  assert.equal(line("-fv", "/m").verbose, true);
});

test("cli: every wrong line is named", () => {
  assert.match(wrong(), /mountpoint/);
  assert.match(wrong("a", "b", "c"), /3 arguments/);
  assert.match(wrong("/m", "--nope"), /--nope/);
  assert.match(wrong("/m", "-o"), /"-o" needs a value/);
  assert.match(wrong("/m", "-o", "colour=red"), /colour/);
  assert.match(wrong("/m", "-o", "poll="), /poll/);
  assert.match(wrong("/m", "-o", "cache_size=10X"), /cache_size/);
  assert.match(wrong("/m", "-o", "ro=yes"), /takes no value/);
  assert.match(wrong("/m", "-o", "endpoint=http://example.org"), /endpoint/);
  assert.match(wrong("/m", "-o", "umask=999"), /umask/);
});

test("cli: options are read with their units", () => {
  const read = parseOptionList(
    "cache_size=3M,poll=0.5,umask=077,endpoint=http://127.0.0.1:80,state=/a\\,b,local_only=*.x:~*",
  );
  assert.deepEqual(read, {
    ok: true,
    value: {
      cache_size: 3 * 1024 ** 2,
      poll: 0.5,
      umask: 0o77,
      endpoint: "http://127.0.0.1:80",
      state: "/a,b",
      local_only: ["*.x", "~*"],
    },
  });
});

test("cli: the line wins over the file, the file over the defaults; a bad line of the file is named", () => {
  const home = mkdtempSync(join(tmpdir(), "onedrive-cli-"));
  try {
    writeFileSync(join(home, "my.conf"), "# comment\npoll = 7\nwrite_back=9\n");
    const around = { env: { HOME: home }, cwd: "/w", uid: 5, gid: 6, accounts: ["only"] };
    const config = settleConfig(line("mnt", "-o", `config=${join(home, "my.conf")},poll=8`), around);
    assert.ok(config.ok);
    assert.deepEqual([config.value.pollMs, config.value.writeBackMs, config.value.account], [8000, 9000, "only"]);
    assert.deepEqual([config.value.mountpoint, config.value.uid], ["/w/mnt", 5]);
    assert.equal(config.value.stateDir, join(home, ".local/state/mount.onedrive/only"));
    assert.equal(config.value.runtimeDir, config.value.stateDir);
  } finally {
    rmSync(home, { recursive: true });
  }
  const bad = parseConfigFile("poll=1\nwhat\n", "f");
  assert.ok(!bad.ok && /f, line 2: unknown option "what"/.test(bad.fault));
  assert.equal(settleAccount("../evil", []).ok, false);
  assert.deepEqual(settleAccount(undefined, ["a", "b"]), { ok: true, value: "default" });
});

test("cli: what mount(8) makes of an fstab line is accepted, and noexec is kept", () => {
  const mounted = line("work", "/m", "-o", "rw,noexec,nosuid,nodev,noatime,user=me,_netdev,x-gvfs-show");
  assert.deepEqual(mounted.settings, { noexec: true });
  const config = settleConfig(mounted, { env: { HOME: "/h" }, cwd: "/", uid: 1, gid: 1, accounts: [] });
  assert.ok(config.ok && config.value.noExec === true);
  assert.match(wrong("/m", "-o", "sync"), /sync/);
});

test("cli: owners of new items are said by whoever asks for it", () => {
  const settle = (options: string) => {
    const config = settleConfig(line("/m", "-o", `client_id=c${options}`), {
      env: { HOME: "/h" },
      cwd: "/",
      uid: 1,
      gid: 2,
      accounts: [],
    });
    assert.ok(config.ok);
    const { uid, gid, uidOfNew, gidOfNew } = config.value;
    return [uid, gid, uidOfNew, gidOfNew];
  };
  assert.deepEqual(settle(""), [1, 2, undefined, undefined]);
  assert.deepEqual(settle(",uid=0,gid=7"), [0, 7, 0, 7]);
});

test("cli: two states of one account have two sockets; folders that eat each other are refused", () => {
  const settle = (options: string) =>
    settleConfig(line("/m", "-o", `client_id=c${options}`), {
      env: { HOME: "/h", XDG_RUNTIME_DIR: "/run/user/1" },
      cwd: "/",
      uid: 1,
      gid: 1,
      accounts: [],
    });
  const sockets = ["", ",state=/a", ",state=/b", ",state=/h/.local/state/mount.onedrive/default"].map((options) => {
    const config = settle(options);
    return config.ok ? config.value.runtimeDir : assert.fail(config.fault);
  });
  assert.equal(sockets[0], "/run/user/1/mount.onedrive");
  assert.equal(sockets[3], sockets[0]);
  assert.equal(new Set(sockets).size, 3);
  for (const [options, why] of [
    [",state=/m/s", /state folder .* in the mountpoint/],
    [",cache=/m", /cache folder .* in the mountpoint/],
    [",state=/c/s,cache=/c", /may be wiped/],
    [",state=/c,cache=/c", /may be wiped/],
  ] as const) {
    const config = settle(options);
    assert.ok(!config.ok && why.test(config.fault), options);
  }
  assert.ok(settle(",state=/c,cache=/c/clean").ok);
});

test("cli: onedrivectl's lines", () => {
  const status = parseCtlLine(["status", "/m", "--wait", "--timeout", "5", "--json"]);
  assert.ok(status.ok && typeof status.value === "object");
  assert.deepEqual(
    [status.value.args, status.value.wait, status.value.timeoutSeconds, status.value.json],
    [["/m"], true, 5, true],
  );
  for (const argv of [
    [],
    ["nope"],
    ["pin"],
    ["info", "a", "b"],
    ["status", "--keep", "mine"],
    ["resolve", "x"],
    ["resolve", "x", "--keep", "all"],
    ["retry", "x"],
    ["status", "--timeout", "1"],
    ["status", "--wait", "--timeout", "soon"],
    ["status", "--bogus"],
  ]) {
    assert.equal(parseCtlLine(argv).ok, false, argv.join(" "));
  }
});

test("cli: the help names every option and ends lines within reason", () => {
  for (const option of OPTIONS) assert.ok(mountHelp().includes(option.name));
  assert.ok(ctlHelp().includes("status"));
});
