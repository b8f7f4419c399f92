import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { day, hour, minute } from "../../../shared/domain/duration.ts";
import { journeySteps } from "../../../shared/domain/journey-steps.ts";
import { nudges } from "../../../shared/domain/reactors/nudges.ts";
import { effectId } from "../../../shared/flywheel/effect-id.ts";
import { Story, typesOf } from "../../support/story.ts";

const heldOut = { nudges: { holdout: 1 } };

/** A user with a nudge from Letters to CV. */
function nudged(settings?: unknown) {
  const story = settings === undefined ? new Story() : new Story({ settings });
  const [nudge] = story.happens("letter.generated", "letters", { correlation_id: "visit-7" });
  return { story, nudge: nudge! };
}

describe("a nudge that the user has not seen", () => {
  test("is not cancelled by what was long ago and is told of only now", () => {
    const { story } = nudged();
    story.happens("cv.uploaded", "cv", { timestamp: story.now - 31 * day });
    expect(story.outcomes).toEqual([]);
    story.happens("cv.uploaded", "cv", { timestamp: story.now - 29 * day });
    expect(story.outcomes).toEqual(["cancelled letters_to_cv"]);
  });

  test("is not cancelled by what came before the moment that it is about", () => {
    const low = new Story();
    for (const mood_score of [1, 1]) {
      low.happens("mood.logged", "rise", { payload: { mood_score } });
    }
    expect(typesOf(low.nudges)).toContain("wellbeing_support");
    low.happens("meditation.completed", "rise", { timestamp: low.now - 2 * day });
    expect(low.outcomes).toEqual([]);
    low.happens("meditation.completed", "rise");
    expect(low.outcomes).toContain("cancelled wellbeing_support");

    const stalled = new Story();
    const begun = stalled.now;
    stalled.happens("exploration_commencée", "aube");
    expect(typesOf(stalled.passes(4 * day))).toEqual(["journey_stalled"]);
    stalled.happens("valeurs_explorées", "aube", { timestamp: begun + minute });
    expect(stalled.outcomes).toEqual([]);
    stalled.happens("compétences_révélées", "aube");
    expect(stalled.outcomes).toEqual(["cancelled journey_stalled"]);
  });

  test("is not cancelled by what came before the choice that it is about", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    expect(typesOf(story.nudges)).toContain("aube_to_cv");
    story.happens("cv.uploaded", "cv", { timestamp: story.now - day });
    expect(story.outcomes).toEqual([]);
    story.happens("cv.generated", "cv");
    expect(story.outcomes).toContain("cancelled aube_to_cv");
  });

  test("is cancelled by what was told together with what it is about", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    story.happens("cv.uploaded", "cv");
    expect(story.outcomes).toContain("cancelled aube_to_cv");
    story.passes(3 * day);
    const before = story.nudges.length;
    story.happens("valeurs_explorées", "aube");
    expect(typesOf(story.nudges.slice(before))).not.toContain("aube_to_cv");
  });

  test("is taken back where another job is chosen, and one for that job comes", () => {
    const story = new Story();
    const choose = (métier: string) =>
      story.happens("métier_choisi", "aube", { payload: { métier } });
    choose("Coach");
    story.does("shown", story.nudge("aube_to_cv"));
    expect(choose("coach"), "the same").toEqual([]);
    expect(story.outcomes).toEqual([]);
    const [letter, ...others] = choose("Boulanger");
    expect(letter).toMatchObject({
      nudge_type: "aube_to_letters",
      message: expect.stringContaining("Boulanger"),
    });
    expect(others, "one of this type was seen today").toEqual([]);
    expect(story.outcomes).toEqual(["cancelled aube_to_letters"]);
    expect(story.appended).toMatchObject([{
      event_type: "nudge.cancelled",
      payload: { reason: "its job was given up" },
    }]);
    story.passes(day);
    const [cv] = story.happens("page.vue", "aube");
    expect(cv).toMatchObject({
      nudge_type: "aube_to_cv",
      message: expect.stringContaining("Boulanger"),
    });
    story.passes(hour);
    story.happens("letter.generated", "letters");
    expect(story.nudge("letters_to_cv"), "three were sent that were not taken back")
      .toBeUndefined();
  });

  test("is taken back where the user explores anew", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    story.happens("letter.generated", "letters");
    story.passes(hour);
    const before = story.outcomes.length;
    story.happens("exploration_commencée", "aube");
    expect(story.outcomes.slice(before)).toEqual(["cancelled aube_to_cv"]);
    expect(story.nudge("letters_to_cv"), "which is about no job").toBeDefined();
    story.happens("cv.uploaded", "cv");
    expect(story.outcomes).not.toContain("converted aube_to_cv");
  });

  test("is cancelled by what it would have led to, and the event tells why", () => {
    const { story, nudge } = nudged();
    story.happens("cv.uploaded", "cv");
    expect(story.outcomes).toEqual(["cancelled letters_to_cv"]);
    expect(story.appended).toMatchObject([{
      event_type: "nudge.cancelled",
      app_source: "flywheel",
      payload: {
        nudge_id: nudge.nudge_id,
        nudge_type: "letters_to_cv",
        target_app: "cv",
        variant: nudge.variant,
        reason: "cv.uploaded came first",
      },
      correlation_id: "visit-7",
      caused_by: expect.stringMatching(/^[0-9a-f-]{36}$/),
    }]);
  });

  test("expires after seven days", () => {
    const { story, nudge } = nudged();
    expect(nudge.expires_at).toBe(story.now + 7 * day);
    story.passes(7 * day - 1);
    expect(story.outcomes).toEqual([]);
    story.passes(1);
    expect(story.outcomes).toEqual(["expired letters_to_cv"]);
    expect(story.appended[0]).toMatchObject({
      event_type: "nudge.expired",
      payload: { reason: "not seen" },
      correlation_id: "visit-7",
    });
  });

  test("is not made a second time", () => {
    const { story } = nudged();
    story.passes(2 * day);
    expect(typesOf(story.happens("letter.generated", "letters"))).toEqual(["letters_to_rise"]);
  });
});

