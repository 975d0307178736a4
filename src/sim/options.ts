/** The command line of `onedrive-sim`. Unknown or malformed options give one line that says so. */
import { profiles, type ProfileName } from "./profile.ts";
import { readPopulation } from "./populate.ts";
import { defaultSettings, type SimSettings } from "./run-sim.ts";

export const usage = `Usage: onedrive-sim [--listen HOST:PORT] [--data DIR] [--profile personal|personal-old|business|sharepoint]
         [--populate DIRSxFILESxBYTES] [--latency MS] [--bandwidth BYTES/S] [--connect-proxy]
         [--discard-content] [--seed TEXT]`;

export type ReadOptions =
  { readonly ok: true; readonly settings: SimSettings } | { readonly ok: false; readonly message: string };

type Change = Partial<SimSettings> | undefined;

const takers: Readonly<Record<string, (value: string) => Change>> = {
  "--listen": readListen,
  "--data": (value) => (value === "" ? undefined : { data: value }),
  "--profile": (value) => (Object.hasOwn(profiles, value) ? { profile: value as ProfileName } : undefined),
  "--populate": (value) => ifDefined(readPopulation(value), (population) => ({ populate: population })),
  "--latency": (value) => ifDefined(readNumber(value), (latencyMs) => ({ latencyMs })),
  "--bandwidth": (value) => ifDefined(readBytes(value), (bytesPerSecond) => ({ bytesPerSecond })),
  "--seed": (value) => ({ seed: value }),
};

const flags: Readonly<Record<string, Partial<SimSettings>>> = {
  "--connect-proxy": { connectProxy: true },
  "--discard-content": { discardContent: true },
};

export function readOptions(args: readonly string[]): ReadOptions {
  let settings = defaultSettings;
  for (let at = 0; at < args.length; at++) {
    const [name, attached] = splitOnce(args[at] ?? "");
    const flag = attached === undefined ? flags[name] : undefined;
    if (flag) {
      settings = { ...settings, ...flag };
      continue;
    }
    const taker = takers[name];
    if (!taker) return { ok: false, message: `unknown option ${name}` };
    const value = attached ?? args[++at];
    const change = value === undefined ? undefined : taker(value);
    if (!change)
      return { ok: false, message: `${name} cannot be ${value === undefined ? "without a value" : `"${value}"`}` };
    settings = { ...settings, ...change };
  }
  return { ok: true, settings };
}

function splitOnce(argument: string): readonly [string, string | undefined] {
  const equals = argument.indexOf("=");
  return equals < 0 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)];
}

function readListen(value: string): Change {
  const found = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(value);
  const port = Number(found?.[3] ?? value);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
  return { host: found?.[1] ?? (found?.[2] || defaultSettings.host), port };
}

function readNumber(value: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}

function readBytes(value: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(value);
  const scale = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(found?.[2] ?? "").toUpperCase()] ?? 1;
  const bytes = Number(found?.[1]) * scale;
  return found && bytes > 0 ? bytes : undefined;
}

function ifDefined<T>(value: T | undefined, then: (value: T) => Partial<SimSettings>): Change {
  return value === undefined ? undefined : then(value);
}
