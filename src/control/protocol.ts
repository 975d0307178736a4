/** Reads calls off the wire: anything that is not exactly a call of ours becomes a fault that says what is wrong with it. */
import { z } from "zod";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CallName, Request } from "./control.ts";

const nothing = z.strictObject({});
const path = z.strictObject({ path: z.string().startsWith("/").max(65_536) });
const op = z.strictObject({ op: z.int().positive() });

const takes: { readonly [C in CallName]: z.ZodType } = {
  status: nothing,
  wait: z.strictObject({ timeoutSeconds: z.number().nonnegative().nullable() }),
  sync: nothing,
  ops: nothing,
  graph: nothing,
  retry: op,
  cancel: op,
  undo: op,
  release: nothing,
  conflicts: nothing,
  resolve: z.strictObject({ path: z.string().startsWith("/"), keep: z.enum(["mine", "theirs", "both"]) }),
  pin: path,
  unpin: path,
  free: path,
  info: path,
  check: z.strictObject({ cloud: z.boolean() }),
  rebuild: nothing,
};

/** The call on a line, or why it is none. */
export function parseRequest(line: string): Result<Request, Fault> {
  const shape = z.object({ call: z.string(), takes: z.unknown() }).safeParse(parseJson(line));
  if (!shape.success) return fault("invalid", "the call is not a JSON object with `call` and `takes`");
  const { call } = shape.data;
  if (!Object.hasOwn(takes, call))
    return fault("notSupported", `this daemon has no call "${call}"; is onedrivectl of another version?`);
  const checked = takes[call as CallName].safeParse(shape.data.takes);
  if (!checked.success) return fault("invalid", `${call}: ${z.prettifyError(checked.error).replace(/\s+/g, " ")}`);
  return ok({ call, takes: checked.data } as Request);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // not JSON is one way of not being a call: the caller says so
  }
}
