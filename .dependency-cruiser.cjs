/**
 * Who may import whom (the walls of ARCHITECTURE.md). `walls` is the table: a folder of src and what it may import. A file may also
 * import its own folder. Technology files are private to their folder; each npm package has one door.
 */
const walls = {
  base: [],
  model: ["base"],
  op: ["base", "model"],
  merge: ["base", "model", "op"],
  store: ["base", "model", "op"],
  oplog: ["base", "model", "op", "store"],
  http: ["base", "model"],
  drive: ["base", "model", "http"],
  content: ["base", "model", "store", "drive"],
  vfs: ["base", "model", "op", "store", "oplog", "content"],
  apply: ["base", "model", "op", "merge", "store", "oplog", "content"],
  flusher: ["base", "model", "op", "merge", "store", "oplog", "content", "drive", "apply"],
  puller: ["base", "model", "op", "merge", "store", "oplog", "content", "drive", "apply"],
  recover: ["base", "model", "op", "store", "oplog", "content", "drive", "apply"],
  signin: ["base", "model", "http"],
  host: ["base", "model", "vfs"],
  control: ["base", "model"],
  cli: ["base", "model", "control", "signin"],
  sim: ["base"],
};

/** The one file that may import a package. */
const doors = {
  "p-limit": "^src/base/limit\\.ts$",
  debug: "^src/base/log\\.ts$",
  lmdb: "^src/store/lmdb-",
  undici: "^src/http/",
  "@microsoft/microsoft-graph-client": "^src/drive/",
  "@azure/msal-node": "^src/signin/",
  "fs-xattr": "^src/content/",
  "fuse-native": "^src/host/",
};

const foundation = "^src/(model|op|merge)/";
const technology = "^src/[a-z]+/(lmdb|msgraph|disk|fuse|undici|memory)-";

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    ...Object.entries(walls).map(([folder, allowed]) => ({
      name: `wall-${folder}`,
      severity: "error",
      from: { path: `^src/${folder}/` },
      to: { path: "^src/", pathNot: `^src/(${[folder, ...allowed].join("|")})/` },
    })),
    {
      name: "pure-foundation",
      comment: "model, op and merge use no node module and no package",
      severity: "error",
      from: { path: foundation },
      to: { dependencyTypes: ["core", "npm", "npm-dev"] },
    },
    {
      name: "pure-foundation-uses-pure-base",
      severity: "error",
      from: { path: foundation },
      to: { path: "^src/base/(clock|limit|log|loop|lock|scope)\\.ts$" },
    },
    ...Object.entries(doors).map(([name, door]) => ({
      name: `door-${name.replace(/\W/g, "-")}`,
      severity: "error",
      from: { path: "^src/", pathNot: door },
      to: { path: `^node_modules/${name}/` },
    })),
    {
      name: "technology-is-private",
      comment: "outside its folder only the composition root knows how a contract is kept",
      severity: "error",
      from: { path: "^src/([a-z]+)/", pathNot: "^src/(bin|sim|daemon)/" },
      to: { path: technology, pathNot: "^src/$1/" },
    },
    { name: "nobody-imports-sim", severity: "error", from: { path: "^src/", pathNot: "^src/(sim/|bin/onedrive-sim)" }, to: { path: "^src/sim/" } },
    { name: "bin-is-thin", severity: "error", from: { path: "^src/bin/" }, to: { path: "^src/", pathNot: "^src/(cli|daemon|sim|base|bin)" } },
    { name: "not-to-dev", severity: "error", from: { path: "^src/" }, to: { dependencyTypes: ["npm-dev"] } },
    { name: "not-unresolvable", severity: "error", from: { path: "^src/" }, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default", "types"] },
  },
};