describe("a nudge that the user has seen", () => {
  test("and not followed expires, and is not cancelled by what it would have led to", () => {
    const { story, nudge } = nudged();
    story.does("shown", nudge);
    story.happens("cv.uploaded", "cv");
    expect(story.outcomes).toEqual([]);
    story.passes(7 * day);
    expect(story.outcomes).toContain("expired letters_to_cv");
    expect(story.appended[0]!.payload.reason).toBe("not followed");
  });

  test("converts where it was clicked and its target reached within seven days", () => {
    const { story, nudge } = nudged();
    story.passes(6 * day);
    story.does("clicked", nudge);
    story.passes(7 * day - 1);
    story.happens("template.selected", "cv");
    expect(story.outcomes).toEqual(["converted letters_to_cv"]);
    expect(story.appended[0]).toMatchObject({
      event_type: "nudge.converted",
      payload: { nudge_id: nudge.nudge_id, event_type: "template.selected" },
    });
    story.happens("cv.generated", "cv");
    expect(story.outcomes).toHaveLength(1);
  });

  test("does not convert after seven days, nor expire once it was clicked", () => {
    const { story, nudge } = nudged();
    story.does("clicked", nudge);
    story.passes(7 * day);
    story.happens("template.selected", "cv");
    expect(story.outcomes).toEqual([]);
  });

  test("does not convert by what had happened before and arrives late", () => {
    const { story, nudge } = nudged();
    story.passes(hour);
    story.does("clicked", nudge);
    story.happens("cv.uploaded", "cv", { timestamp: story.now - minute });
    expect(story.outcomes).toEqual([]);
    story.happens("cv.generated", "cv");
    expect(story.outcomes).toEqual(["converted letters_to_cv"]);
  });

  test("does not convert by a sign-in to the target app", () => {
    const { story, nudge } = nudged();
    story.does("clicked", nudge);
    story.happens("user.login", "cv");
    expect(story.outcomes).toEqual([]);
  });

  test("and dismissed is over", () => {
    const { story, nudge } = nudged();
    story.does("dismissed", nudge);
    story.happens("cv.uploaded", "cv");
    story.passes(30 * day);
    expect(story.outcomes.filter((outcome) => outcome.endsWith("letters_to_cv"))).toEqual([]);
  });

  test("before the fold came to take it back is like any other that was seen", () => {
    const reacted = (...steps: ("shown" | "clicked" | "dismissed")[]) => {
      const story = new Story();
      story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
      const nudge = story.nudge("aube_to_cv");
      story.atOnce(() => {
        story.happens("exploration_commencée", "aube");
        for (const step of steps) story.does(step, nudge);
      });
      story.passes(minute);
      story.happens("cv.generated", "cv");
      story.happens("cv.optimized", "cv");
      story.passes(7 * day);
      return story.outcomes.filter((outcome) => outcome.endsWith("aube_to_cv"));
    };
    const taken = "cancelled aube_to_cv";
    expect(reacted()).toEqual([taken]);
    expect(reacted("shown")).toEqual([taken, "expired aube_to_cv"]);
    expect(reacted("clicked")).toEqual([taken, "converted aube_to_cv"]);
    expect(reacted("shown", "clicked")).toEqual([taken, "converted aube_to_cv"]);
    expect(reacted("dismissed", "clicked"), "which is over").toEqual([taken]);
  });

  test("before the fold came to take it back is remembered, though many were taken back before it", () => {
    const story = new Story({
      settings: { nudges: { holdout: 0, max_in_period: 100, same_type_days: 1 } },
    });
    const choose = (métier: string) =>
      story.happens("métier_choisi", "aube", { payload: { métier } });
    story.atOnce(() => {
      for (let n = 1; n <= 12; n++) {
        choose(`Coach ${n}`);
        story.passes(minute);
      }
      const last = story.nudge("aube_to_cv");
      choose("Boulanger");
      story.does("clicked", last);
    });
    story.happens("cv.generated", "cv");
    expect(story.outcomes).toContain("converted aube_to_cv");
  });

  test("before it was cancelled by what it would have led to converts by what came after the click", () => {
    const { story, nudge } = nudged();
    story.atOnce(() => {
      story.happens("cv.uploaded", "cv");
      story.does("clicked", nudge);
    });
    expect(story.outcomes).toEqual(["cancelled letters_to_cv"]);
    story.passes(minute);
    story.happens("cv.generated", "cv");
    story.does("clicked", nudge);
    story.happens("cv.generated", "cv");
    expect(story.outcomes).toEqual(["cancelled letters_to_cv", "converted letters_to_cv"]);
  });

  test("is not clicked because another app says so", () => {
    const { story, nudge } = nudged();
    story.happens("nudge.clicked", "cv", { payload: { nudge_id: nudge.nudge_id } });
    story.happens("cv.uploaded", "cv");
    expect(story.outcomes).toEqual(["cancelled letters_to_cv"]);
  });
});

