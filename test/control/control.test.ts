/** The control socket: private, one call a connection, sturdy against garbage, cancelled when the client hangs up. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ok } from "../../src/base/result.ts";
import type { Handlers } from "../../src/control/control.ts";
import { listenerOn } from "../../src/control/listener.ts";
import { call } from "../../src/control/socket-client.ts";
import { serveControl, type ControlServer } from "../../src/control/socket-server.ts";
import { mountOf, ourMounts, socketOfSource, socketPathOf, sourceOf } from "../../src/control/whereabouts.ts";
import { fault } from "../../src/model/fault.ts";
import { CONTROL_LIFE_SIGN_MS } from "../../src/model/limits.ts";

async function serve(t: TestContext, some: Partial<Handlers>, defects: unknown[] = []): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "onedrive-control-"));
  const rest = new Proxy(some, {
    get: (target, name) => target[name as keyof Handlers] ?? (async () => fault("notSupported", "not here")),
  });
  const server: ControlServer = await serveControl(join(dir, "c.sock"), rest as Handlers, (error) =>
    defects.push(error),
  );
  t.after(async () => {
    await server.close();
    rmSync(dir, { recursive: true });
  });
  return join(dir, "c.sock");
}

const raw = (path: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(path, () => socket.write(text));
    let answer = "";
    socket.on("data", (part) => (answer += part.toString()));
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });

test("control: a call gets its answer, a fault arrives as a fault", async (t) => {
  const path = await serve(t, { retry: async ({ op }) => ok({ op: op + 1 }) });
  assert.deepEqual(await call(path, "retry", { op: 4 }), { ok: true, value: { op: 5 } });
  assert.deepEqual(await call(path, "rebuild", {}), { ok: false, fault: { kind: "notSupported", why: "not here" } });
  assert.equal((await call(join(tmpdir(), "no.sock"), "sync", {})).ok, false);
});

test("control: only its owner can open the socket", async (t) => {
  assert.equal(statSync(await serve(t, {})).mode & 0o777, 0o600);
});

test("control: garbage is answered with what is wrong, never with a crash", async (t) => {
  const path = await serve(t, {});
  for (const text of [
    "\n",
    "hello\n",
    "{}\n",
    '{"call":"status"}\n',
    '{"call":"toString","takes":{}}\n',
    '{"call":"retry","takes":{"op":"x"}}\n',
    '{"call":"status","takes":{"more":1}}\n',
  ]) {
    const answer = JSON.parse(await raw(path, text)) as { ok: boolean; fault: { why: string } };
    assert.equal(answer.ok, false, text);
    assert.ok(answer.fault.why.length > 0);
  }
  assert.equal(await raw(path, "x".repeat(100_000)), "", "an endless line is cut off");
});

test("control: a handler that throws is a defect; the client gets one line", async (t) => {
  const defects: unknown[] = [];
  const path = await serve(t, { sync: () => Promise.reject(new Error("boom")) }, defects);
  const answer = await call(path, "sync", {});
  assert.equal(answer.ok, false);
  assert.equal(defects.length, 1);
});

test("control: a client that hangs up cancels its call", async (t) => {
  let cancelled: (value: unknown) => void = () => undefined;
  const seen = new Promise((resolve) => (cancelled = resolve));
  const path = await serve(t, {
    wait: (_takes, signal) =>
      new Promise((resolve) =>
        signal.addEventListener("abort", () => (cancelled(true), resolve(fault("interrupted", "gone")))),
      ),
  });
  const socket = createConnection(path, () => socket.write('{"call":"wait","takes":{"timeoutSeconds":null}}\n'));
  setTimeout(() => socket.destroy(), 50);
  assert.equal(await seen, true);
});

test("control: a call may take as long as it likes while its daemon gives signs of life", async (t) => {
  const path = await serve(t, { sync: () => delay(CONTROL_LIFE_SIGN_MS * 2.5, fault("offline", "at last")) });
  assert.deepEqual(await call(path, "sync", {}, CONTROL_LIFE_SIGN_MS * 1.5), fault("offline", "at last"));
});

test("control: a daemon that says nothing is given up, and its process is named", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "onedrive-control-"));
  const sockets: Socket[] = [];
  const deaf = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => deaf.listen(join(dir, "c.sock"), resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    deaf.close();
    rmSync(dir, { recursive: true });
  });
  const answer = await call(join(dir, "c.sock"), "status", {}, 200);
  assert.ok(!answer.ok && answer.fault.kind === "unavailable");
  assert.match(answer.fault.why, new RegExp(`process ${process.pid}\\b.*no sign of life.*kill -9 ${process.pid}\\b`));
});

test("control: a stopped process is told from one that runs", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "onedrive-control-"));
  const path = join(dir, "c.sock");
  const listen = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("ready"))`;
  const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true });
  });
  await once(child.stdout, "data");
  assert.deepEqual(listenerOn(path), { pid: child.pid, isStopped: false });
  child.kill("SIGSTOP");
  const answer = await call(path, "status", {}, 200);
  assert.ok(!answer.ok);
  assert.match(answer.fault.why, new RegExp(`process ${child.pid}\\) is stopped.*kill -CONT ${child.pid} `));
  assert.equal(listenerOn(join(dir, "other.sock")), undefined);
});

test("control: a daemon is found from the mount table alone", () => {
  const usual = socketPathOf("/run/user/1/mount.onedrive", "work");
  assert.equal(sourceOf("work", usual, "/run/user/1/mount.onedrive"), "onedrive:work");
  assert.equal(sourceOf("work", "/s/work.sock", undefined), "onedrive:/s/work.sock");
  assert.equal(socketOfSource("onedrive:work", "/run/user/1/mount.onedrive"), usual);
  assert.equal(socketOfSource("onedrive:/s/work.sock", undefined), "/s/work.sock");
  assert.ok(socketPathOf("/x".repeat(80), "a").length < 108);
  const table =
    "1 2 0:1 / /home rw - ext4 /dev/a rw\n3 4 0:5 / /home/a\\040b rw - fuse.onedrive onedrive:work rw,user_id=7,group_id=8\n";
  assert.deepEqual(ourMounts(table), [{ mountpoint: "/home/a b", source: "onedrive:work", uid: 7 }]);
  assert.equal(mountOf("/home/a b/c", ourMounts(table))?.source, "onedrive:work");
  assert.equal(mountOf("/home/a bc", ourMounts(table)), undefined);
});
