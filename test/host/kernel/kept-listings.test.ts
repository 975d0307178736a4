/**
 * What the kernel keeps of listings, against a model of its side (fs/fuse/readdir.c): programs that open, read, start anew and close a
 * folder in any interleaving, threads of the kernel that take an answer late, changes here and elsewhere, notices that arrive late.
 * A program that opened the folder after a change never reads what was before it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keptListings, type Pass } from "../../../src/host/kernel/kept-listings.ts";
import { itemKey } from "../../../src/model/ids.ts";

const FOLDER = itemKey(7);
const ENTRIES = 3;

interface Program {
  readonly pass: Pass | undefined;
  /** Entries of the folder as it was before this change are not to be read. */
  notBefore: number;
  place: number;
  /** An answer that the kernel has not looked at: the state of the folder it tells, or its end. */
  answer: number | "end" | undefined;
  ended: boolean;
}

/** The folder's state is the number of changes elsewhere so far; every entry tells which state it is of. */
class Model {
  readonly listings = keptListings();
  readonly programs: Program[] = [];
  readonly kept = { whole: false, pages: [] as number[], place: 0, lost: false, changesHere: 0 };
  state = 0;
  changesHere = 0;
  requests = 0;
  wanted = false;
  writing = false;

  open(): Program {
    const untold = this.wanted || this.writing;
    const pass = untold ? undefined : this.listings.open(FOLDER);
    const program: Program = { pass, notBefore: this.state, place: 0, answer: undefined, ended: false };
    this.programs.push(program);
    return program;
  }

  read(program: Program): void {
    if (program.answer !== undefined || program.ended) return;
    const { kept } = this;
    if (program.pass && kept.whole && program.place === 0 && kept.changesHere !== this.changesHere) this.reset();
    if (program.pass && kept.whole && program.place < kept.place && kept.lost) this.reset();
    if (program.pass && kept.whole) return this.readKept(program);
    if (program.pass && program.place === 0 && kept.place === 0) kept.changesHere = this.changesHere;
    this.requests++;
    if (program.pass) this.listings.asked(program.pass, program.place);
    program.answer = program.place === ENTRIES ? "end" : this.state;
    if (program.answer === "end" && program.pass && this.listings.ended(program.pass)) this.wanted = true;
  }

  readKept(program: Program): void {
    if (program.place >= this.kept.place) program.ended = true;
    else this.show(program, this.kept.pages[program.place]!);
  }

  /** The kernel's thread looks at the answer. */
  take(program: Program): void {
    const { kept } = this;
    const { answer, place, pass } = program;
    program.answer = undefined;
    const fits = pass && !kept.whole && kept.place === place;
    if (answer === "end") {
      program.ended = true;
      if (pass && kept.place === place) kept.whole = true;
    } else if (answer !== undefined) {
      this.show(program, answer);
      if (!fits || (kept.lost && place > 0)) return;
      kept.lost = false;
      kept.pages.push(answer);
      kept.place++;
    }
  }

  show(program: Program, state: number): void {
    assert.ok(state >= program.notBefore, `an entry of state ${state}, opened at ${program.notBefore}`);
    program.place++;
  }

  rewind(program: Program): void {
    if (program.answer !== undefined) return;
    Object.assign(program, { place: 0, ended: false, notBefore: 0 });
  }

  close(program: Program): void {
    if (program.answer !== undefined) return;
    this.programs.splice(this.programs.indexOf(program), 1);
    if (program.pass) this.listings.closed(program.pass);
  }

  changeElsewhere(): void {
    this.state++;
    if (this.listings.changed(FOLDER)) this.wanted = true;
  }

  /** The kernel knows of it by itself: it makes its listing anew for who begins. */
  changeHere(): void {
    this.changesHere++;
  }

  send(patient: boolean): void {
    if (!this.wanted || this.writing || (patient && this.listings.half(FOLDER))) return;
    this.wanted = false;
    this.writing = true;
  }