test("support for one's wellbeing converts by a pause, not by the next mood", () => {
  const story = new Story();
  const low = { payload: { mood_score: 2, anxiety_level: 0.8 } };
  const [nudge] = story.happens("mood.logged", "rise", low);
  story.does("clicked", nudge);
  story.happens("mood.logged", "rise", low);
  expect(story.outcomes).toEqual([]);
  story.happens("meditation.completed", "rise");
  expect(story.outcomes).toEqual(["converted wellbeing_support"]);
});

describe("a held-out nudge", () => {
  test("is recorded as such, with the words that the user would have read", () => {
    const { nudge } = nudged(heldOut);
    expect(nudge).toMatchObject({
      variant: "holdout",
      title: "Optimisez vos chances avec Phoenix CV !",
    });
  });

  test("converts by the target action within seven days of the decision", () => {
    const { story } = nudged(heldOut);
    story.passes(7 * day - 1);
    story.happens("cv.uploaded", "cv");
    expect(story.outcomes).toEqual(["converted letters_to_cv"]);
    expect(story.appended, "which its user could read").toEqual([]);
  });

  test("converts for as long as one does that was clicked, however soon it would have expired", () => {
    const story = new Story({
      settings: { nudges: { holdout: 1, lifetime_days: 2, conversion_days: 7 } },
    });
    story.happens("letter.generated", "letters");
    story.passes(3 * day);
    story.happens("cv.generated", "cv");
    expect(story.outcomes).toEqual(["converted letters_to_cv"]);
  });

  test("is forgotten after that without a word", () => {
    const { story } = nudged(heldOut);
    story.passes(7 * day);
    story.happens("cv.uploaded", "cv");
    expect(story.appended).toEqual([]);
  });

  test("is not taken back with its job, just as one that was seen is not, and one for the next job follows as it does there", () => {
    const arms = [0, 1].map((holdout) => {
      const story = new Story({ settings: { nudges: { holdout } } });
      const choose = (métier: string) =>
        story.happens("métier_choisi", "aube", { payload: { métier } });
      choose("Coach");
      if (holdout === 0) {
        story.does("shown", story.nudge("aube_to_cv"));
        story.does("clicked", story.nudge("aube_to_cv"));
      }
      story.passes(hour);
      choose("Boulanger");
      story.passes(day);
      story.happens("page.vue", "aube");
      if (holdout === 0) story.does("shown", story.nudge("aube_to_cv"));
      story.happens("cv.generated", "cv");
      const about = (names: readonly string[]) =>
        names.filter((name) => name.endsWith("aube_to_cv"));
      return { sent: about(typesOf(story.nudges)), outcomes: about(story.outcomes) };
    });
    const sent = ["aube_to_cv", "aube_to_cv"];
    expect(arms[0], "the second was not clicked").toEqual({
      sent,
      outcomes: ["converted aube_to_cv"],
    });
    expect(arms[1]).toEqual({ sent, outcomes: ["converted aube_to_cv", "converted aube_to_cv"] });
  });

  test("counts like any other, so that both arms are chosen alike", () => {
    const decide = (settings: unknown) => {
      const story = new Story({ settings });
      for (let n = 0; n < 20; n++) {
        story.happens(n % 2 ? "letter.generated" : "cv.uploaded", n % 2 ? "letters" : "cv");
        story.passes(5 * hour);
      }
      return story.nudges.map(({ nudge_type, expires_at }) => [nudge_type, expires_at]);
    };
    expect(decide({ nudges: { holdout: 1 } })).toEqual(decide({ nudges: { holdout: 0 } }));
  });
});

