/**
 * Things a real drive may hold that no client can put there: a notebook, a file the scanner refused, a link to another
 * person's folder, and names no client could have chosen.
 */
import { textField } from "./ask.ts";
import { emptyContent } from "./content.ts";
import type { Json } from "./item-json.ts";
import type { Actor, Item } from "./item.ts";
import { createFolder, occupant } from "./mutate.ts";
import { badRequest, nameTaken, notFound } from "./refusal.ts";
import type { World } from "./world.ts";

/** {kind: package|malware|remote-folder|remote-file|raw-file|raw-folder, parent?: path, name, text?}; gives the new item's id. */
export function addOddity(world: World, body: Json, by: Actor): string {
  const kind = textField(body, "kind");
  const name = textField(body, "name");
  if (name === undefined) throw badRequest("invalidRequest", "name is missing.");
  const parent = folderAt(world, textField(body, "parent") ?? "");
  if (occupant({ parent, name })) throw nameTaken();
  const add = makers[kind ?? ""];
  if (!add) throw badRequest("invalidRequest", `kind must be one of ${Object.keys(makers).join(", ")}.`);
  const item = add({ world, parent, name, by, text: textField(body, "text") ?? "" });
  world.note(item);
  return item.drive.ids.itemId(item.num);
}

interface Making {
  readonly world: World;
  readonly parent: Item;
  readonly name: string;
  readonly by: Actor;
  readonly text: string;
}

const makers: Readonly<Record<string, (making: Making) => Item>> = {
  package: ({ world, parent, name, by }) =>
    withExtra(world.add(parent, name, { content: null, by }), { package: "oneNote" }),
  malware: (making) => withExtra(rawFile(making), { malware: true }),
  "raw-file": rawFile,
  "raw-folder": ({ world, parent, name, by }) => world.add(parent, name, { content: null, by }),
  "remote-folder": (making) =>
    remote(
      making,
      (world, top, by) => createFolder(world, { parent: top, name: making.name }, { conflict: "rename", by }).item,
    ),
  "remote-file": (making) =>
    remote(making, (_world, top) => rawFile({ ...making, parent: top, name: `${making.name} ${top.children!.size}` })),
};

function rawFile({ world, parent, name, by, text }: Making): Item {
  return world.add(parent, name, { content: text === "" ? emptyContent : world.blobs.store(Buffer.from(text)), by });
}

/** The thing itself on the other person's drive, and a pointer to it on this one. */
function remote({ world, parent, name, by }: Making, make: (world: World, top: Item, by: Actor) => Item): Item {
  const other = world.drives[1]!;
  const target = make(world, other.root, by);
  world.note(target);
  const pointer = world.add(parent, name, { content: null, by });
  return withExtra(pointer, { remote: { driveId: other.ids.driveId, id: other.ids.itemId(target.num) } });
}

function withExtra(item: Item, extra: NonNullable<Item["extra"]>): Item {
  item.extra = { ...item.extra, ...extra };
  return item;
}

function folderAt(world: World, path: string): Item {
  let item: Item | undefined = world.main.root;
  for (const name of path.split("/").filter(Boolean)) item = item && occupant({ parent: item, name });
  if (!item?.children) throw notFound();
  return item;
}
