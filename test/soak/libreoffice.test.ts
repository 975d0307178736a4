/**
 * LibreOffice saves a document that the cloud has, three times, with the document open all the while: the same item, one new version
 * and one upload for each save, and no name of a lock or temporary file. Needs Debian's libreoffice-writer-nogui and python3-uno.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, programExists, run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const missing = ["soffice", "unzip"].filter((program) => !programExists(program));
const SAVES = 3;
let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  mount = await startMount(sim, { options: { write_back: "1" } });
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

/** Opens or makes the document, then for every line on stdin adds a paragraph, saves and says so; closes it at the end. */
const WRITER = `
import sys, time, uno
from com.sun.star.beans import PropertyValue
pipe, url = sys.argv[1], sys.argv[2]
local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
for _ in range(300):
    try:
        context = resolver.resolve("uno:pipe,name=%s;urp;StarOffice.ComponentContext" % pipe)
        break
    except Exception:
        time.sleep(0.2)
desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
hidden = PropertyValue(); hidden.Name = "Hidden"; hidden.Value = True
new = len(sys.argv) > 3
document = desktop.loadComponentFromURL("private:factory/swriter" if new else url, "_blank", 0, (hidden,))
if new: document.storeAsURL(url, ())
print("open", flush=True)
for line in sys.stdin:
    text = document.Text
    text.insertString(text.getEnd(), line.strip() + chr(10), False)
    document.store()
    print("saved", flush=True)
document.close(True)
`;

/** Speaks with one such writer: each said line is answered by one. */
class Writer {
  readonly child: ChildProcess;
  #heard = "";
  #answers = 0;

  constructor(env: NodeJS.ProcessEnv, ...args: string[]) {
    this.child = spawn("/usr/bin/python3", ["-c", WRITER, ...args], { env, stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdout!.on("data", (part: Buffer) => (this.#heard += part.toString()));
  }

  async answered(): Promise<void> {
    this.#answers++;
    await eventually("an answer of LibreOffice", () => this.#heard.split("\n").length > this.#answers, 90_000);
  }

  async say(line: string): Promise<void> {
    this.child.stdin!.write(`${line}\n`);
    await this.answered();
  }

  async end(): Promise<void> {
    this.child.stdin!.end();
    await eventually("the document is closed", () => this.child.exitCode !== null, 30_000);
  }
}

test(
  `libreoffice: ${SAVES} saves of an open document are ${SAVES} versions of the same item`,
  { skip: missing.length > 0 && `needs ${missing.join(" and ")}` },
  async () => {
    const env = { ...process.env, HOME: mount.home };
    const office = spawn(
      "soffice",
      ["--headless", "--norestore", "--nologo", `--accept=pipe,name=t${process.pid};urp;`],
      { env, stdio: ["ignore", "ignore", "inherit"], detached: true },
    );
    try {
      await makeDocument(env);
      const before = (await sim.paths()).get("letters/letter.odt")!;
      await sim.clearRequests();
      const writer = new Writer(env, `t${process.pid}`, `file://${mount.path("letters/letter.odt")}`);
      await writer.answered();
      for (let save = 1; save <= SAVES; save++) {
        await writer.say(`paragraph ${save}`);
        await mount.settled();
      }
      await writer.end();
      await mount.settled();
      await assertSaved(before.id);
    } finally {
      if (office.exitCode === null) process.kill(-office.pid!, "SIGKILL");
    }
  },
);

/** A document made outside and uploaded by somebody else. */
async function makeDocument(env: NodeJS.ProcessEnv): Promise<void> {
  const made = join(mount.home, "made.odt");
  const writer = new Writer(env, `t${process.pid}`, `file://${made}`, "new");
  await writer.answered();
  await writer.say("paragraph 0");
  writer.child.stdin!.end();
  await eventually("the document is made", () => writer.child.exitCode !== null, 30_000);
  await sim.put("letters/letter.odt", readFileSync(made));
  await eventually("it appears", async () => (await run("cat", [mount.path("letters/letter.odt")])).code === 0);
}

async function assertSaved(id: string): Promise<void> {
  const cloud = await sim.paths();
  assert.deepEqual(
    [...cloud.keys()].filter((path) => path.startsWith("letters/")),
    ["letters/letter.odt"],
  );
  assert.deepEqual(readdirSync(mount.path("letters")), ["letter.odt"], "the lock file is gone");
  assert.equal(cloud.get("letters/letter.odt")!.id, id, "the same item");
  assert.equal((await sim.versions("letters/letter.odt")).length, 1 + SAVES, "one version a save");
  assert.ok((await sim.get("letters/letter.odt")).equals(readFileSync(mount.path("letters/letter.odt"))));
  const text = await run("unzip", ["-p", mount.path("letters/letter.odt"), "content.xml"]);
  for (let save = 0; save <= SAVES; save++) assert.match(text.out, new RegExp(`paragraph ${save}`));
  const changes = (await sim.requests()).filter(({ method }) => method !== "GET");
  const uploads = changes.filter(({ method, path }) => method === "PUT" && path.includes("/content"));
  assert.equal(uploads.length, SAVES, "one upload a save");
  const strangers = changes.filter(
    (request) => request.itemId !== id || /lock|lu[0-9a-z]+\.tmp/.test(decodeURIComponent(request.path)),
  );
  assert.deepEqual(strangers, [], "nothing but the item was touched");
}