describe("support", () => {
  const low = { payload: { mood_score: 1, anxiety_level: 1 } };
  const busy = (settings: unknown) => {
    const story = new Story({ settings });
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    story.happens("letter.generated", "letters");
    expect(story.nudges).toHaveLength(3);
    return story;
  };

  /** A user who did what three nudges would have led to before they saw one. */
  const cancelled = (story = new Story()) => {
    story.happens("letter.generated", "letters");
    story.happens("cv.uploaded", "cv");
    story.happens("goal.set", "rise");
    story.passes(minute);
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    story.happens("cv.generated", "cv");
    const types = ["letters_to_cv", "ecosystem_to_rise", "aube_to_cv"];
    expect(story.outcomes).toEqual(types.map((type) => `cancelled ${type}`));
    return story;
  };

  test("is not withheld for nudges that nobody sees", () => {
    const story = busy(heldOut);
    expect(typesOf(story.happens("mood.logged", "rise", low))).toEqual(["wellbeing_support"]);
  });

  test("comes after no more nudges that are seen than any other", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    for (const nudge of story.nudges) story.does("shown", nudge);
    const [third] = story.happens("letter.generated", "letters");
    story.does("shown", third);
    expect(story.nudges).toHaveLength(3);
    expect(story.happens("mood.logged", "rise", low)).toEqual([]);
  });

  test("is not withheld for nudges that were over before anybody saw them", () => {
    const story = cancelled();
    expect(typesOf(story.happens("mood.logged", "rise", low))).toEqual(["wellbeing_support"]);
  });

  test("nor for those whose time was over", () => {
    const story = busy({ nudges: { holdout: 0, lifetime_days: 1 } });
    story.passes(day);
    expect(typesOf(story.happens("mood.logged", "rise", low))).toEqual(["wellbeing_support"]);
  });

  test("comes after those that were cancelled, too, where it turns out that the user had seen them", () => {
    const story = new Story();
    story.atOnce(() => {
      cancelled(story);
      for (const nudge of story.nudges) story.does("shown", nudge);
    });
    expect(story.happens("mood.logged", "rise", low)).toEqual([]);
  });
});

test("a type whose wordings are given to nobody is not decided on, and takes no other's place", () => {
  const off = { weights: { a: 0, b: 0 } };
  const experiments = { aube_to_cv: off, aube_to_letters: off, letters_to_cv: off };
  const story = new Story({ settings: { nudges: { holdout: 0.1, experiments } } });
  story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
  story.happens("letter.generated", "letters");
  story.happens("letter.generated", "letters");
  expect(typesOf(story.nudges)).toEqual(["letters_to_rise"]);
});

