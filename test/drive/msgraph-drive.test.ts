/** The Graph client against garbage, lost answers, pauses, foreign links and worn cursors; and what it never prints. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { enableTrace } from "../../src/base/log.ts";
import { failed, ok, type Result } from "../../src/base/result.ts";
import type { Fault } from "../../src/model/fault.ts";
import { eTag, itemId } from "../../src/model/ids.ts";
import {
  bodyOf,
  error,
  fileJson,
  graphWorld,
  ID,
  inTurn,
  ROOT_ID,
  TOKEN,
  type GraphWorld,
  type WorldOptions,
} from "./graph-world.ts";
import type { Scripted } from "../support/scripted-server.ts";

const open: GraphWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

async function world(answer: Scripted["answer"], options: WorldOptions = {}): Promise<GraphWorld> {
  const made = await graphWorld(answer, options);
  open.push(made);
  return made;
}

function faultOf(result: Result<unknown, Fault>): Fault {
  assert.ok(!result.ok, `a fault, not ${JSON.stringify(result)}`);
  return result.fault;
}

const parent = ROOT_ID;

test("the bearer token goes to the Graph host, and to nothing else it names", async () => {
  const { drive, server } = await world((asked) => {
    if (asked.path.startsWith("/v1.0/me/drive/items") && asked.method === "POST")
      return { json: { uploadUrl: `${server.url}/up?s=1` } };
    if (asked.path.startsWith("/v1.0/"))
      return { json: fileJson({ "@microsoft.graph.downloadUrl": `${server.url}/dl?s=1` }) };
    if (asked.method === "PUT") return { status: 201, json: fileJson() };
    return { status: 206, headers: { "content-range": "bytes 0-9/10", etag: '"{G},1"' }, text: "0123456789" };
  });
  const session = await drive.openSession({ parent, name: "a.txt" }, 5, 0);
  assert.ok(session.ok);
  assert.ok((await drive.sendFragment(session.value, bodyOf("12345"), 5)).ok);
  const download = await drive.download(ID, 0, 10, '"c:{G},1"');
  assert.ok(download.ok);
  for await (const _ of download.value.bytes);
  for (const asked of server.asked) {
    const graph = asked.path.startsWith("/v1.0/");
    assert.equal(asked.headers.authorization, graph ? `Bearer ${TOKEN}` : undefined, asked.path);
  }
});

test("a redirect of Graph is not followed: no token goes where it points", async () => {
  const elsewhere = await world(() => ({ json: fileJson() }));
  const { drive } = await world(() => ({ status: 307, headers: { location: `${elsewhere.server.url}/v1.0/me` } }));
  assert.equal(faultOf(await drive.item(ID)).kind, "garbled");
  assert.equal(elsewhere.server.asked.length, 0);
});

test("a page of the network, half an answer, nothing: garbled; unclear when something was to be changed", async () => {
  const said = [
    { headers: { "content-type": "text/html" }, text: "<html>Log in to Hotel WiFi</html>" },
    { text: '{"id":"1D641CFAE' },
    { text: "" },
    { json: { hello: "world" } },
    { json: [] },
  ];
  for (const answer of said) {
    const { drive } = await world(() => answer);
    for (const read of [drive.info(), drive.item(ID), drive.changes(undefined), drive.children(ID)]) {
      assert.deepEqual(pick(faultOf(await read)), ["garbled", undefined]);
    }
    for (const change of [
      drive.createFolder(parent, "x"),
      drive.restore(ID),
      drive.upload({ parent, name: "x" }, bodyOf("y")),
    ]) {
      assert.deepEqual(pick(faultOf(await change)), ["garbled", true]);
    }
  }
});

function pick(fault: Fault): [string, boolean | undefined] {
  return [fault.kind, fault.unclear];
}

test("a success of a change of an item that says nothing is asked about", async () => {
  const { drive, calls } = await world(({ method }) =>
    method === "GET" ? { json: fileJson({ name: "b" }) } : { status: 204 },
  );
  const renamed = await drive.update(ID, { name: "b" }, undefined);
  assert.ok(renamed.ok && renamed.value.name === "b");
  const written = await drive.upload({ item: ID, seen: undefined }, bodyOf("x"));
  assert.ok(written.ok);
  assert.deepEqual(
    calls().map((call) => call.split(" ")[0]),
    ["PATCH", "GET", "PUT", "GET"],
  );
});

test("reads are tried again after 5xx and a lost connection; changes are not, and are unclear", async () => {
  const reads = await world(inTurn({ status: 502 }, { status: 500 }, { json: fileJson() }));
  assert.ok((await reads.drive.item(ID)).ok);
  assert.equal(reads.server.asked.length, 3);
  const lost = await world(inTurn("lost", { json: fileJson() }));
  assert.ok((await lost.drive.item(ID)).ok);
  for (const answer of [
    { status: 502 },
    { status: 504 },
    { status: 503, headers: { "retry-after": "0.01" } },
    "lost",
  ] as const) {
    const { drive, server } = await world(() => answer);
    const seen = eTag("x");
    const all = [
      () => drive.createFolder(parent, "x"),
      () => drive.update(ID, { name: "x" }, seen),
      () => drive.remove(ID, seen),
      () => drive.upload({ parent, name: "x" }, bodyOf("x")),
      () => drive.openSession({ parent, name: "x" }, 1, 0),
      () => drive.restore(ID),
    ];
    for (const call of all) {
      const before = server.asked.filter(({ method }) => method !== "GET").length;
      assert.equal(faultOf(await call()).unclear, true);
      assert.equal(server.asked.filter(({ method }) => method !== "GET").length - before, 1);
    }
  }
});

test("a refused connection is offline, and clear", async () => {
  const { drive, server } = await world(() => "lost");
  await server.close();
  server.close = () => Promise.resolve();
  assert.deepEqual(pick(faultOf(await drive.createFolder(parent, "x"))), ["offline", undefined]);
  assert.deepEqual(pick(faultOf(await drive.item(ID))), ["offline", undefined]);
});

test("a pause that one call is told holds for all", async () => {
  const { drive, server } = await world(
    inTurn(error(429, "TooManyRequests", { "retry-after": "0.35" }), {
      status: 201,
      json: fileJson({ folder: {}, file: undefined }),
    }),
  );
  const started = performance.now();
  const first = drive.createFolder(parent, "x");
  while (server.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = drive.item(ID);
  assert.ok((await first).ok, "refused as too many, so it was not carried out: it is sent again");
  assert.ok((await second).ok);
  assert.ok(performance.now() - started >= 330);
  assert.equal(server.asked.length, 3);
});

test("a long pause is told instead of waited for", async () => {
  const { drive, server } = await world(() => error(429, "TooManyRequests", { "retry-after": "3600" }));
  const first = faultOf(await drive.item(ID));
  assert.equal(first.kind, "throttled");
  const second = faultOf(await drive.createFolder(parent, "x"));
  assert.equal(second.kind, "throttled");
  assert.ok((second.retryAfterMs ?? 0) > 3_500_000);
  assert.equal(second.unclear, undefined);
  assert.equal(server.asked.length, 1);
});

test("409 on a young item is tried again a second later; with a condition it is `changed`", async () => {
  const young = error(409, "resourceModified");
  const { drive } = await world(inTurn(young, { json: fileJson() }));
  assert.ok((await drive.update(ID, { name: "x" }, undefined)).ok);
  const conditional = await world(() => young);
  assert.equal(faultOf(await conditional.drive.update(ID, { name: "x" }, eTag("e"))).kind, "changed");
  assert.equal(conditional.server.asked.length, 1);
});

test("a rejected token is exchanged once; a fault of sign-in is the call's fault", async () => {
  const given: (string | undefined)[] = [];
  const tokens = {
    token: async ({ rejected }: { rejected?: string }) => {
      given.push(rejected);
      return ok(rejected ? "second" : "first");
    },
  };
  const { drive, server } = await world(
    (asked) =>
      asked.headers.authorization === "Bearer second" ? { json: fileJson() } : error(401, "InvalidAuthenticationToken"),
    { tokens },
  );
  assert.ok((await drive.item(ID)).ok);
  assert.deepEqual(given, [undefined, "first"]);
  assert.equal(server.asked.length, 2);
  const never = await world(() => error(401, "InvalidAuthenticationToken"));
  assert.equal(faultOf(await never.drive.item(ID)).kind, "signedOut");
  assert.equal(never.server.asked.length, 2);
  const signedOut: Fault = { kind: "signedOut", why: "sign-in needed" };
  const out = await world(() => "lost", { tokens: { token: async () => failed(signedOut) } });
  assert.deepEqual(faultOf(await out.drive.item(ID)), signedOut);
  assert.equal(out.server.asked.length, 0);
});

test("links that lead away are not followed: of a page, garbled; kept from another service, resync", async () => {
  const foreign = "https://evil.example/v1.0/me/drive/root/delta?token=1";
  const { drive, server } = await world(() => ({ json: { value: [], "@odata.nextLink": foreign } }));
  assert.equal(faultOf(await drive.changes(undefined)).kind, "garbled");
  assert.equal(server.asked.length, 1);
  assert.equal(faultOf(await drive.changes(foreign)).kind, "resync");
  assert.equal(server.asked.length, 1);
});

test("a link is sent exactly as it came", async () => {
  const { drive, server } = await world(({ path }) =>
    path.includes("token=")
      ? { json: { value: [], "@odata.deltaLink": `${server.url}/v1.0/x?b=2&a=%2B1&token=end` } }
      : {
          json: {
            value: [],
            "@odata.nextLink": `${server.url}/v1.0/me/drive/root/delta?z=1&$select=id&a=%41+b&token='t'`,
          },
        },
  );
  const first = await drive.changes(undefined);
  assert.ok(first.ok && first.value.next);
  const second = await drive.changes(first.value.next);
  assert.ok(second.ok);
  assert.equal(server.asked[1]?.path, "/v1.0/me/drive/root/delta?z=1&$select=id&a=%41+b&token='t'");
  assert.equal(second.value.cursor, `${server.url}/v1.0/x?b=2&a=%2B1&token=end`);
});

test("a worn cursor is resync, whatever the service calls it; a page that neither ends nor goes on is garbled", async () => {
  for (const [status, code] of [
    [410, "resyncRequired"],
    [400, "invalidRequest"],
    [404, "itemNotFound"],
  ] as const) {
    const { drive, server } = await world(() => error(status, code));
    assert.equal(faultOf(await drive.changes(`${server.url}/v1.0/me/drive/root/delta?token=1`)).kind, "resync");
  }
  const { drive } = await world(() => ({ json: { value: [] } }));
  assert.equal(faultOf(await drive.changes(undefined)).kind, "garbled");
});

test("what an entry of the feed leaves out is asked for; names that look encoded too; a 404 by id is a tombstone", async () => {
  const entry = (id: string, more: object): object => fileJson({ id: `1D641CFAE05579A4!${id}`, ...more });
  const page = {
    value: [
      entry("s2", { name: undefined }),
      entry("s3", { name: "a%20b" }),
      entry("s4", { name: "100%25" }),
      entry("s5", { name: undefined }),
      entry("s6", { name: "x/y" }),
      { id: "1D641CFAE05579A4!s7", deleted: {} },
    ],
    "@odata.deltaLink": "",
  };
  const { drive, server } = await world(({ path }) => {
    if (path.includes("/delta")) return { json: { ...page, "@odata.deltaLink": `${server.url}/v1.0/d?token=2` } };
    if (path.includes("!s2")) return { json: entry("s2", { name: "found" }) };
    if (path.includes("!s3")) return { json: entry("s3", { name: "a b" }) };
    if (path.includes("!s4")) return { json: entry("s4", { name: "100%25" }) };
    return error(404, "itemNotFound");
  });
  const complained = await stderrOf(async () => {
    const changes = await drive.changes(undefined);
    assert.ok(changes.ok);
    const told = changes.value.changes.map((change) => (change.deleted ? `-${change.id.slice(-2)}` : change.item.name));
    assert.deepEqual(told, ["found", "a b", "100%25", "-s5", "-s7"]);
  });
  assert.match(complained, /an item of the cloud is not shown: .*x\/y/);
});

test("a path lookup that names another item is not believed", async () => {
  const { drive } = await world(({ path }) =>
    path.includes("/children")
      ? { json: { value: [fileJson({ name: "wanted", id: "1D641CFAE05579A4!s9" })] } }
      : { json: fileJson({ name: "another" }) },
  );
  const found = await drive.itemAt(ROOT_ID, "wanted");
  assert.ok(found.ok);
  assert.equal(found.value.id, itemId("1D641CFAE05579A4!s9"));
});

test("the root is never said to be gone", async () => {
  let gone = false;
  const { drive } = await world(({ path }) => {
    if (gone) return error(404, "itemNotFound");
    if (path === "/v1.0/me/drive") return { json: { id: "1", driveType: "personal" } };
    return { json: fileJson({ id: ROOT_ID, root: {}, folder: {}, file: undefined, parentReference: {} }) };
  });
  assert.ok((await drive.info()).ok);
  gone = true;
  assert.equal(faultOf(await drive.children(ROOT_ID)).kind, "unavailable");
  assert.equal(faultOf(await drive.item(ROOT_ID)).kind, "unavailable");
  assert.equal(faultOf(await drive.item(ID)).kind, "notFound");
});

test("neither tokens nor secret addresses are ever printed, whatever happens", async () => {
  const printed = await stderrOf(async () => {
    enableTrace("onedrive:*");
    try {
      const { drive, server } = await world(({ path, method }) => {
        if (path.includes("createUploadSession"))
          return { json: { uploadUrl: `${server.url}/up/s3cret-path?tempauth=s3cret` } };
        if (path.startsWith("/up")) return "lost";
        if (path.startsWith("/dl")) return { status: 403, text: "<html>s3cret</html>" };
        if (method === "POST") return error(400, "invalidRequest", { location: "https://x/?s3cret" });
        return { json: fileJson({ "@microsoft.graph.downloadUrl": `${server.url}/dl?sig=s3cret` }) };
      });
      const session = await drive.openSession({ parent, name: "x" }, 5, 0);
      assert.ok(session.ok);
      const faults = [
        await drive.sendFragment(session.value, bodyOf("12345"), 5),
        await drive.sessionStatus(session.value),
        await drive.download(ID, 0, 10, '"c:{G},1"'),
        await drive.createFolder(parent, "x"),
      ];
      for (const answer of faults) assert.ok(!JSON.stringify(answer).includes("s3cret"), JSON.stringify(answer));
      await drive.changes(`${server.url}/v1.0/me/drive/root/delta?token=s3cret`);
    } finally {
      enableTrace("");
    }
  });
  assert.match(printed, /onedrive:graph/, "tracing was on");
  assert.match(printed, /onedrive:content/);
  assert.ok(
    !printed.includes("s3cret"),
    printed.split("\n").find((line) => line.includes("s3cret")),
  );
  assert.ok(!printed.includes(TOKEN));
});

test("whether the service can be reached is told, and its return is noticed by itself", async () => {
  const { drive, server } = await world(() => "lost");
  const told: boolean[] = [];
  drive.reach.onChange((up) => told.push(up));
  assert.equal(drive.reach.up, true);
  faultOf(await drive.item(ID));
  while (drive.reach.up) await new Promise((resolve) => setTimeout(resolve, 10));
  server.answer = () => error(401, "InvalidAuthenticationToken");
  while (!drive.reach.up) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(told, [false, true]);
  const probe = server.asked.at(-1);
  assert.equal(probe?.headers.authorization, undefined, "a probe bears no token");
});

/** What a task prints. */
async function stderrOf(task: () => Promise<void>): Promise<string> {
  const real = process.stderr.write.bind(process.stderr);
  let printed = "";
  process.stderr.write = ((chunk: string | Uint8Array) => {
    printed += String(chunk);
    return true;
  }) as typeof process.stderr.write;
  try {
    await task();
  } finally {
    process.stderr.write = real;
  }
  return printed;
}
