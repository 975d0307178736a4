/** Programs are known by what the kernel says their names are. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { askers } from "../../src/daemon/askers.ts";
import { DEFAULT_NO_DOWNLOAD_PROGRAMS } from "../../src/model/config.ts";

test("askers: a thread by its own name and by that of its process; who cannot be seen may download", () => {
  const proc = mkdtempSync(join(tmpdir(), "onedrive-askers-"));
  const task = (pid: number, process: number, name: string): void => {
    mkdirSync(join(proc, String(pid)));
    writeFileSync(join(proc, String(pid), "comm"), `${name}\n`);
    writeFileSync(join(proc, String(pid), "status"), `Name:\t${name}\nTgid:\t${process}\nPid:\t${pid}\n`);
  };
  try {
    task(10, 10, "bash");
    task(20, 20, "tumblerd");
    task(21, 20, "pool-worker");
    task(30, 30, "Baloo_File_Extr");
    const asks = askers(["tumblerd", "baloo_file*"], proc);
    assert.deepEqual(
      [0, 10, 20, 21, 30, 99].map((pid) => asks({ pid }).mayDownload),
      [true, true, false, false, false, true],
    );
    assert.deepEqual(
      [0, 21, 99].map((pid) => [asks({ pid }).name, asks({ pid }).pid]),
      [
        [undefined, 0],
        ["tumblerd", 20],
        [undefined, 99],
      ],
    );
  } finally {
    rmSync(proc, { recursive: true });
  }
});

test("askers: the usual list has those that look by themselves, and nobody that a person starts", () => {
  const proc = mkdtempSync(join(tmpdir(), "onedrive-askers-"));
  const may = (name: string): boolean => {
    mkdirSync(join(proc, "5"), { recursive: true });
    writeFileSync(join(proc, "5/comm"), `${name}\n`);
    writeFileSync(join(proc, "5/status"), "Tgid:\t5\n");
    return askers(DEFAULT_NO_DOWNLOAD_PROGRAMS, proc)({ pid: 5 }).mayDownload;
  };
  try {
    for (const name of ["tumblerd", "gdk-pixbuf-thum", "totem-video-thu", "ffmpegthumbnail", "tracker-extract"])
      assert.equal(may(name), false, name);
    for (const name of ["baloo_file_extr", "localsearch-3", "clamd", "updatedb.mlocat"])
      assert.equal(may(name), false, name);
    for (const name of [
      "bash",
      "cat",
      "cp",
      "soffice.bin",
      "thunar",
      "nautilus",
      "dolphin",
      "rsync",
      "node",
      "thunderbird",
      "mozilla-thunder",
    ])
      assert.equal(may(name), true, name);
  } finally {
    rmSync(proc, { recursive: true });
  }
});