describe("nobody gets", () => {
  test("more than three nudges in seven days", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    story.happens("letter.generated", "letters");
    expect(story.happens("letter.generated", "letters")).toEqual([]);
    expect(typesOf(story.nudges)).toEqual(["aube_to_cv", "aube_to_letters", "letters_to_cv"]);
    story.passes(7 * day - 1);
    expect(story.happens("letter.generated", "letters")).toEqual([]);
    story.passes(1);
    expect(story.happens("letter.generated", "letters")).not.toEqual([]);
  });

  test("two nudges of a type in a day", () => {
    const { story, nudge } = nudged();
    story.does("shown", nudge);
    story.passes(day - 1);
    expect(typesOf(story.happens("letter.generated", "letters"))).not.toContain("letters_to_cv");
    story.passes(1);
    expect(typesOf(story.happens("letter.generated", "letters"))).toContain("letters_to_cv");
  });

  test("a type that they dismissed twice", () => {
    const { story, nudge } = nudged();
    story.does("dismissed", nudge);
    story.passes(8 * day);
    const [again] = story.happens("letter.generated", "letters");
    expect(again!.nudge_type).toBe("letters_to_cv");
    story.does("dismissed", again);
    story.passes(20 * day);
    expect(typesOf(story.happens("letter.generated", "letters"))).not.toContain("letters_to_cv");
  });

  test("a type that they dismissed twice, or saw today, though it had been taken back before that was heard", () => {
    const story = new Story();
    const chooses = (métier: string) =>
      typesOf(story.happens("métier_choisi", "aube", { payload: { métier } }));
    for (const n of [1, 2]) {
      expect(chooses(`Coach ${n}`)).toContain("aube_to_cv");
      const nudge = story.nudge("aube_to_cv");
      story.happens("exploration_commencée", "aube");
      expect(story.outcomes).toContain("cancelled aube_to_cv");
      story.passes(hour);
      story.does("dismissed", nudge);
      expect(chooses(`Boulanger ${n}`), "it was seen today").not.toContain("aube_to_cv");
      story.passes(9 * day);
    }
    expect(chooses("Data Scientist"), "it was dismissed twice").not.toContain("aube_to_cv");
  });

  test.each(["shown", "dismissed"] as const)(
    "more than three in seven days, where two had been taken back before it was heard that they were %s",
    (step) => {
      const story = new Story();
      const chooses = (métier: string) =>
        typesOf(story.happens("métier_choisi", "aube", { payload: { métier } }));
      expect(chooses("Coach")).toHaveLength(2);
      const seen = story.nudges;
      story.passes(2 * day);
      story.atOnce(() => {
        story.happens("exploration_commencée", "aube");
        for (const nudge of seen) story.does(step, nudge);
      });
      story.passes(2 * day);
      expect(chooses("Boulanger")).toEqual(["aube_to_cv"]);
      story.passes(3 * day);
      expect(chooses("Boulanger"), "the first two were seven days ago").toContain(
        "aube_to_letters",
      );
    },
  );

  test("more than the settings allow", () => {
    const story = new Story({ settings: { nudges: { holdout: 0, max_in_period: 0 } } });
    story.happens("letter.generated", "letters");
    expect(story.nudges).toEqual([]);
  });
});

describe("what was decided while the clock was ahead", () => {
  /** Something happens meanwhile, and the user sees what it brings once the clock is right. */
  const whileAhead = (days: number, story: Story, happens: () => void) => {
    story.now += days * day;
    happens();
    story.now -= days * day;
    for (const nudge of story.nudges) story.does("shown", nudge);
  };

  test("keeps no nudge of its type away, nor any other", () => {
    const story = new Story();
    whileAhead(180, story, () => {
      story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
      story.happens("letter.generated", "letters");
    });
    expect(typesOf(story.nudges)).toEqual(["aube_to_cv", "aube_to_letters", "letters_to_cv"]);
    story.passes(2 * day);
    expect(typesOf(story.happens("letter.generated", "letters"))).toContain("letters_to_cv");
  });

  test("keeps no reminder away: that silence was another", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube");
    whileAhead(4, story, () => story.passes(0));
    expect(typesOf(story.nudges)).toEqual(["journey_stalled"]);
    story.passes(hour);
    story.happens("valeurs_explorées", "aube");
    expect(typesOf(story.passes(3 * day))).toEqual(["journey_stalled"]);
  });

  test("does not hide what the user has seen today", () => {
    const story = new Story();
    const choose = (métier: string) =>
      story.happens("métier_choisi", "aube", { payload: { métier } });
    const [seen] = choose("Coach");
    expect(seen!.nudge_type).toBe("aube_to_cv");
    story.happens("exploration_commencée", "aube");
    expect(story.outcomes).toContain("cancelled aube_to_cv");
    story.passes(2 * day);
    whileAhead(180, story, () => expect(typesOf(choose("Boulanger"))).toContain("aube_to_cv"));
    story.does("shown", seen);
    const today = story.happens("page.vue", "aube");
    expect(typesOf(today)).not.toContain("aube_to_cv");
    story.passes(day);
    expect(typesOf(story.happens("page.vue", "aube"))).toContain("aube_to_cv");
  });
});