  arrive(): void {
    if (!this.writing) return;
    if (this.kept.place > 0) {
      this.kept.lost = true;
      this.kept.pages = [];
    }
    this.writing = false;
    if (!this.wanted) this.listings.dropped(FOLDER);
  }

  reset(): void {
    Object.assign(this.kept, { whole: false, pages: [], place: 0, lost: false });
  }

  list(): void {
    const program = this.open();
    while (!program.ended) {
      this.read(program);
      this.take(program);
    }
    this.close(program);
    this.settle();
  }

  settle(): void {
    while (this.wanted || this.writing) {
      this.send(false);
      this.arrive();
    }
  }
}

type Step = (model: Model, which: Program | undefined) => void;

const on =
  (act: (model: Model, program: Program) => void): Step =>
  (model, which) =>
    which && act(model, which);
const steps: Record<string, Step> = {
  open: (model) => void (model.programs.length < 4 && model.open()),
  read: on((model, program) => model.read(program)),
  take: on((model, program) => model.take(program)),
  readOn: on((model, program) => {
    model.read(program);
    model.take(program);
  }),
  close: on((model, program) => model.close(program)),
  rewind: on((model, program) => model.rewind(program)),
  changeElsewhere: (model) => model.changeElsewhere(),
  changeHere: (model) => model.changeHere(),
  send: (model) => model.send(true),
  sendLate: (model) => model.send(false),
  arrive: (model) => model.arrive(),
};
const names = ["open", "read", "take", ...Array<string>(4).fill("readOn"), ...Object.keys(steps).slice(4)];
const history = fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(3)), { maxLength: 60, size: "max" });

test("kernel listings: who opened the folder after a change never reads an older listing, whatever interleaves", () => {
  fc.assert(
    fc.property(history, (all) => {
      const model = new Model();
      for (const [name, which] of all) steps[name]!(model, model.programs[which % model.programs.length]);
    }),
    { numRuns: 2000 },
  );
});

/** Not of programs that list one folder at once, or anew from its start, while changes arrive: they may leave the kernel nothing it keeps. */
test("kernel listings: one program after another, leaving half way or not, and a listing is kept when it is quiet", () => {
  const alone = fc.array(
    fc.constantFrom("open", "readOn", "readOn", "readOn", "close", "changeElsewhere", "send", "arrive"),
    {
      maxLength: 60,
      size: "max",
    },
  );
  fc.assert(
    fc.property(alone, (all) => {
      const model = new Model();
      for (const name of all) {
        if (name !== "open") steps[name]!(model, model.programs[0]);
        else if (model.programs.length === 0) steps["readOn"]!(model, model.open());
      }
      for (const program of model.programs.slice()) model.close(program);
      model.settle();
      for (let i = 0; i < 3; i++) model.list();
      const before = model.requests;
      model.list();
      assert.equal(model.requests, before, "the fourth listing costs nothing");
      model.listings.forget(FOLDER);
      assert.equal(model.listings.count, 0);
    }),
    { numRuns: 2000 },
  );
});

test("kernel listings: what somebody began before the pages were dropped is not kept", () => {
  const listings = keptListings();
  const [first, second] = [listings.open(FOLDER)!, listings.open(FOLDER)!];
  listings.asked(first, 0);
  assert.equal(listings.changed(FOLDER), false, "nobody was told the end: there is nothing to drop");
  assert.equal(listings.half(FOLDER), true);
  assert.equal(listings.ended(first), true);
  listings.asked(second, 0);
  assert.equal(listings.changed(FOLDER), true);
  listings.dropped(FOLDER);
  assert.equal(listings.open(FOLDER), undefined, "who opens it now reads past what is kept");
  assert.equal(listings.ended(second), true);
  listings.dropped(FOLDER);
  assert.notEqual(listings.open(FOLDER), undefined);
});
