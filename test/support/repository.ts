/** Where the repository is, and the built programs (BUILT_PROGRAMS names another build, so that two people can test at once). */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const programs = join(process.env["BUILT_PROGRAMS"] ?? join(repository, "dist"), "bin");