test("the cap holds for what was decided until now, though the clock is set forward and back", () => {
  const moment = fc.record({
    happening: fc.constantFrom(
      ["letter.generated", "letters"],
      ["cv.generated", "cv"],
      ["goal.set", "rise"],
    ),
    pause: fc.oneof(
      fc.nat(2 * day),
      fc.integer({ min: -minute, max: minute }),
      fc.integer({ min: -40 * day, max: 40 * day }),
    ),
  });
  const settings = { nudges: { holdout: 0, same_type_days: 0.01 } };
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 40 }), (moments) => {
      const story = new Story({ settings });
      let decided: number[] = [];
      for (const { happening: [event_type, app], pause } of moments) {
        story.passes(pause);
        // Of what lies ahead then nobody knows when it was; what is over then stays over.
        decided = decided.filter((at) => at <= story.now);
        for (const nudge of story.happens(event_type!, app!)) {
          decided = decided.filter((at) => at > story.now - 7 * day);
          expect(decided.length).toBeLessThan(3);
          decided.push(story.now);
          story.does("shown", nudge);
        }
      }
    }),
    { numRuns: 200 },
  );
});

const happening = fc.oneof(
  fc.constantFrom(...journeySteps).map((step) => [step, "aube"] as const),
  fc.constantFrom("cv.uploaded", "cv.generated", "page.vue").map((type) => [type, "cv"] as const),
  fc.constantFrom("letter.generated", "page.vue").map((type) => [type, "letters"] as const),
  fc.constantFrom("mood.logged", "meditation.completed", "goal.set")
    .map((type) => [type, "rise"] as const),
);
const life = fc.array(
  fc.record({
    happening,
    mood: fc.integer({ min: 1, max: 10 }),
    status: fc.constantFrom("requested", "accepted", "rejected", "expired"),
    pause: fc.oneof(fc.nat(hour), fc.nat(4 * day)),
    reaction: fc.constantFrom("shown", "clicked", "dismissed", undefined),
    isAtOnce: fc.boolean(),
  }),
  { maxLength: 40 },
);

/** Lives a life: whatever happens, and what the user does with their last nudge. */
function live(
  moments: typeof life extends fc.Arbitrary<infer Moments> ? Moments : never,
  settings: unknown = {},
): Story {
  const story = new Story({ settings });
  const seen = () => story.nudges.findLast(({ variant }) => variant !== "holdout");
  for (const { happening: [event_type, app], mood, status, pause, reaction, isAtOnce } of moments) {
    story.passes(pause);
    const before = seen();
    const happens = () =>
      story.happens(event_type, event_type === "transition_écosystème" ? "flywheel" : app, {
        payload: { métier: "Coach", mood_score: mood, target_app: "cv", status },
      });
    if (!isAtOnce) happens();
    const last = isAtOnce ? before : seen();
    story.atOnce(() => {
      if (isAtOnce) happens();
      if (reaction && last) story.does(reaction, last);
    });
  }
  story.passes(20 * day);
  return story;
}

