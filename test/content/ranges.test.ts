/** Ranges against a plain list of booleans. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ranges, without } from "../../src/content/ranges.ts";

const SIZE = 40;
const span = fc.tuple(fc.nat(SIZE), fc.nat(SIZE)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

function gapsOf(bits: readonly boolean[], from: number, to: number): (readonly [number, number])[] {
  const gaps: [number, number][] = [];
  for (let i = from; i < to; i++) {
    if (bits[i]) continue;
    if (gaps.at(-1)?.[1] === i) gaps.at(-1)![1] = i + 1;
    else gaps.push([i, i + 1]);
  }
  return gaps;
}

test("ranges say what a list of booleans says", () => {
  fc.assert(
    fc.property(fc.array(span, { maxLength: 20 }), span, (added, [from, to]) => {
      const bits = Array.from({ length: SIZE + 1 }, () => false);
      const ranges = new Ranges();
      for (const [start, end] of added) {
        const before = bits.filter(Boolean).length;
        bits.fill(true, start, end);
        assert.equal(ranges.add(start, end), bits.filter(Boolean).length - before);
      }
      assert.equal(ranges.total, bits.filter(Boolean).length);
      assert.equal(ranges.end, bits.lastIndexOf(true) + 1);
      assert.deepEqual(ranges.missing(from, to), gapsOf(bits, from, to));
      assert.equal(ranges.covers(from, to), gapsOf(bits, from, to).length === 0);
      const copy = new Ranges(ranges.toArray());
      assert.equal(copy.total, ranges.total);
      assert.deepEqual(copy.missing(0, SIZE), ranges.missing(0, SIZE));
      assert.deepEqual(without([from, to], added), gapsOf(bits, from, to));
    }),
  );
});

test("a list that is no set of ranges is refused", () => {
  assert.throws(() => new Ranges([1]), { name: "Defect" });
  assert.throws(() => new Ranges([3, 2]), { name: "Defect" });
  assert.throws(() => new Ranges([0, 2, 2, 4]), { name: "Defect" });
});
