/** The drive contract on Microsoft Graph: our client against the simulator, in three of its profiles. */
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ok } from "../../src/base/result.ts";
import { itemId } from "../../src/model/ids.ts";
import { msgraphDrive } from "../../src/drive/msgraph-drive.ts";
import { parseEndpoint } from "../../src/http/endpoint.ts";
import { undiciHttp } from "../../src/http/undici-http.ts";
import { startSourceSim } from "../support/sim-process.ts";
import { driveContract, type DriveWorld } from "./drive-contract.ts";

async function world(profile: string): Promise<DriveWorld> {
  const sim = await startSourceSim("--profile", profile);
  const { access_token } = (await sim.token()) as { access_token: string };
  const endpoint = parseEndpoint(sim.url);
  if (!endpoint.ok) throw new Error(endpoint.fault.why);
  const http = undiciHttp({ proxies: { httpProxy: "", httpsProxy: "", noProxy: "*" } });
  const drive = msgraphDrive({
    endpoint: endpoint.value,
    http,
    tokens: { token: async () => ok(access_token) },
    clock: systemClock,
    random: seededRandom("contract"),
  });
  return {
    drive,
    other: sim,
    async tree() {
      const rows = await sim.tree();
      const contents = rows.map(
        async (row) => [row.path, row.folder ? undefined : String(await sim.get(row.path))] as const,
      );
      return new Map(await Promise.all(contents));
    },
    restores: profile !== "business",
    unknownId: await unknownIdOf(drive),
    async close() {
      drive.close();
      await http.close();
      await sim.stop();
    },
  };
}

/** The id of an item that was made and is no more. */
async function unknownIdOf(drive: DriveWorld["drive"]) {
  const info = await drive.info();
  const made = info.ok ? await drive.createFolder(info.value.rootId, "soon gone") : info;
  if (!made.ok) throw new Error(made.fault.why);
  await drive.remove(made.value.id, undefined);
  return itemId(made.value.id);
}

for (const profile of ["personal", "personal-old", "business"])
  driveContract(`msgraph, ${profile}`, () => world(profile));
