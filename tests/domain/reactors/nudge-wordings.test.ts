import { describe, expect, test } from "vitest";
import { journeySteps } from "../../../shared/domain/journey-steps.ts";
import { nudgeTypes } from "../../../shared/domain/nudge-types.ts";
import { wordings } from "../../../shared/domain/reactors/nudge-wordings.ts";

describe("every wording", () => {
  const all = nudgeTypes.flatMap((type) =>
    Object.entries(wordings[type]).flatMap(([variant, words]) =>
      [undefined, "Data Scientist"].flatMap((métier) =>
        [undefined, ...journeySteps].map((step) => ({ type, variant, ...words({ métier, step }) }))
      )
    )
  );

  test("is short, whole and set as French is", () => {
    for (const { title, message, cta_label } of all) {
      expect(title.length).toBeLessThanOrEqual(60);
      expect(message.length).toBeLessThanOrEqual(300);
      expect(cta_label.length).toBeLessThanOrEqual(30);
      for (const text of [title, message, cta_label]) {
        expect(text).not.toMatch(/undefined|null|\s{2}|"|^\s|\s$/);
        // A space before the marks that have one in French, none before the others.
        expect(text).not.toMatch(/\S[!?:;»]|\s[.,]/);
      }
      expect(message).toMatch(/^\p{Lu}.*[.?]$/u);
    }
  });

  test("is one of at least two, none of which is called like the holdout", () => {
    for (const type of nudgeTypes) {
      const variants = Object.keys(wordings[type]);
      expect(variants.length).toBeGreaterThanOrEqual(2);
      expect(variants).not.toContain("holdout");
    }
  });
});
