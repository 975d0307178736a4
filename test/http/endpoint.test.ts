/** Which clouds there are, and which addresses may be talked to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isTrustedAddress, parseEndpoint, type Endpoint } from "../../src/http/endpoint.ts";

function parsed(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  assert.ok(endpoint.ok, JSON.stringify(endpoint));
  return endpoint.value;
}

test("the clouds by name", () => {
  const table = ["global", "us", "us-dod", "china"].map((name) => [parsed(name).login, parsed(name).graph]);
  assert.deepEqual(table, [
    ["https://login.microsoftonline.com", "https://graph.microsoft.com"],
    ["https://login.microsoftonline.us", "https://graph.microsoft.us"],
    ["https://login.microsoftonline.us", "https://dod-graph.microsoft.us"],
    ["https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"],
  ]);
  assert.equal(parsed("china").addressesByPath, false);
});

test("one URL for Graph and sign-in: https anywhere, http on this machine only", () => {
  assert.deepEqual(parsed("http://127.0.0.1:8080/").graph, "http://127.0.0.1:8080");
  assert.equal(parsed("http://localhost:1").loopback, true);
  assert.equal(parsed("http://[::1]:1").loopback, true);
  assert.equal(parsed("https://onedrive.example/base/").login, "https://onedrive.example/base");
  const refused = [
    "http://onedrive.example",
    "ftp://x",
    "nowhere",
    "",
    "https://u:p@x",
    "https://x/?q=1",
    "toString",
    "http://127.0.0.1.evil.example",
  ];
  for (const text of refused) assert.equal(parseEndpoint(text).ok, false, text);
});

test("addresses the service names: https, or this machine when the service is on it", () => {
  assert.equal(isTrustedAddress("https://anything.example/x?y", parsed("global")), true);
  assert.equal(isTrustedAddress("http://anything.example/x", parsed("global")), false);
  assert.equal(isTrustedAddress("http://127.0.0.1/x", parsed("global")), false);
  assert.equal(isTrustedAddress("http://127.0.0.1:9/x", parsed("http://127.0.0.1:8")), true);
  assert.equal(isTrustedAddress("file:///etc/passwd", parsed("http://127.0.0.1:8")), false);
  assert.equal(isTrustedAddress("nonsense", parsed("global")), false);
});
