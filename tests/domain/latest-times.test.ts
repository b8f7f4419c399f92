import fc from "fast-check";
import { expect, test } from "vitest";
import { keepLatest } from "../../shared/domain/latest-times.ts";

test("the latest times are kept, oldest first, in whatever order they come, and nothing is made where nothing changes", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(9)),
    fc.integer({ min: 1, max: 4 }),
    (times, most) => {
      let kept: readonly number[] = [];
      times.forEach((at, index) => {
        const before = kept;
        kept = keepLatest(before, at, most);
        const so = times.slice(0, index + 1).toSorted((a, b) => a - b).slice(-most);
        expect(kept).toEqual(so);
        expect(kept === before).toBe(before.length === most && at <= before[0]!);
      });
    },
  ));
});
