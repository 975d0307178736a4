/** The fake keeps the contract of content. */
import { seededRandom } from "../../src/base/random.ts";
import { fakeContent, type FakeDisk } from "../support/fake-content.ts";
import { contentContract } from "./content-contract.ts";
import type { Made, MakeOptions } from "./content-world.ts";

async function make(options: MakeOptions, disk?: FakeDisk): Promise<Made> {
  const content = fakeContent({ ...options, ...(disk ? { disk } : {}), random: seededRandom("contract") });
  return {
    content,
    restart: (store) => make({ ...options, store }, content.disk),
    dispose: () => content.close(),
  };
}

contentContract("fake content", (options) => make(options));
