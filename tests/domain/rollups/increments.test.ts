import fc from "fast-check";
import { expect, test } from "vitest";
import { Increments } from "../../../shared/domain/rollups/increments.ts";

test("a total is exact, also where its parts add up to more than a number holds", () => {
  fc.assert(fc.property(
    fc.array(fc.oneof(fc.maxSafeInteger(), fc.constantFrom(2 ** 53 - 1, 1 - 2 ** 53, 1, 2))),
    (totals) => {
      const increments = new Increments();
      const cell = { figure: "event", day: 1 } as const;
      for (const total of totals) increments.add(cell, { count: 1, total });
      const [row] = JSON.parse(increments.toJson()) as unknown[][];
      const sum = totals.reduce((sum, total) => sum + BigInt(total), 0n);
      expect(row?.[6]).toBe(totals.length === 0 ? undefined : sum.toString());
    },
  ));
});
