/** Two who write to one file: two programs on one mount, two mounts of one drive. And what the service refuses, seen through a mount. */
import assert from "node:assert/strict";
import { promises as fs } from "node:fs";
import { test } from "node:test";
import { eventually, run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

async function withMounts(count: number, use: (sim: Sim, ...mounts: Mount[]) => Promise<void>): Promise<void> {
  const sim = await startSim();
  const mounts: Mount[] = [];
  try {
    await sim.put("shared.txt", "as it was\n");
    for (let i = 0; i < count; i++) mounts.push(await startMount(sim));
    await use(sim, ...mounts);
  } finally {
    for (const mount of mounts) await mount.dispose();
    await sim.stop();
  }
}

test("sharing: two programs that append to one file lose and mix no line", async () => {
  await withMounts(1, async (sim, mount) => {
    const path = mount!.path("shared.txt");
    const lines = (who: string): string =>
      `for i in $(seq 300); do echo "${who} $i a line of some length" >> "${path}"; done`;
    const ran = await Promise.all(["one", "two"].map((who) => run("sh", ["-c", lines(who)])));
    assert.deepEqual(
      ran.map(({ code, err }) => [code, err]),
      [
        [0, ""],
        [0, ""],
      ],
    );
    const text = await fs.readFile(path, "utf8");
    for (const who of ["one", "two"]) {
      const own = text.split("\n").filter((line) => line.startsWith(`${who} `));
      assert.deepEqual(
        own,
        Array.from({ length: 300 }, (_, i) => `${who} ${i + 1} a line of some length`),
      );
    }
    assert.equal(text.split("\n").length, 602);
    await mount!.settled();
    assert.equal((await sim.get("shared.txt")).toString(), text);
  });
});

test("sharing: two mounts that edit one file keep both contents, each once", async () => {
  await withMounts(2, async (sim, here, there) => {
    assert.equal(await fs.readFile(here!.path("shared.txt"), "utf8"), "as it was\n");
    assert.equal(await fs.readFile(there!.path("shared.txt"), "utf8"), "as it was\n");
    await Promise.all([
      fs.writeFile(here!.path("shared.txt"), "written here\n"),
      fs.writeFile(there!.path("shared.txt"), "written there\n"),
    ]);
    await here!.settled();
    await there!.settled();
    const texts = async (mount: Mount): Promise<string[]> => {
      const names = (await fs.readdir(mount.dir)).filter((name) => name.startsWith("shared"));
      return (await Promise.all(names.map((name) => fs.readFile(mount.path(name), "utf8")))).toSorted();
    };
    const both = ["written here\n", "written there\n"];
    for (const mount of [here!, there!])
      await eventually(
        "both contents",
        async () => JSON.stringify(await texts(mount)) === JSON.stringify(both),
        30_000,
      );
    assert.equal((await sim.tree()).filter(({ folder }) => !folder).length, 2);
  });
});

test("sharing: a full quota (507) and a lock (423) lose nothing, are told, and end", async () => {
  await withMounts(1, async (sim, mount) => {
    for (const [kind, more] of [
      ["quota", {}],
      ["locked", { seconds: 1_000_000 }],
    ] as const) {
      await sim.faults({ kind, ...more });
      const name = `${kind}.txt`;
      await fs.writeFile(mount!.path(name), `kept through ${kind}`);
      await fs.writeFile(mount!.path("shared.txt"), `changed under ${kind}`);
      await eventually(
        "it is told",
        async () => /space|lock/i.test((await mount!.ctl("status", mount!.dir)).out),
        30_000,
      );
      assert.equal(await fs.readFile(mount!.path(name), "utf8"), `kept through ${kind}`);
      assert.equal((await sim.get("shared.txt")).toString().includes(kind), false);
      await sim.clearFaults();
      assert.equal((await mount!.ctl("sync", mount!.dir)).code, 0);
      const { ops } = JSON.parse((await mount!.ctl("ops", mount!.dir, "--json")).out) as {
        ops: { id: number; state: string }[];
      };
      for (const { id, state } of ops) if (state === "parked") await mount!.ctl("retry", String(id), mount!.dir);
      await eventually(
        "it arrives",
        async () => {
          await mount!.ctl("sync", mount!.dir);
          return (await sim.paths()).has(name) && (await sim.get("shared.txt")).toString() === `changed under ${kind}`;
        },
        60_000,
      );
      assert.equal((await sim.get(name)).toString(), `kept through ${kind}`);
    }
  });
});
