/** Downloads and upload sessions against answers no faithful service gives, and the round trips they cost. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { Result } from "../../src/base/result.ts";
import { DownloadCut, type Download } from "../../src/drive/drive.ts";
import type { Fault } from "../../src/model/fault.ts";
import { cTag } from "../../src/model/ids.ts";
import {
  bodyOf,
  error,
  fileJson,
  graphWorld,
  ID,
  ROOT_ID,
  VERSION,
  type GraphWorld,
  type WorldOptions,
} from "./graph-world.ts";
import type { Asked, Said, Scripted } from "../support/scripted-server.ts";

const open: GraphWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

type Serve = (asked: Asked) => Said | "lost";

/** Graph describes the file (`describe` may say more); `content` answers at its address. */
async function downloading(
  content: Serve,
  describe: () => object = () => ({}),
  options: WorldOptions = {},
): Promise<GraphWorld> {
  let serial = 0;
  const answer: Scripted["answer"] = (asked) => {
    if (!asked.path.startsWith("/v1.0/")) return content(asked);
    const url = { "@microsoft.graph.downloadUrl": `${made.server.url}/dl/${++serial}?sig=x` };
    return { json: fileJson({ ...url, ...describe() }) };
  };
  const made = await graphWorld(answer, options);
  open.push(made);
  return made;
}

const RANGE: Serve = ({ headers }) => {
  const [, from = "0", to = "9"] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? "") ?? [];
  const text = "0123456789".slice(Number(from), Number(to) + 1);
  return { status: 206, headers: { "content-range": `bytes ${from}-${to}/10`, etag: '"{G},1"' }, text };
};

function faultOf(result: Result<unknown, Fault>): Fault {
  assert.ok(!result.ok, `a fault, not ${JSON.stringify(result)}`);
  return result.fault;
}

