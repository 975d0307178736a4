/** One line off a socket, as both ends of the control socket read it. Nothing after the line is looked at. */
import type { Socket } from "node:net";
import { LINE_BYTES_MAX } from "./control.ts";

export interface LineWish {
  readonly maxBytes?: number;
  /** Hears of everything that comes; empty lines before the line are signs of life and no more, then. */
  heard?(): void;
}

/** The first line, or undefined when there is none of a sane length. */
export async function readLine(socket: Socket, wish: LineWish = {}): Promise<string | undefined> {
  const { maxBytes = LINE_BYTES_MAX, heard } = wish;
  const parts: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const finish = (line: string | undefined): void => {
      socket.removeListener("data", onData);
      resolve(line);
    };
    const onData = (given: Buffer): void => {
      heard?.();
      const part = heard && size === 0 ? withoutEmptyLines(given) : given;
      const end = part.indexOf(10);
      parts.push(end < 0 ? part : part.subarray(0, end));
      size += part.length;
      if (end >= 0) finish(Buffer.concat(parts).toString("utf8"));
      else if (size > maxBytes) finish(undefined);
    };
    socket.on("data", onData);
    socket.once("end", () => finish(undefined));
    socket.once("close", () => finish(undefined));
    socket.once("error", () => finish(undefined));
  });
}

function withoutEmptyLines(part: Buffer): Buffer {
  const first = part.findIndex((byte) => byte !== 10);
  return part.subarray(first < 0 ? part.length : first);
}
