/**
 * Mutants: one rule of the merge or of the engine taken away at a time, as a change of one place in the sources, and the layer of the
 * tests that must notice. Each is an error that somebody's client really has or had.
 */
export type Layer = "T1" | "T2 k=1" | "T2 k=2" | "T4";

export interface Mutant {
  readonly name: string;
  readonly layer: Layer;
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
  /** The tests of the layer that are enough; whole worlds from seeds when left out. */
  readonly tests?: readonly string[];
}

const SURVIVE = "src/merge/survive.ts";
const OPGRAPH = "src/merge/opgraph.ts";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a delete there beats an edit here",
    layer: "T2 k=1",
    file: SURVIVE,
    from: "if (here) return isDirty(draft, node) ? madeAnew(here, base) : undefined;",
    to: "if (here) return undefined;",
  },
  {
    name: "a delete here ignores an edit there",
    layer: "T2 k=1",
    file: SURVIVE,
    from: "samePlace(base, cloud) && sameBytes(base.bytes, cloud.bytes);",
    to: "samePlace(base, cloud);",
  },
  {
    name: "no conflict copy",
    layer: "T2 k=1",
    file: "src/merge/contents.ts",
    from: "  const copy = draft.input.fresh();",
    to: "  if (draft) return;\n  const copy = draft.input.fresh();",
  },
  {
    name: "the folders of survivors are not kept",
    layer: "T2 k=1",
    file: SURVIVE,
    from: "  const { star } = draft;\n  for (let at = node; at !== ROOT;) {",
    to: "  const { star } = draft;\n  for (let at = ROOT as typeof node; at !== ROOT;) {",
  },
  {
    name: "no rule for cycles made by both sides",
    layer: "T2 k=1",
    file: SURVIVE,
    from: "for (let again = true; again;) {",
    to: "for (let again = draft.dirty.length < 0; again;) {",
  },
  {
    name: "no dir edges",
    layer: "T2 k=1",
    file: OPGRAPH,
    from: 'return [{ kind: "dir", to: made }];',
    to: "return [];",
  },
  {
    name: "no name edges",
    layer: "T2 k=1",
    file: OPGRAPH,
    from: 'return leaves === undefined ? undefined : [{ kind: "name", to: leaves }];',
    to: "return leaves === undefined ? undefined : [];",
  },
  {
    name: "no sub edges",
    layer: "T2 k=1",
    file: OPGRAPH,
    from: 'return move === undefined ? [] : [{ kind: "sub", to: move }];',
    to: "return move === undefined ? [] : [];",
  },
  {
    // Deletes are walked last of all, so this shows only where a slot is freed by a delete that something must leave first: three acts.
    name: "no empty edges",
    layer: "T1",
    file: OPGRAPH,
    from: 'edges[edge]?.push({ kind: "empty", to: index });',
    to: "void edge;",
  },
  {
    name: "no parking",
    layer: "T2 k=1",
    file: "src/merge/plan.ts",
    from: "    park(walked.cycle, sorting);",
    to: '    throw new Error("a cycle");',
  },
  {
    name: "equal files are not bound",
    layer: "T2 k=1",
    file: "src/merge/slots.ts",
    from: 'return pair.stays.kind === "folder" || sameBytes(pair.stays.bytes, pair.goes.bytes);',
    to: 'return pair.stays.kind === "folder";',
  },
  {
    name: "equal folders are not merged",
    layer: "T2 k=1",
    file: "src/merge/slots.ts",
    from: 'return pair.stays.kind === "folder" || sameBytes(pair.stays.bytes, pair.goes.bytes);',
    to: 'return pair.stays.kind !== "folder" && sameBytes(pair.stays.bytes, pair.goes.bytes);',
  },
  {
    name: "names compared exactly",
    layer: "T2 k=1",
    file: "src/model/name.ts",
    from: "export function fold(name: string): Folded {",
    to: "export function fold(name: string): Folded {\n  if (name) return name as Folded;",
  },
  {
    name: "sub edges end at folders the script makes",
    layer: "T2 k=2",
    file: OPGRAPH,
    from: 'const above = made && "parent" in made ? made.parent : start.get(at)?.parent;',
    to: "const above = made ? undefined : start.get(at)?.parent;",
  },
  {
    name: "a parking name counts as a name",
    layer: "T2 k=2",
    file: "src/merge/tree-view.ts",
    from: "return real === undefined || parkedOriginal(state.name) === undefined ? state : { ...state, name: real };",
    to: "return real === undefined || parkedOriginal(state.name) === undefined ? state : { ...state };",
  },
  {
    name: "no If-Match",
    layer: "T4",
    file: "src/flusher/run-step.ts",
    from: "  let answer = await send(pushing, begun, signal);",
    to: "  let answer = await send(pushing, { ...begun, request: unconditional(begun.request) }, signal);",
  },
  {
    name: "a folder is deleted by its eTag",
    layer: "T4",
    file: "src/flusher/remove-folder.ts",
    from: "  const known = knownBelow(pushing, begun.step.node);",
    to: [
      '  const gone = await pushing.calls({ call: "remove", id, seen: top.value.eTag });',
      '  if (gone.ok || gone.fault.kind === "notFound") return acknowledged(pushing, begun);',
      "  const known = knownBelow(pushing, begun.step.node);",
    ].join("\n"),
    tests: ["test/engine/refusals.test.ts"],
  },
  {
    name: "a folder is deleted by its cTag without a look inside",
    layer: "T4",
    file: "src/flusher/remove-folder.ts",
    from: "  if (changes.value.length > 0) return merge(pushing, changes.value, signal);\n  if (top",
    to: "  if (top",
    tests: ["test/engine/refusals.test.ts"],
  },
  {
    name: "a folder is deleted although it is wanted again",
    layer: "T4",
    file: "src/flusher/remove-folder.ts",
    from: "  if (isWanted(pushing, begun.step.node, known)) return OVERTAKEN;\n",
    to: "",
    tests: ["test/engine/refusals.test.ts"],
  },
  {
    name: "no create intent",
    layer: "T4",
    file: "src/flusher/begin.ts",
    from: '  if (step.action === "createFile" && request.action === "createFile") {',
    to: '  if (step.action === "createFile" && request.action === "createFile" && step.needs.length < 0) {',
    tests: ["test/engine/lost-answers.test.ts", "test/engine/crash.test.ts"],
  },
  {
    name: "no park records",
    layer: "T4",
    file: "src/flusher/begin.ts",
    from: '  if (step.action === "move" && step.park) {',
    to: '  if (step.action === "move" && step.park && step.needs.length < 0) {',
    tests: ["test/engine/crash.test.ts", "test/engine/push.test.ts"],
  },
  {
    name: "no look at the versions after a write without its condition",
    layer: "T4",
    file: "src/flusher/version-audit.ts",
    from: "of between(versions.value, audit.newest)",
    to: "of between(versions.value, audit.newest).slice(0, 0)",
    tests: ["test/engine/refusals.test.ts"],
  },
  {
    name: "the newest version is not noted before a write without its condition",
    layer: "T4",
    file: "src/flusher/run-step.ts",
    from: 'if (request.action !== "writeContent") return true;',
    to: "if (request) return true;",
    tests: ["test/engine/refusals.test.ts"],
  },
];
