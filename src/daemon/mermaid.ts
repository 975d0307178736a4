/** The opgraph of what is to be sent, as a Mermaid flowchart: an arrow leads from a step to the one that needs it. */
import type { Script } from "../merge/merge.ts";
import type { ItemKey } from "../model/ids.ts";

export function mermaid(script: Script, nameOf: (node: ItemKey) => string): string {
  const lines = script.steps.flatMap((step, index) => [
    `  s${index}["${quoted(`${step.action} ${nameOf(step.node)}`)}"]`,
    ...step.needs.map((need) => `  s${need} --> s${index}`),
  ]);
  return ["flowchart TD", ...lines].join("\n");
}

const quoted = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
