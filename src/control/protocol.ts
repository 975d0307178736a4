/** Reads calls off the wire: anything that is not exactly a call of ours becomes a fault that says what is wrong with it. */
import { objectOf, parseJson } from "../base/json.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CallName, Request } from "./control.ts";

const PATH_CHARACTERS_MAX = 65_536;

/** What a value must be, in words, when it is not that. */
type Shape = { readonly [field: string]: readonly [wanted: string, fits: (value: unknown) => boolean] };

const path = { path: ["an absolute path", isPath] } satisfies Shape;
const op = {
  op: ["the number of an operation", (value) => Number.isSafeInteger(value) && (value as number) > 0],
} satisfies Shape;

const takes: { readonly [C in CallName]: Shape } = {
  status: {},
  wait: { timeoutSeconds: ["a number of seconds or null", isTimeout] },
  sync: {},
  ops: {},
  graph: {},
  retry: op,
  cancel: op,
  undo: op,
  undoHeld: {},
  release: {},
  conflicts: {},
  downloads: { below: ["an absolute path", isPath] },
  resolve: { ...path, keep: ["mine, theirs or both", (value) => ["mine", "theirs", "both"].includes(value as string)] },
  pin: path,
  unpin: path,
  free: path,
  info: path,
  check: { cloud: ["true or false", (value) => typeof value === "boolean"] },
  rebuild: {},
};

/** The call on a line, or why it is none. */
export function parseRequest(line: string): Result<Request, Fault> {
  const request = objectOf(parseJson(line));
  const call = request?.["call"];
  if (!request || typeof call !== "string")
    return fault("invalid", "the call is not a JSON object with `call` and `takes`");
  if (!Object.hasOwn(takes, call))
    return fault("notSupported", `this daemon has no call "${call}"; is onedrivectl of another version?`);
  const wrong = misfit(takes[call as CallName], request["takes"]);
  if (wrong !== undefined) return fault("invalid", `${call}: ${wrong}`);
  return ok({ call, takes: request["takes"] } as Request);
}

function misfit(shape: Shape, given: unknown): string | undefined {
  const values = objectOf(given);
  if (!values) return "`takes` is not an object";
  for (const [field, [wanted, fits]] of Object.entries(shape))
    if (!fits(values[field])) return `\`${field}\` is not ${wanted}`;
  const unknown = Object.keys(values).find((field) => !Object.hasOwn(shape, field));
  return unknown === undefined ? undefined : `it takes no \`${unknown}\``;
}

function isPath(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("/") && value.length <= PATH_CHARACTERS_MAX;
}

function isTimeout(value: unknown): boolean {
  return value === null || (typeof value === "number" && Number.isFinite(value) && value >= 0);
}
