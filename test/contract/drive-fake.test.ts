/** The drive contract on the fake, with its feed tidy, untidy and poor. */
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { itemId } from "../../src/model/ids.ts";
import type { CloudKnobs } from "../support/cloud-knobs.ts";
import { fakeDrive } from "../support/fake-drive.ts";
import { driveContract, type DriveWorld } from "./drive-contract.ts";

async function world(knobs: Partial<CloudKnobs>): Promise<DriveWorld> {
  const drive = fakeDrive({ clock: manualClock(), random: seededRandom("contract"), knobs });
  const web = drive.cloud.as("web");
  return {
    drive,
    other: {
      put: async (path, content) => void web.put(path, content),
      mkdir: async (path) => void web.mkdir(path),
      move: async (from, to) => void web.move(from, to),
      remove: async (path) => web.remove(path),
    },
    tree: async () =>
      new Map(drive.cloud.tree().map((row) => [row.path, row.bytes && Buffer.from(row.bytes).toString()])),
    restores: drive.cloud.knobs.restores,
    unknownId: itemId("1D641CFAE05579A4!s0"),
    close: async () => undefined,
  };
}

driveContract("fake", () => world({}));
driveContract("fake, small pages, shuffled and repeated", () =>
  world({ pageItems: 3, shuffle: true, duplicates: 0.5, folderCTags: true }),
);
driveContract("fake, poor feed, no restore", () =>
  world({ feedOmitsCTag: true, feedOmitsHash: true, tombstonesBelow: false, ancestors: false, restores: false }),
);
