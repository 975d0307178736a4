/** What delta would have told of an item before its latest change; kept only while a fault needs it. */
import { deltaJson, type Json, type Pen } from "./item-json.ts";

export class Past {
  readonly #pen: Pen;
  readonly #told = new Map<string, Json[]>();

  constructor(pen: Pen) {
    this.#pen = pen;
  }

  start(): void {
    this.#pen.world.onTouch = (item) => {
      const id = item.drive.ids.itemId(item.num);
      const states = this.#told.get(id) ?? [];
      this.#told.set(id, [...states.slice(-1), deltaJson(item, this.#pen)]);
    };
  }

  stop(): void {
    this.#pen.world.onTouch = undefined;
    this.#told.clear();
  }

  /** The state before the last, if two were seen. */
  before(id: string): Json | undefined {
    const states = this.#told.get(id);
    return states?.length === 2 ? states[0] : undefined;
  }

  /** Lets the next delta round tell the truth about an item again. */
  tellAgain(id: string): void {
    const { world } = this.#pen;
    for (const drive of world.drives) {
      const item = world.byId(drive, id);
      if (item) world.note(item);
    }
  }
}
