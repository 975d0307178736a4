/**
 * What POSIX and Linux say about regular files and folders, as far as programs rely on it. Each case runs in a folder of its own and
 * must pass on an ordinary file system, on the vfs in-process and on a mount alike.
 */
import type { Case } from "./case.ts";
import { fileCases } from "./file-cases.ts";
import { treeCases } from "./tree-cases.ts";

export const cases: readonly Case[] = [...fileCases, ...treeCases];
