/** What a cell of the merge matrices is, and the acts it is made of. */

/** What either side can do; paths are below the cell's own folder. A missing parent is made. */
export interface Side {
  write(path: string, text: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** A folder goes with everything in it. */
  remove(path: string): Promise<void>;
  touch(path: string, seconds: number): Promise<void>;
}

export interface Cell {
  readonly name: string;
  /** Files by path with their text; a path that ends in / is a folder. */
  readonly base: Tree;
  here(side: Side): Promise<void>;
  there(side: Side): Promise<void>;
  /** The tree on both sides afterwards. `name (conflict).ext` stands for the name of a conflict copy. */
  readonly after: Tree;
  /** Paths before and after that must be one item. */
  readonly same?: Readonly<Record<string, string>>;
  /** Needs the service's API for the other device, which an admin call cannot do. */
  readonly online?: true;
}

export type Tree = Readonly<Record<string, string>>;

export const FILE: Tree = { "f.txt": "base" };
export const FOLDER: Tree = { "d/a.txt": "base a", "d/b.txt": "base b", "x.txt": "base x" };
export const nothing = async (): Promise<void> => {};

export type Act = (side: Side) => Promise<void>;
export const both =
  (...acts: readonly Act[]): Act =>
  async (side) => {
    for (const act of acts) await act(side);
  };
export const write =
  (path: string, text: string): Act =>
  (side) =>
    side.write(path, text);
export const move =
  (from: string, to: string): Act =>
  (side) =>
    side.move(from, to);
export const remove =
  (path: string): Act =>
  (side) =>
    side.remove(path);
export const mkdir =
  (path: string): Act =>
  (side) =>
    side.mkdir(path);
export const touch =
  (path: string, seconds: number): Act =>
  (side) =>
    side.touch(path, seconds);
