/** Everything a route may need, in one place; made by sim.ts. */
import type { ContentReader } from "./content.ts";
import type { Faults } from "./faults.ts";
import type { Signer } from "./links.ts";
import type { MonitorBook } from "./monitors.ts";
import type { Later } from "./later.ts";
import type { Grant, Tokens } from "./tokens.ts";
import type { UploadBook } from "./upload-sessions.ts";
import type { World } from "./world.ts";
import type { SignIn } from "./sign-in.ts";
import type { Head } from "./exchange.ts";
import type { Links } from "./links.ts";
import type { Actor } from "./item.ts";
import type { Pen } from "./item-json.ts";

export interface Service {
  readonly world: World;
  readonly reader: ContentReader;
  readonly signer: Signer;
  readonly tokens: Tokens;
  readonly signIn: SignIn;
  readonly uploads: UploadBook;
  readonly monitors: MonitorBook;
  readonly faults: Faults;
  readonly later: Later;
}

/** One request, read so far. */
export interface Call {
  readonly service: Service;
  readonly head: Head;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly links: Links;
  readonly pen: Pen;
}

/** A call that carried a good token. */
export interface SignedCall extends Call {
  readonly grant: Grant;
  readonly by: Actor;
}
