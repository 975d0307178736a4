/**
 * The demo behind scripts/demo: a simulated cloud with a believable drive, mounted. With --check it uses the mount the way a person
 * would (writes, edits in place and by rename, moves, deletes, on both sides), compares mount and cloud byte for byte, unmounts.
 */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { assertCloudEquals } from "../test/support/cloud-equals.ts";
import { eventually, isMounted, startMount, type Mount } from "../test/support/mount-process.ts";
import { startSim, type Sim } from "../test/support/sim-process.ts";

const argument = process.argv[2];
const check = argument === "--check";

async function main(): Promise<void> {
  const sim = await startSim();
  try {
    await populate(sim);
    await (check ? unattended(sim) : attended(sim, resolve(argument ?? join(homedir(), "OneDrive-demo"))));
  } finally {
    await sim.stop();
  }
}

/** Documents, photos with real image bytes, a project with nested folders, an Office file, odd names. */
async function populate(sim: Sim): Promise<void> {
  const files: Record<string, Uint8Array | string> = {
    "Documents/Letter to the landlord.txt":
      "Dear Sir or Madam,\n\nthe heating has been cold since Tuesday.\n\nKind regards\n",
    "Documents/Taxes/2025 receipts.csv": "date;shop;amount\n2025-01-03;Bakery;12.40\n2025-02-14;Flowers;25.00\n",
    "Documents/Thesis/thesis.md": `# On Durable Logs\n\n${"A byte that was promised is a byte that is kept. ".repeat(400)}\n`,
    "Documents/Budget.xlsx": officeFile(),
    "Pictures/2026/beach.png": picture(320, 200, (x, y) =>
      y < 110 ? [120, 180, 240 - (y >> 1)] : [230, 210 - (x >> 3), 150],
    ),
    "Pictures/2026/sunset.png": picture(320, 200, (x, y) => [250 - (y >> 1), 120 - (y >> 2), 60 + (x >> 3)]),
    "Projects/rocket/README.md": "# rocket\n\nGoes up.\n",
    "Projects/rocket/src/main.c": '#include <stdio.h>\n\nint main(void) { puts("lift-off"); return 0; }\n',
    "Projects/rocket/src/engine/nozzle/shape.h": "#pragma once\n#define THROAT_MM 42\n",
    "Odd names/100% sure #1.txt": "percent and hash\n",
    "Odd names/Grüße, 日本語 🙂.txt": "any script\n",
    "Odd names/it's ”quoted”.txt": "quotes\n",
    "Odd names/empty": "",
  };
  for (const [path, bytes] of Object.entries(files)) await sim.put(path, bytes);
}

async function attended(sim: Sim, mountpoint: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "onedrive-demo-"));
  mkdirSync(mountpoint, { recursive: true });
  const mount = await startMount(sim, { home, mountpoint, options: { poll: "3", write_back: "1" } });
  const ctl = `XDG_RUNTIME_DIR=${mount.env["XDG_RUNTIME_DIR"]} ${resolve(import.meta.dirname, "../dist/bin/onedrivectl.js")}`;
  console.log(`
A OneDrive is mounted at ${mountpoint}; its cloud is simulated at ${sim.url}.

Five things to try (in another terminal):
  1. ls -lR ${mountpoint}
  2. echo hello > ${mountpoint}/Documents/hello.txt; ${ctl} status ${mountpoint} --wait; curl -s ${sim.url}/_sim/files/Documents/hello.txt
  3. curl -s -X PUT --data-binary 'from elsewhere' ${sim.url}/_sim/files/Documents/news.txt; sleep 4; cat ${mountpoint}/Documents/news.txt
  4. vim ${mountpoint}/Projects/rocket/README.md   (then: curl -s ${sim.url}/_sim/versions/Projects/rocket/README.md)
  5. setfattr -n user.onedrive.pin -v 1 ${mountpoint}/Pictures; curl -s -X POST -d '{"up":false}' ${sim.url}/_sim/network; ls -l ${mountpoint}/Pictures/2026

Ends with Ctrl-C or: fusermount -u ${mountpoint}
`);
  await new Promise<void>((done) => {
    process.once("SIGINT", () => done());
    process.once("SIGTERM", () => done());
    const watch = setInterval(() => isMounted(mountpoint) || (clearInterval(watch), done()), 500);
  });
  await mount.dispose();
}

