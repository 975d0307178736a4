/** HTTPS_PROXY and NODE_EXTRA_CA_CERTS for sign-in, Graph and content, through the simulator's CONNECT door. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { repository } from "../support/repository.ts";
import { startSourceSim, type Sim } from "../support/sim-process.ts";

describe("a network with a proxy and certificates of its own", () => {
  let sim: Sim;
  before(async () => (sim = await startSourceSim("--connect-proxy")));
  after(() => sim.stop());

  async function firstDay(env: Record<string, string>): Promise<Record<string, unknown>> {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/proxy|NODE_/i.test(name)));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "test/support/through-proxy.ts"],
      {
        cwd: repository,
        env: { ...inherited, ...env },
      },
    );
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  test("sign-in, Graph, uploads and downloads all go through it", async () => {
    const env = { HTTPS_PROXY: sim.url, NODE_EXTRA_CA_CERTS: String(sim.ready["ca"]) };
    assert.deepEqual(await firstDay(env), { who: "person@example.com", same: true });
  });

  test("a certificate nobody vouches for is refused before a byte is said", async () => {
    await sim.clearRequests();
    const { fault } = (await firstDay({ HTTPS_PROXY: sim.url })) as { fault: { kind: string; why: string } };
    assert.equal(fault.kind, "offline");
    assert.match(fault.why, /^login\.microsoftonline\.com/);
    assert.deepEqual(await sim.requests(), []);
  });
});