async function textOf(result: Result<Download, Fault>): Promise<string> {
  assert.ok(result.ok, JSON.stringify(result));
  const parts: Uint8Array[] = [];
  for await (const part of result.value.bytes) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("a cold read costs two round trips, the next ones of the same version one", async () => {
  const { drive, calls } = await downloading(RANGE);
  assert.equal(await textOf(await drive.download(ID, 2, 5, VERSION)), "234");
  assert.deepEqual(calls(), [`GET /me/drive/items/${ID}`, "GET /dl/1"]);
  assert.equal(await textOf(await drive.download(ID, 5, 10, VERSION)), "56789");
  assert.deepEqual(calls().slice(2), ["GET /dl/1"]);
});

test("a full answer to a ranged request is cut to the range", async () => {
  const { drive } = await downloading(() => ({ headers: { etag: '"{G},1"' }, text: "0123456789" }));
  const got = await drive.download(ID, 3, 6, VERSION);
  assert.ok(got.ok);
  assert.deepEqual([got.value.start, got.value.end, got.value.total], [3, 6, 10]);
  assert.equal(await textOf(got), "345");
});

test("a shorter range than asked for is told", async () => {
  const clipped: Serve = () => ({
    status: 206,
    headers: { "content-range": "bytes 2-3/10", etag: VERSION },
    text: "23",
  });
  const { drive } = await downloading(clipped);
  const got = await drive.download(ID, 2, 8, VERSION);
  assert.ok(got.ok);
  assert.deepEqual([got.value.start, got.value.end], [2, 4]);
  assert.equal(await textOf(got), "23");
});

test("other bytes than asked for, or a web page, are garbled", async () => {
  const others: Serve = () => ({ status: 206, headers: { "content-range": "bytes 5-9/10" }, text: "56789" });
  assert.equal(faultOf(await (await downloading(others)).drive.download(ID, 2, 8, VERSION)).kind, "garbled");
  const nowhere: Serve = () => ({ status: 206, text: "0123456789" });
  assert.equal(faultOf(await (await downloading(nowhere)).drive.download(ID, 0, 8, VERSION)).kind, "garbled");
  const page: Serve = () => ({ headers: { "content-type": "text/html" }, text: "<html>Log in</html>" });
  assert.equal(faultOf(await (await downloading(page)).drive.download(ID, 0, 8, VERSION)).kind, "garbled");
});

test("a body that ends early throws DownloadCut after the bytes that came", async () => {
  const { drive } = await downloading((asked) => ({ ...(RANGE(asked) as Said), cutAfter: 4 }));
  const got = await drive.download(ID, 0, 10, VERSION);
  assert.ok(got.ok);
  const parts: string[] = [];
  await assert.rejects(async () => {
    for await (const part of got.value.bytes) parts.push(Buffer.from(part).toString());
  }, DownloadCut);
  assert.equal(parts.join(""), "0123");
});

test("a chunked body that is shorter than its range throws DownloadCut", async () => {
  const short: Serve = () => ({
    status: 206,
    headers: { "content-range": "bytes 0-9/10", etag: VERSION },
    text: "01234",
  });
  const { drive } = await downloading(short);
  const got = await drive.download(ID, 0, 10, VERSION);
  await assert.rejects(() => textOf(got), DownloadCut);
});

test("a dead address is asked for again, once", async () => {
  for (const status of [401, 403, 404, 410]) {
    const dead: Serve = (asked) => (asked.path.startsWith("/dl/1") ? error(status, "unauthenticated") : RANGE(asked));
    const { drive, calls } = await downloading(dead);
    assert.equal(await textOf(await drive.download(ID, 0, 10, VERSION)), "0123456789");
    assert.equal(calls().length, 4, String(status));
  }
  const always = await downloading(() => error(403, "accessDenied"));
  assert.equal(faultOf(await always.drive.download(ID, 0, 10, VERSION)).kind, "denied");
  assert.equal(always.calls().length, 4);
  const never = await downloading(() => error(401, "unauthenticated"));
  assert.equal(
    faultOf(await never.drive.download(ID, 0, 10, VERSION)).kind,
    "unavailable",
    "nobody is signed out by it",
  );
});

test("another version is `changed`: by the description, and by the answer's tag at a kept address", async () => {
  let now: object = {};
  let tag = '"{G},1"';
  const serve: Serve = (asked) => {
    const said = RANGE(asked) as Said;
    return { ...said, headers: { ...said.headers, etag: tag } };
  };
  const { drive } = await downloading(serve, () => now);
  assert.equal(await textOf(await drive.download(ID, 0, 5, VERSION)), "01234");
  now = { eTag: '"{G},2"', cTag: '"c:{G},2"' };
  tag = '"{G},2"';
  assert.equal(faultOf(await drive.download(ID, 5, 10, VERSION)).kind, "changed");
  assert.equal(faultOf(await drive.download(ID, 5, 10, VERSION)).kind, "changed");
});

test("content that changed between the description and the bytes is `changed`, not mixed", async () => {
  let now: object = {};
  const { drive } = await downloading(
    (asked) => {
      now = { eTag: '"{G},2"', cTag: '"c:{G},2"' };
      return { ...(RANGE(asked) as Said), headers: { "content-range": "bytes 0-4/10", etag: '"{G},2"' } };
    },
    () => now,
  );
  assert.equal(faultOf(await drive.download(ID, 0, 5, VERSION)).kind, "changed");
});

test("a new tag with the same content (an mtime, a thumbnail) reads on", async () => {
  let now: object = {};
  let tag = '"{G},1"';
  const { drive } = await downloading(
    (asked) => {
      const said = RANGE(asked) as Said;
      return { ...said, headers: { ...said.headers, etag: tag } };
    },
    () => now,
  );
  assert.equal(await textOf(await drive.download(ID, 0, 5, VERSION)), "01234");
  now = { eTag: '"{G},2"' };
  tag = '"{G},2"';
  assert.equal(await textOf(await drive.download(ID, 5, 10, VERSION)), "56789");
});

test("a version recorded without a cTag is recognised in a description that has one", async () => {
  const described = { file: { hashes: { quickXorHash: "aCgDG9jwBgAAAAAABQAAAAAAAAA=" } } };
  const { drive } = await downloading(RANGE, () => described);
  assert.equal(await textOf(await drive.download(ID, 0, 3, "hash:aCgDG9jwBgAAAAAABQAAAAAAAAA=:10")), "012");
  assert.equal(faultOf(await drive.download(ID, 0, 3, "hash:AnotherHash=:10")).kind, "changed");
});

test("without an address in the description, /content redirects to one", async () => {
  const { drive, server, calls } = await downloading(RANGE, () => ({ "@microsoft.graph.downloadUrl": undefined }));
  const before = server.answer;
  server.answer = (asked) =>
    asked.path.endsWith("/content") ? { status: 302, headers: { location: `${server.url}/dl/9` } } : before(asked);
  assert.equal(await textOf(await drive.download(ID, 0, 3, VERSION)), "012");
  assert.deepEqual(calls().slice(1), [`GET /me/drive/items/${ID}/content`, "GET /dl/9"]);
});

test("a redirect of the content is followed, a circle is not; an address that is not https is refused", async () => {
  const once = await downloading((asked) =>
    asked.path.startsWith("/dl/1") ? { status: 307, headers: { location: "/far" } } : RANGE(asked),
  );
  assert.equal(await textOf(await once.drive.download(ID, 0, 3, VERSION)), "012");
  const circle = await downloading(() => ({ status: 307, headers: { location: "/dl/1" } }));
  assert.equal(faultOf(await circle.drive.download(ID, 0, 3, VERSION)).kind, "garbled");
  const plain = await downloading(RANGE, () => ({ "@microsoft.graph.downloadUrl": "http://plain.example.invalid/x" }));
  assert.equal(faultOf(await plain.drive.download(ID, 0, 3, VERSION)).kind, "garbled");
});

test("a file that refuses ranges is read whole", async () => {
  const { drive } = await downloading(({ headers }) =>
    headers.range ? { status: 416 } : { headers: { etag: VERSION }, text: "0123456789" },
  );
  assert.equal(await textOf(await drive.download(ID, 4, 8, VERSION)), "4567");
});

test("what passes on the way to content is waited for", async () => {
  const turns: (Said | "lost")[] = ["lost", { status: 503, headers: { "retry-after": "0.05" } }, { status: 502 }];
  const { drive } = await downloading((asked) => turns.shift() ?? RANGE(asked));
  assert.equal(await textOf(await drive.download(ID, 0, 3, VERSION)), "012");
  const down = await downloading(() => "lost");
  assert.deepEqual(
    [faultOf(await down.drive.download(ID, 0, 3, VERSION))].map((f) => [f.kind, f.unclear]),
    [["offline", undefined]],
  );
});

test("a reader who stops early lets go of the connection", async () => {
  const { drive } = await downloading(RANGE);
  const got = await drive.download(ID, 0, 10, VERSION);
  assert.ok(got.ok);
  for await (const _ of got.value.bytes) break;
  assert.equal(await textOf(await drive.download(ID, 0, 10, VERSION)), "0123456789");
});

// ---- sessions

const QUANTUM = 320 * 1024;

async function uploading(session: Serve, graph: Serve = () => ({ json: fileJson() })): Promise<GraphWorld> {
  const answer: Scripted["answer"] = (asked) => {
    if (asked.path.includes("createUploadSession")) {
      return {
        json: {
          uploadUrl: `${made.server.url}/up?tempauth=s`,
          expirationDateTime: "2030-01-01T00:00:00Z",
          nextExpectedRanges: ["0-"],
        },
      };
    }
    return asked.path.startsWith("/up") ? session(asked) : graph(asked);
  };
  const made = await graphWorld(answer);
  open.push(made);
  return made;
}

const big = bodyOf("x".repeat(QUANTUM * 2));

async function opened({ drive }: GraphWorld) {
  const session = await drive.openSession({ parent: ROOT_ID, name: "big" }, big.size, 1_600_000_000);
  assert.ok(session.ok);
  return session.value;
}

test("a session is opened with everything the service needs to know, and sends ranges", async () => {
  const world = await uploading(({ headers }) =>
    headers["content-range"]?.startsWith("bytes 0-")
      ? { status: 202, json: { nextExpectedRanges: [`${QUANTUM}-`] } }
      : { status: 201, json: fileJson() },
  );
  const session = await opened(world);
  assert.equal(session.expiresAt, Date.UTC(2030, 0, 1));
  const first = await world.drive.sendFragment(session, big, QUANTUM);
  assert.ok(first.ok && first.value.item === undefined);
  const last = await world.drive.sendFragment(first.value.session, big, big.size);
  assert.ok(last.ok && last.value.item?.id === ID);
  const [create, one, two] = world.server.asked;
  assert.deepEqual(JSON.parse(create?.body ?? ""), {
    item: {
      "@microsoft.graph.conflictBehavior": "fail",
      name: "big",
      fileSystemInfo: { lastModifiedDateTime: "2020-09-13T12:26:40Z" },
    },
  });
  assert.equal(create?.headers["if-none-match"], "*");
  assert.equal(one?.headers["content-range"], `bytes 0-${QUANTUM - 1}/${QUANTUM * 2}`);
  assert.equal(two?.headers["content-range"], `bytes ${QUANTUM}-${QUANTUM * 2 - 1}/${QUANTUM * 2}`);
  assert.equal(two?.headers["content-length"], String(QUANTUM));
});

test("a new version carries its condition", async () => {
  const world = await uploading(() => "lost");
  assert.ok((await world.drive.openSession({ item: ID, seen: cTag(VERSION) }, 5, 0)).ok);
  assert.equal(world.server.asked[0]?.headers["if-match"], VERSION);
});

test("the service may keep less of a fragment than was sent", async () => {
  const world = await uploading(() => ({ status: 202, json: { nextExpectedRanges: ["1000-"] } }));
  const sent = await world.drive.sendFragment(await opened(world), big, QUANTUM);
  assert.ok(sent.ok);
  assert.equal(sent.value.session.nextOffset, 1000);
});

test("a fragment that had landed before (416) is found out from the session", async () => {
  const world = await uploading(({ method }) =>
    method === "GET" ? { json: { nextExpectedRanges: [`${QUANTUM}-`] } } : error(416, "invalidRange"),
  );
  const sent = await world.drive.sendFragment(await opened(world), big, QUANTUM);
  assert.ok(sent.ok && sent.value.item === undefined);
  assert.equal(sent.value.session.nextOffset, QUANTUM);
  const stuck = await uploading(({ method }) =>
    method === "GET" ? { json: { nextExpectedRanges: ["0-"] } } : error(416, "invalidRange"),
  );
  assert.equal(faultOf(await stuck.drive.sendFragment(await opened(stuck), big, QUANTUM)).kind, "rangeUnsatisfied");
});

test("a session that is gone is expired, and unclear when it may have been finished", async () => {
  for (const [status, unclear] of [
    [404, true],
    [410, true],
    [401, undefined],
    [403, undefined],
  ] as const) {
    const world = await uploading(() => error(status, "x"));
    const session = await opened(world);
    const sent = faultOf(await world.drive.sendFragment(session, big, QUANTUM));
    assert.deepEqual([sent.kind, sent.unclear], ["expired", unclear], String(status));
    assert.equal(faultOf(await world.drive.sessionStatus(session)).kind, "expired");
  }
});

test("a finished upload that says nothing is asked about", async () => {
  const world = await uploading(() => ({ status: 201 }));
  const sent = await world.drive.sendFragment(await opened(world), big, big.size);
  assert.ok(sent.ok && sent.value.item?.id === ID);
  assert.match(world.server.asked.at(-1)?.path ?? "", /items\/[^/]+:\/big:/);
});

test("a lost or failed fragment is unclear; refusals at the end are told apart", async () => {
  for (const answer of ["lost", { status: 503 }, { status: 500 }] as const) {
    const world = await uploading(() => answer);
    assert.equal(faultOf(await world.drive.sendFragment(await opened(world), big, QUANTUM)).unclear, true);
  }
  const kinds = { 409: "nameTaken", 412: "nameTaken", 507: "noSpace", 423: "locked" } as const;
  for (const [status, kind] of Object.entries(kinds)) {
    const world = await uploading(() => error(Number(status), "x"));
    assert.equal(faultOf(await world.drive.sendFragment(await opened(world), big, big.size)).kind, kind);
  }
});

test("a session by id that wants a name is opened by place", async () => {
  const asked: string[] = [];
  const world = await uploading(() => "lost");
  const before = world.server.answer;
  world.server.answer = (question) => {
    asked.push(`${question.method} ${question.path.split("?")[0]}`);
    const byId = question.path.endsWith(`/items/${ID}/createUploadSession`);
    if (byId)
      return { status: 400, json: { error: { code: "invalidRequest", message: "File name not provided in url" } } };
    return before(question);
  };
  assert.ok((await world.drive.openSession({ item: ID, seen: cTag(VERSION) }, 5, 0)).ok);
  assert.equal(asked.length, 3);
  assert.match(asked[2] ?? "", /:\/a\.txt:\/createUploadSession$/);
});