async function unattended(sim: Sim): Promise<void> {
  const mount = await startMount(sim);
  try {
    for (const [name, step] of Object.entries(steps)) {
      await step(sim, mount);
      console.log(`demo: ${name}: ok`);
    }
    if ((await mount.unmount()) !== 0) throw new Error("the daemon did not end with 0");
    console.log("demo: unmounted: ok");
  } finally {
    await mount.dispose();
  }
}

const steps: Readonly<Record<string, (sim: Sim, mount: Mount) => Promise<void>>> = {
  "everything in the cloud is in the mount": async (sim, mount) => {
    const files = await assertCloudEquals(sim, mount.dir);
    if (files < 13) throw new Error(`only ${files} files`);
  },
  "new files reach the cloud": async (sim, mount) => {
    mkdirSync(mount.path("Documents/New/Nested"), { recursive: true });
    writeFileSync(mount.path("Documents/New/Nested/note.txt"), "a note");
    writeFileSync(mount.path("Documents/New/blob.bin"), Buffer.alloc(6_000_000, 3));
    await mount.settled();
    await assertCloudEquals(sim, mount.dir);
  },
  "an edit in place and a save by rename keep the item": async (sim, mount) => {
    const before = await sim.paths();
    writeFileSync(mount.path("Documents/Letter to the landlord.txt"), "Edited in place.\n");
    writeFileSync(mount.path("Projects/rocket/.README.md.new"), "# rocket\n\nSaved by rename.\n");
    renameSync(mount.path("Projects/rocket/.README.md.new"), mount.path("Projects/rocket/README.md"));
    await mount.settled();
    const after = await sim.paths();
    for (const path of ["Documents/Letter to the landlord.txt", "Projects/rocket/README.md"]) {
      if (before.get(path)!.id !== after.get(path)!.id) throw new Error(`${path} changed its identity`);
    }
    await assertCloudEquals(sim, mount.dir);
  },
  "moves and deletes reach the cloud": async (sim, mount) => {
    renameSync(mount.path("Projects/rocket"), mount.path("Documents/rocket"));
    unlinkSync(mount.path("Pictures/2026/beach.png"));
    rmSync(mount.path("Documents/Taxes"), { recursive: true });
    await mount.settled();
    await assertCloudEquals(sim, mount.dir);
  },
  "changes in the cloud reach the mount": async (sim, mount) => {
    await sim.put("Documents/from elsewhere.txt", "hello");
    await sim.put("Documents/Letter to the landlord.txt", "Edited elsewhere.\n");
    await sim.move("Documents/Thesis", "Thesis");
    await sim.remove("Odd names/empty");
    await eventually("all of it is here", () => {
      try {
        return (
          readFileSync(mount.path("Documents/from elsewhere.txt"), "utf8") === "hello" &&
          readFileSync(mount.path("Documents/Letter to the landlord.txt"), "utf8") === "Edited elsewhere.\n" &&
          readFileSync(mount.path("Thesis/thesis.md")).length > 1000
        );
      } catch {
        return false; // not here yet
      }
    });
    await assertCloudEquals(sim, mount.dir);
  },
};

/** A PNG with real pixels. */
function picture(width: number, height: number, colour: (x: number, y: number) => [number, number, number]): Buffer {
  const raw = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) raw.set(colour(x, y), y * (width * 3 + 1) + 1 + x * 3);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(raw)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** A minimal spreadsheet: a zip with stored entries. */
function officeFile(): Buffer {
  const entries: Record<string, string> = {
    "[Content_Types].xml":
      '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels":
      '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml":
      '<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheets/></workbook>',
  };
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(entries)) {
    const data = Buffer.from(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004", "latin1"), fields, Buffer.from(name), data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\u0000", "latin1"), fields, tail, Buffer.from(name)]),
    );
    parts.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", "latin1");
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

await main();
