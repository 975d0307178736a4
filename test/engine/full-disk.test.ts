/** The disk of the state folder is full for a while, from any commit on: nothing breaks, nothing is lost, all goes on when there is room. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

/** The disk is full from the commit on that is number `at` from now; the answer makes room for good. */
function fillAt(device: Device, at: number): () => void {
  const { store } = device;
  const real = store.transact.bind(store);
  let commits = 0;
  store.transact = (change) => {
    if (++commits === at) store.fillDisk(true);
    return real(change);
  };
  return () => {
    store.transact = real;
    store.fillDisk(false);
  };
}

test("full disk: a disk that is full for a while stops nothing for good", async () => {
  for (let at = 1; at <= 30; at++) {
    const world = new World(`full-${at}`);
    const device = world.device("laptop");
    await world.quiet();
    await device.write("a", "one");
    await device.mkdir("d");
    await world.quiet();
    await device.write("a", "two");
    await device.write("b", "three");
    await device.rename("d", "e");
    world.cloud.as("web").put("from-the-web", "web");
    const makeRoom = fillAt(device, at);
    await world.pass(60_000);
    device.store.fillDisk(true);
    const [pulled, pushed] = [device.puller.sync(), device.flusher.sync()];
    await world.pass(120_000);
    makeRoom();
    await world.wait(pulled);
    await world.wait(pushed);
    await world.pass(120_000);
    await world.quiet();
    const tree = world.cloud.tree().map(({ path, bytes }) => `${path}=${bytes ? Buffer.from(bytes).toString() : "/"}`);
    assert.deepEqual(tree.toSorted(), ["a=two", "b=three", "e=/", "from-the-web=web"], `full at commit ${at}`);
    assert.deepEqual(device.names().toSorted(), ["a", "b", "e", "from-the-web"]);
    assert.deepEqual(device.conflicts, []);
    await device.stop();
  }
});
