/** Where things are kept when no option says otherwise: the XDG base directories, with their specified defaults. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

const NAME = "mount.onedrive";

export interface Environment {
  readonly [name: string]: string | undefined;
}

/** Holds the config file, and a folder of tokens per account. */
export function configHome(env: Environment): string {
  return join(base(env, "XDG_CONFIG_HOME", ".config"), NAME);
}

export function stateHome(env: Environment): string {
  return join(base(env, "XDG_STATE_HOME", ".local/state"), NAME);
}

export function cacheHome(env: Environment): string {
  return join(base(env, "XDG_CACHE_HOME", ".cache"), NAME);
}

/** The folder of control sockets, when the system offers one. */
export function runtimeHome(env: Environment): string | undefined {
  const dir = env["XDG_RUNTIME_DIR"];
  return dir && isAbsolute(dir) ? join(dir, NAME) : undefined;
}

/** The specification says: a relative path in these variables is ignored. */
function base(env: Environment, name: string, otherwise: string): string {
  const dir = env[name];
  return dir && isAbsolute(dir) ? dir : join(env["HOME"] ?? homedir(), otherwise);
}
