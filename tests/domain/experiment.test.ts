import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { armOf, holdout } from "../../shared/domain/experiment.ts";
import { uuidV5 } from "../../shared/flywheel/uuid.ts";

const namespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
/** Users as an identity provider makes them, and users whose ids differ by one. */
const users = {
  "random ids": (n: number) => uuidV5(namespace, String(n)),
  "ids in sequence": (n: number) => `00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`,
};
const count = 20_000;

/** How users are spread over the arms. */
function spread(
  experiment: string,
  division: Parameters<typeof armOf>[2],
  user: (n: number) => string,
) {
  const sizes: Record<string, number> = {};
  for (let n = 0; n < count; n++) {
    const arm = armOf(user(n), experiment, division);
    sizes[arm!] = (sizes[arm!] ?? 0) + 1;
  }
  return sizes;
}

/** Pearson's statistic of sizes against shares. */
function chiSquare(sizes: Record<string, number>, shares: Record<string, number>): number {
  return Object.entries(shares).reduce((sum, [arm, share]) => {
    const expected = share * count;
    return sum + ((sizes[arm] ?? 0) - expected) ** 2 / expected;
  }, 0);
}

describe.each(Object.entries(users))("with %s", (_, user) => {
  test("users are spread over the arms by their weights", () => {
    const division = { holdout: 0.1, weights: { a: 2, b: 1, c: 0 } };
    const sizes = spread("letters_to_cv", division, user);
    expect(sizes.c).toBeUndefined();
    // 99.9 % of all fair spreads over three arms are below 13.8 (χ², 2 degrees of freedom).
    expect(chiSquare(sizes, { holdout: 0.1, a: 0.6, b: 0.3 })).toBeLessThan(13.8);
  });

  test("the arm in one experiment says nothing of the arm in another", () => {
    const division = { holdout: 0.5, weights: { a: 1 } };
    const both = { hh: 0, ha: 0, ah: 0, aa: 0 };
    for (let n = 0; n < count; n++) {
      const [one, other] = ["letters_to_cv", "cv_to_letters"].map((experiment) =>
        armOf(user(n), experiment, division) === holdout ? "h" : "a"
      );
      both[`${one}${other}` as keyof typeof both]++;
    }
    // 99.9 % below 16.3 (χ², 3 degrees of freedom).
    expect(chiSquare(both, { hh: 0.25, ha: 0.25, ah: 0.25, aa: 0.25 })).toBeLessThan(16.3);
  });
});

describe("an arm", () => {
  const weights = fc.dictionary(fc.string({ minLength: 1 }), fc.nat(10), { maxKeys: 5 })
    .map((weights) => ({ ...weights }));

  test("is always the same, however the id is written", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string(), fc.double({ min: 0, max: 1, noNaN: true }), weights, (
        user,
        experiment,
        share,
        weights,
      ) => {
        const arm = armOf(user, experiment, { holdout: share, weights });
        expect(armOf(user.toUpperCase(), experiment, { holdout: share, weights })).toBe(arm);
        if (Object.values(weights).every((weight) => weight === 0)) {
          expect(arm, "nothing to compare with").toBeUndefined();
        } else if (arm !== holdout) {
          expect(weights[arm!]).toBeGreaterThan(0);
        }
      }),
    );
  });

  test("is the holdout for everybody at a share of 1, for nobody at 0, and none where nothing has a weight", () => {
    fc.assert(
      fc.property(fc.uuid(), (user) => {
        expect(armOf(user, "x", { holdout: 1, weights: { a: 1 } })).toBe(holdout);
        expect(armOf(user, "x", { holdout: 1, weights: { a: 0 } })).toBeUndefined();
        expect(armOf(user, "x", { holdout: 0, weights: { a: 1 } })).toBe("a");
      }),
    );
  });

  test("stays the holdout for whoever is in it when the holdout grows", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.uuid(), share, share, (user, one, other) => {
        const inHoldout = (share: number) =>
          armOf(user, "x", { holdout: share, weights: { a: 1, b: 1 } }) === holdout;
        if (inHoldout(Math.min(one, other))) expect(inHoldout(Math.max(one, other))).toBe(true);
      }),
    );
  });
});