describe("in every life", () => {
  test("what the flywheel tells brings no nudge, and it stops talking", () => {
    fc.assert(
      fc.property(life, (moments) => {
        const story = live(moments);
        const causes = new Set(story.effects.map(({ cause }) => cause.event_id));
        for (const { event_type, event_id } of story.events) {
          if (event_type.startsWith("nudge.")) expect(causes).not.toContain(event_id);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("every nudge ends once at most, and its end is told once with its cause", () => {
    fc.assert(
      fc.property(life, (moments) => {
        const story = live(moments);
        const ends = ["nudge.converted", "nudge.expired", "nudge.cancelled"];
        const told = story.events.filter(({ event_type }) => ends.includes(event_type))
          .map(({ event_type, payload }) => `${event_type} ${payload.nudge_id}`);
        // A nudge that was seen before it was taken back goes on, and nothing is told of its cancellation.
        const ended = story.effects.flatMap(({ effect }) => {
          if (effect.kind !== "nudge_change") return [];
          const isVoid = !told.includes(`nudge.cancelled ${effect.nudge_id}`);
          return effect.change === "cancelled" && isVoid ? [] : [effect.nudge_id];
        });
        expect(new Set(ended).size).toBe(ended.length);
        expect(told.map((each) => each.split(" ")[1])).toEqual(ended);
        const { appended } = story;
        expect(new Set(appended.map(({ event_id }) => event_id)).size).toBe(appended.length);
        const made = new Set(story.nudges.map(({ nudge_id }) => nudge_id));
        expect(made.size).toBe(story.nudges.length);
        for (const nudge_id of ended) expect(made).toContain(nudge_id);
      }),
      { numRuns: 150 },
    );
  });

  test("the caps hold", () => {
    fc.assert(
      fc.property(life, (moments) => {
        const { effects, events, user_id } = live(moments, { nudges: { holdout: 0.5 } });
        // Those that are told of as cancelled: one that was seen before it was taken back is not.
        const cancelled = events.filter(({ event_type }) => event_type === "nudge.cancelled")
          .map(({ payload }) => payload.nudge_id);
        const takenBack = new Set(
          effects.flatMap(({ effect }) =>
            effect.kind === "nudge_change" && effect.change === "cancelled" ? [effect.nudge_id] : []
          ),
        );
        const steps = ["nudge.shown", "nudge.clicked", "nudge.dismissed"];
        // One that was taken back counts only once it is known that it was seen before.
        const isUnseen = (id: string, at: number) =>
          cancelled.includes(id) ||
          !events.some(({ event_type, payload, received_at }) =>
            steps.includes(event_type) && payload.nudge_id === id && received_at < at
          );
        const sent = effects.flatMap(({ effect, cause }) =>
          effect.kind === "nudge"
            ? [{ ...effect, at: cause.at, id: effectId(user_id, cause, effect) }]
            : []
        );
        for (const [index, { nudge_type, at, variant }] of sent.entries()) {
          const before = sent.slice(0, index).filter((other) =>
            other.at > at - 7 * day && !(other.nudge_type.startsWith("aube_to_") &&
              takenBack.has(other.id) && isUnseen(other.id, at))
          );
          const seen = before.filter((other) =>
            other.variant !== "holdout" && !cancelled.includes(other.id)
          );
          if (variant !== "holdout") expect(seen.length).toBeLessThan(3);
          if (nudge_type !== "wellbeing_support") expect(before.length).toBeLessThan(3);
          for (const other of before) {
            if (other.nudge_type === nudge_type) expect(other.at).toBeLessThanOrEqual(at - day);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  test("the same life gives the same state and effects, told in one piece or in many", () => {
    fc.assert(
      fc.property(life, (moments) => {
        const one = live(moments);
        const other = live(moments);
        expect(other.effects).toEqual(one.effects);
        expect(other.state).toEqual(one.state);
        const replayed = one.replay();
        expect(replayed.state).toEqual(one.state);
        expect(replayed.effects).toEqual(one.effects);
      }),
      { numRuns: 60 },
    );
  });

  test("what clocks that are ahead tell comes to the same as what clocks tell that are right", () => {
    const ahead = fc.array(fc.nat(5 * minute), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(life, ahead, (moments, ahead) => {
        const story = live(moments);
        const right = story.replay();
        for (const [index, event] of story.events.entries()) {
          const timestamp = event.timestamp + ahead[index % ahead.length]!;
          story.events[index] = { ...event, timestamp };
        }
        expect(story.replay()).toEqual(right);
      }),
      { numRuns: 60 },
    );
  });
});

test("the reactor is woken at the earliest of its times", () => {
  const { story } = nudged();
  story.happens("exploration_commencée", "aube");
  const state = story.state.nudges as Parameters<NonNullable<typeof nudges.wakeAt>>[0];
  expect(nudges.wakeAt!(state)).toBe(story.now + 3 * day);
});
