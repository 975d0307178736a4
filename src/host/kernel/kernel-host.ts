/**
 * The host that speaks the FUSE protocol itself. It checks the mountpoint, obtains the descriptor, greets the kernel, and from then on
 * answers calls by inode on the event loop's own thread, in the same turn when the vfs does. The kernel is told what changed elsewhere
 * (notices.ts), so names and attributes are believed for long.
 *
 * The end: the kernel has no mount any more. Calls that still wait are aborted, and `gone` resolves when they are through, or after a
 * grace. A process that ends without all this lets go of the descriptor, which ends the mount for everybody.
 */
import { sleep, systemClock, type Clock } from "../../base/clock.ts";
import { failed, ok, type Result } from "../../base/result.ts";
import { UNMOUNT_GRACE_MS } from "../../model/limits.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { endMount, endOfMount } from "../ending.ts";
import type { Host, Mounted, MountFault, MountOptions } from "../host.ts";
import { unmount } from "../mount-table.ts";
import { prepareMountpoint } from "../mountpoint.ts";
import { connection } from "./connection.ts";
import { listingChanged } from "./folder-calls.ts";
import { fuseDevice, NOTICE_WRITER, type FuseDevice } from "./fuse-device.ts";
import { newSession } from "./new-session.ts";
import { noticeWriter, type NoticeWriter } from "./notice-writer.ts";
import { obtainDevice } from "./obtain-device.ts";

const TIMEOUT_MS_DEFAULT = 3_600_000;

export function kernelHost(clock: Clock = systemClock): Host {
  return {
    name: "kernel",
    async mount(vfs, options) {
      const device = fuseDevice();
      if (!device.ok) return device;
      const place = await prepareMountpoint(options, clock);
      if (!place.ok) return place;
      const here = { ...options, mountpoint: place.value };
      const fd = await obtainDevice(device.value, here);
      if (!fd.ok) return fd;
      const writer = await noticeWriter({ program: NOTICE_WRITER, fd: fd.value, onDefect: options.onDefect });
      if (writer) return serve(vfs, here, { device: device.value, fd: fd.value, writer, clock });
      device.value.close(fd.value);
      await unmount(here.mountpoint, true);
      return failed({ kind: "failed", why: `cannot mount at ${here.mountpoint}: ${NOTICE_WRITER} does not start` });
    },
  };
}

interface Obtained {
  readonly device: FuseDevice;
  readonly fd: number;
  readonly writer: NoticeWriter;
  readonly clock: Clock;
}

async function serve(
  vfs: Vfs,
  options: MountOptions,
  { device, fd, writer, clock }: Obtained,
): Promise<Result<Mounted, MountFault>> {
  const { mountpoint, onDefect } = options;
  const ending = endOfMount();
  const line = connection({ device, fd, onDefect, ended: () => void wind() });
  let greeted: (refusal: MountFault | undefined) => void = () => undefined;
  const greeting = new Promise<MountFault | undefined>((resolve) => (greeted = resolve));
  const { session, take } = newSession(
    vfs,
    { ...line, notify: (frames, done) => writer.write(frames, done) },
    {
      clock,
      onDefect,
      attrTimeoutMs: options.attrTimeoutMs ?? TIMEOUT_MS_DEFAULT,
      entryTimeoutMs: options.entryTimeoutMs ?? TIMEOUT_MS_DEFAULT,
      onGreeting: (refusal) => greeted(refusal),
    },
  );

  async function wind(): Promise<void> {
    greeted({ kind: "failed", why: "the mount went away at once" });
    session.notices.stop();
    writer.end();
    session.pending.abortAll();
    for (let waited = 0; session.pending.count > 0 && waited < UNMOUNT_GRACE_MS; waited += 10) await sleep(clock, 10);
    ending.reached();
  }

  line.start(take);
  const refusal = await greeting;
  if (refusal !== undefined) {
    line.end();
    await unmount(mountpoint, true);
    return failed({ ...refusal, why: `cannot mount at ${mountpoint}: ${refusal.why}` });
  }
  return ok({
    gone: ending.gone,
    unmount: (lazy) => endMount(mountpoint, { ...ending, cut: line.end }, { lazy, clock }),
    forgetEntry(parent, name, gone) {
      session.notices.entry(parent, name, gone);
      listingChanged(session, parent); // a name the kernel does not know says nothing of the listing it keeps
    },
    forgetListing: (folder) => listingChanged(session, folder),
    forgetNode(node, bytes) {
      if (bytes) session.handles.renewed(node);
      session.notices.node(node, bytes);
    },
    told: session.notices.told,
  });
}
