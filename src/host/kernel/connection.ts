/**
 * The conversation over one /dev/fuse: takes requests when the event loop says that some wait, several in one turn but for a bounded time
 * (native/fuse-device.c), so that nothing else starves; sends answers in the same turn they are made; ends once, when the kernel has no
 * mount any more (ENODEV) or we let go of the descriptor. Letting go aborts the mount: everybody who still waits for it gets an error.
 *
 * Who is not answered waits for ever and cannot be killed. So an answer that the kernel refuses, for another reason than that its caller is
 * gone (ENOENT), is a defect, and its caller gets a plain EIO; and so is an end of the requests that has another reason than the mount's.
 *
 * A request is read into a `Room`. A call that keeps the memory (a large write) gets the room, and the next request another one.
 */
import { constants } from "node:os";
import { REQUEST_ROOMS_KEPT, REQUESTS_PER_TURN, WRITE_BYTES_MAX } from "../../model/limits.ts";
import { room, type Room } from "./frame.ts";
import type { FuseDevice } from "./fuse-device.ts";
import type { Send } from "./outbox.ts";
import { OUT_HEADER_BYTES } from "./wire.ts";

const { EAGAIN, ECONNABORTED, EIO, ENODEV, ENOENT } = constants.errno;
/** The largest request is a write; this is what comes before its bytes, rounded up. */
const ROOM_BYTES = WRITE_BYTES_MAX + 4096;

export interface Connection {
  readonly send: Send;
  /** Begins to listen. */
  start(take: (room: Room, length: number) => void): void;
  keepRoom(): Room;
  giveBack(room: Room): void;
  /** Lets go of the descriptor. */
  end(): void;
}

export interface ConnectionOptions {
  readonly device: FuseDevice;
  readonly fd: number;
  ended(): void;
  onDefect(error: unknown): void;
}

export function connection({ device, fd, ended, onDefect }: ConnectionOptions): Connection {
  const spare: Room[] = [];
  let current = room(ROOM_BYTES);
  let watch: object | undefined;
  let open = true;

  function end(): void {
    if (!open) return;
    open = false;
    if (watch) device.unwatch(watch);
    device.close(fd);
    ended();
  }

  function turn(take: (room: Room, length: number) => void): void {
    for (let taken = 0; taken < REQUESTS_PER_TURN && open; taken++) {
      const length = device.read(fd, current.bytes);
      if (length === -EAGAIN) return;
      if (length < 0) {
        if (length !== -ENODEV && length !== -ECONNABORTED)
          onDefect(new Error(`requests cannot be read from the kernel any more (${length})`));
        return end();
      }
      take(current, length);
    }
  }

  /** The kernel may have ended the call with EIO by itself; then it does not know this answer. */
  function refused(result: number, head: Uint8Array): void {
    const plain = new Uint32Array([OUT_HEADER_BYTES, -EIO, 0, 0]);
    const bytes = new Uint8Array(plain.buffer);
    bytes.set(head.subarray(8, OUT_HEADER_BYTES), 8);
    try {
      onDefect(new Error(`the kernel did not take an answer (${result})`));
    } finally {
      device.write(fd, bytes, OUT_HEADER_BYTES, undefined);
    }
  }

  return {
    send(head, length, payload) {
      if (!open) return false;
      const result = device.write(fd, head, length, payload);
      if (result === 0) return true;
      if (result !== -ENOENT) refused(result, head);
      return false;
    },
    start(take) {
      const started = device.watch(fd, () => turn(take));
      if (typeof started === "number") throw new Error(`the FUSE device cannot be watched (${started})`);
      watch = started;
    },
    keepRoom() {
      const kept = current;
      current = spare.pop() ?? room(ROOM_BYTES);
      return kept;
    },
    giveBack(given) {
      if (spare.length < REQUEST_ROOMS_KEPT) spare.push(given);
    },
    end,
  };
}
