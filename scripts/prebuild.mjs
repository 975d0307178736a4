/**
 * Runs before `npm pack` and `npm publish`: binaries of our own kernel host for linux-x64 and linux-arm64 go into the package, for those machines
 * whose compiler is here (Debian: gcc, gcc-x86-64-linux-gnu, gcc-aarch64-linux-gnu). Who installs the package then needs no compiler for it;
 * elsewhere it is compiled as ever. They are not in the repository.
 */
import { spawnSync } from "node:child_process";
import { forgetPrebuilt, prebuild } from "./own-host.mjs";

const targets = { "linux-x64": "x86_64-linux-gnu-gcc", "linux-arm64": "aarch64-linux-gnu-gcc" };

forgetPrebuilt();
for (const [target, cross] of Object.entries(targets)) {
  const own = target === `${process.platform}-${process.arch}`;
  const compiler = own ? process.env.CC || "cc" : cross;
  if (spawnSync(compiler, ["--version"], { stdio: "ignore" }).status === 0) {
    prebuild(target, compiler);
    console.error(`prebuilt: ${target}`);
  } else console.error(`not prebuilt, for there is no ${compiler}: ${target}`);
}
