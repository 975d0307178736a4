/** The settings of one mount, as parsed from options and config file (cli) and used by the composition root. Paths are absolute. */

export interface Config {
  readonly account: string;
  readonly mountpoint: string;
  /** `global`, `us`, `us-dod`, `china`, or the base URL of both Graph and sign-in. */
  readonly endpoint: string;
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Tokens live here. */
  readonly accountDir: string;
  /** The control socket's folder. */
  readonly runtimeDir: string;
  readonly cacheSizeBytes: number;
  readonly cacheFreeBytes: number;
  readonly pollMs: number;
  readonly writeBackMs: number;
  readonly flushTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly attrTimeoutMs: number | undefined;
  readonly entryTimeoutMs: number | undefined;
  readonly clientId: string | undefined;
  readonly host: "auto" | "fuse-native" | "kernel";
  readonly readOnly: boolean;
  readonly noExec?: boolean;
  readonly allowOther: boolean;
  readonly uid: number;
  readonly gid: number;
  /** The same, when somebody gave one. */
  readonly uidOfNew?: number;
  readonly gidOfNew?: number;
  readonly umask: number;
  /** The same, when somebody gave one. */
  readonly umaskOfNew?: number;
  /** Patterns of names that never leave this machine (see name.ts). */
  readonly localOnlyNames: readonly string[];
  /** Patterns of program names whose reads never download. */
  readonly noDownloadPrograms: readonly string[];
  readonly verbose: boolean;
}

/** Programs that look into every file by themselves: thumbnailers, indexers, virus scanners. The kernel keeps 15 letters of a name. */
export const DEFAULT_NO_DOWNLOAD_PROGRAMS: readonly string[] = [
  "tumblerd",
  "*thumbnail*",
  "*-thu",
  "*-thum*",
  "tracker-*",
  "localsearch*",
  "baloo_file*",
  "updatedb*",
  "clamscan",
  "clamd",
];
