import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { day, hour, minute } from "../../../shared/domain/duration.ts";
import { nextActions } from "../../../shared/domain/next-actions.ts";
import { journeySteps } from "../../../shared/domain/journey-steps.ts";
import { defaultSettings } from "../../../shared/domain/settings.ts";
import { Story, typesOf } from "../../support/story.ts";

const job = { payload: { métier: "Data Scientist" } };

describe("letters_to_cv", () => {
  test("follows the first letter of a user who has done nothing in CV", () => {
    const [nudge, ...others] = new Story().happens("letter.generated", "letters");
    expect(nudge).toMatchObject({
      nudge_type: "letters_to_cv",
      app_source: "letters",
      target_app: "cv",
      title: "Optimisez vos chances avec Phoenix CV !",
      cta_url: "https://phoenix-cv.onrender.com",
    });
    expect(others).toEqual([]);
  });

  test("does not follow where the user has done something in CV within 30 days", () => {
    const story = new Story();
    story.happens("cv.uploaded", "cv");
    story.passes(29 * day);
    expect(typesOf(story.happens("letter.generated", "letters"))).not.toContain("letters_to_cv");
    story.passes(2 * day);
    expect(typesOf(story.happens("letter.generated", "letters"))).toContain("letters_to_cv");
  });

  test("takes an event of no known type for activity, and a sign-in for none", () => {
    const story = new Story();
    story.happens("user.login", "cv");
    expect(typesOf(story.happens("brouillon.ouvert", "letters"))).toEqual(["letters_to_cv"]);
    expect(new Story().happens("user.login", "letters")).toEqual([]);
  });

  test("does not follow a letter of long ago that is imported today", () => {
    const story = new Story();
    expect(
      story.happens("letter.generated", "letters", { timestamp: story.now - 31 * day }),
    ).toEqual([]);
  });
});

describe("cv_to_letters", () => {
  test("follows the third event in CV within 30 days of a user who has done nothing in Letters", () => {
    const story = new Story();
    expect(story.happens("cv.uploaded", "cv")).toEqual([]);
    expect(story.happens("cv.generated", "cv")).toEqual([]);
    expect(typesOf(story.happens("cv.optimized", "cv"))).toEqual(["cv_to_letters"]);
  });

  test("does not count what is older", () => {
    const story = new Story();
    story.happens("cv.uploaded", "cv");
    story.passes(31 * day);
    story.happens("cv.generated", "cv");
    expect(story.happens("cv.optimized", "cv")).toEqual([]);
  });
});

describe("letters_to_rise", () => {
  test("follows the second event in Letters of a user who has done nothing in Rise", () => {
    const story = new Story();
    expect(typesOf(story.happens("job_offer.analyzed", "letters"))).not.toContain(
      "letters_to_rise",
    );
    expect(typesOf(story.happens("letter.generated", "letters"))).toEqual(["letters_to_rise"]);
  });

  test("does not follow where the user knows Rise", () => {
    const story = new Story();
    story.happens("goal.set", "rise");
    story.happens("job_offer.analyzed", "letters");
    expect(typesOf(story.happens("letter.generated", "letters"))).not.toContain("letters_to_rise");
  });
});

describe("ecosystem_to_rise", () => {
  test("follows where the user has done something in CV and in Letters, and nothing in Rise", () => {
    const story = new Story();
    story.happens("cv.uploaded", "cv");
    expect(typesOf(story.happens("letter.generated", "letters"))).toEqual(["ecosystem_to_rise"]);
  });
});

describe("aube_to_cv and aube_to_letters", () => {
  test("follow a chosen job, and speak of it", () => {
    const nudges = new Story().happens("métier_choisi", "aube", job);
    expect(typesOf(nudges)).toEqual(["aube_to_cv", "aube_to_letters"]);
    for (const { message, app_source } of nudges) {
      expect(message).toContain("Data Scientist");
      expect(app_source).toBe("aube");
    }
  });

  test("follow though there was a CV before: it was for another job", () => {
    const story = new Story();
    story.happens("cv.uploaded", "cv");
    story.passes(hour);
    expect(typesOf(story.happens("métier_choisi", "aube", job))).toContain("aube_to_cv");
  });

  test("do not come again where there is a CV, or a letter, since", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", job);
    story.passes(hour);
    story.happens("cv.uploaded", "cv");
    story.passes(8 * day);
    expect(typesOf(story.happens("page.vue", "aube"))).toEqual(["aube_to_letters"]);
  });

  test("follow another job, chosen after all was done for the first, and not the same one again", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", job);
    story.passes(day);
    for (const app of ["cv", "letters", "rise"]) story.happens("page.vue", app);
    story.passes(44 * day);
    expect(story.happens("métier_choisi", "aube", job)).toEqual([]);
    const other = story.happens("métier_choisi", "aube", { payload: { métier: "Boulanger" } });
    expect(typesOf(other)).toEqual(["aube_to_cv", "aube_to_letters"]);
    expect(nextActions(story.state, story.now, defaultSettings)).toEqual([
      "Créer votre CV avec Phoenix CV",
      "Rédiger lettres motivation avec Phoenix Letters",
    ]);
  });

  test("do not follow a choice of long ago that is imported today", () => {
    const story = new Story();
    const long = { ...job, timestamp: story.now - 31 * day };
    expect(story.happens("métier_choisi", "aube", long)).toEqual([]);
  });
});

describe("wellbeing_support", () => {
  const mood = (mood_score: number, more = {}) => ({ payload: { mood_score, ...more } });

  test("follows a mood of 3 or less in two of the last three entries", () => {
    const story = new Story();
    expect(story.happens("mood.logged", "rise", mood(3))).toEqual([]);
    expect(story.happens("mood.logged", "rise", mood(8))).toEqual([]);
    const [nudge] = story.happens("journal.entry_created", "rise", mood(2));
    expect(nudge).toMatchObject({ nudge_type: "wellbeing_support", target_app: "rise" });
    expect(nudge!.message).toMatch(/un proche ou à votre médecin/);
  });

  test("does not follow where only one of the last three is low", () => {
    const story = new Story();
    for (const score of [1, 5, 6, 2, 4]) story.happens("mood.logged", "rise", mood(score));
    expect(story.nudges).toEqual([]);
  });

  test("answers no good mood, whatever the ones before, and no mood of long ago", () => {
    const story = new Story();
    for (const score of [2, 2]) story.happens("mood.logged", "rise", mood(score));
    story.does("shown", story.nudge("wellbeing_support"));
    story.passes(2 * day);
    expect(story.happens("mood.logged", "rise", mood(10, { anxiety_level: 0 }))).toEqual([]);
    story.passes(29 * day);
    expect(story.happens("mood.logged", "rise", mood(3)), "one within 30 days").toEqual([]);
    expect(typesOf(story.happens("mood.logged", "rise", mood(3)))).toEqual(["wellbeing_support"]);
  });

  test("comes without any other nudge, which may come another day", () => {
    const story = new Story();
    story.happens("letter.generated", "letters");
    story.does("shown", story.nudge("letters_to_cv"));
    story.passes(2 * day);
    const low = mood(1, { anxiety_level: 1 });
    expect(typesOf(story.happens("mood.logged", "rise", low))).toEqual(["wellbeing_support"]);
    expect(story.happens("mood.logged", "rise", low), "while it waits").toEqual([]);
    expect(typesOf(story.happens("page.vue", "letters"))).toEqual(["letters_to_cv"]);
  });

  test("is proposed on the dashboard as long as a low mood or an anxiety is of lately", () => {
    const pause = "Prendre un moment pour vous avec Phoenix Rise";
    const actions = (story: Story) => nextActions(story.state, story.now, defaultSettings);
    const low = new Story();
    for (const score of [1, 2]) low.happens("mood.logged", "rise", mood(score));
    const anxious = new Story();
    anxious.happens("tests_psychométriques_complétés", "aube", { payload: { anxiety_level: 0.9 } });
    for (const story of [low, anxious]) {
      story.passes(30 * day);
      expect(actions(story)).toContain(pause);
      story.passes(1);
      expect(actions(story)).not.toContain(pause);
    }
  });

  test("goes by when the entries were written, not by when they arrived", () => {
    const story = new Story();
    for (const score of [6, 7, 8]) story.happens("mood.logged", "rise", mood(score));
    const lastYear = { timestamp: story.now - 300 * day };
    expect(story.happens("mood.logged", "rise", { ...mood(1), ...lastYear })).toEqual([]);
    expect(story.happens("mood.logged", "rise", { ...mood(1), ...lastYear })).toEqual([]);
  });

  test.each([
    [0.69, []],
    [0.7, ["wellbeing_support"]],
    [1, ["wellbeing_support"]],
  ])("at an anxiety of %f brings %j", (anxiety_level, expected) => {
    expect(typesOf(
      new Story().happens("mood.logged", "rise", mood(7, { anxiety_level })),
    )).toEqual(expected);
    expect(typesOf(
      new Story().happens("tests_psychométriques_complétés", "aube", {
        payload: { anxiety_level },
      }),
    )).toEqual(expected);
  });

  test("does not follow what was said a while ago and is imported today", () => {
    const story = new Story();
    const said = (days: number) => ({
      ...mood(2, { anxiety_level: 0.9 }),
      timestamp: story.now - days * day,
    });
    for (const days of [365, 364, 1]) {
      expect(story.happens("mood.logged", "rise", said(days))).toEqual([]);
    }
    expect(typesOf(story.happens("mood.logged", "rise", said(0.9)))).toEqual(["wellbeing_support"]);
  });

  test("reminds nobody of a bad day by something else they do", () => {
    const story = new Story();
    story.happens("mood.logged", "rise", mood(7, { anxiety_level: 0.9 }));
    story.does("shown", story.nudge("wellbeing_support"));
    story.passes(2 * day);
    expect(story.happens("goal.set", "rise")).toEqual([]);
  });

  test("is withheld from nobody for an experiment's sake, where nothing else is said", () => {
    const story = new Story({ settings: { nudges: { holdout: 1 } } });
    const [nudge] = story.happens("mood.logged", "rise", mood(2, { anxiety_level: 0.9 }));
    expect(["a", "b"]).toContain(nudge!.variant);
  });
});

describe("journey_stalled", () => {
  test("follows three days of silence, in the morning of Paris at the earliest", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube");
    expect(story.passes(3 * day - 1)).toEqual([]);
    const [nudge] = story.passes(1);
    expect(nudge).toMatchObject({
      nudge_type: "journey_stalled",
      target_app: "aube",
      app_source: "aube",
    });
    expect(story.passes(30 * day)).toEqual([]);
  });

  test("waits for the morning where the three days end at night", () => {
    const story = new Story();
    story.passes(12 * hour);
    expect(new Date(story.now).toISOString()).toBe("2025-01-15T21:00:00.000Z");
    story.happens("exploration_commencée", "aube");
    story.passes(3 * day);
    expect(story.nudges).toEqual([]);
    story.passes(10 * hour);
    const [{ cause } = {}] = story.effects;
    expect(new Date(cause!.at).toISOString()).toBe("2025-01-19T07:00:00.000Z");
  });

  test("starts anew with whatever the user does in Aube", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube");
    story.passes(2 * day);
    story.happens("page.vue", "aube");
    expect(story.passes(2 * day)).toEqual([]);
    expect(typesOf(story.passes(1 * day))).toEqual(["journey_stalled"]);
  });

  test.each([2, 5, 40])(
    "is neither hurried nor forgotten because something arrives %i days late",
    (days) => {
      const story = new Story();
      story.happens("exploration_commencée", "aube");
      expect(story.happens("page.vue", "aube", { timestamp: story.now - days * day })).toEqual([]);
      expect(story.passes(3 * day - 1)).toEqual([]);
      expect(typesOf(story.passes(1))).toEqual(["journey_stalled"]);
    },
  );

  test.each([["during it", 2], ["before it", -10]])(
    "follows one silence once, though something that was %s arrives late",
    (_, days) => {
      const story = new Story();
      const begun = story.now;
      story.happens("exploration_commencée", "aube");
      const [nudge] = story.passes(3 * day);
      story.does("dismissed", nudge);
      story.passes(2 * day);
      expect(story.happens("page.vue", "aube", { timestamp: begun + days * day })).toEqual([]);
      expect(story.passes(10 * day)).toEqual([]);
      story.happens("page.vue", "aube");
      expect(typesOf(story.passes(3 * day)), "another silence").toEqual(["journey_stalled"]);
    },
  );

  test("does not follow an exploration of long ago that is imported today", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube", { timestamp: story.now - 31 * day });
    expect(story.passes(5 * day)).toEqual([]);
  });

  test("follows three days after the user was last there, though the start of their exploration arrives late", () => {
    const story = new Story();
    story.happens("page.vue", "aube");
    story.happens("exploration_commencée", "aube", { timestamp: story.now - day });
    expect(story.passes(3 * day - 1)).toEqual([]);
    expect(typesOf(story.passes(1))).toEqual(["journey_stalled"]);
  });

  test("follows at once where the three days were over before they were told of, and lasts as long as any", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube", { timestamp: story.now - 5 * day });
    const [nudge] = story.passes(1);
    expect(nudge).toMatchObject({
      nudge_type: "journey_stalled",
      expires_at: story.now + 7 * day,
    });
  });

  test("does not follow a silence that was over by what was told with it", () => {
    const story = new Story();
    const told = (step: string, ago: number, more = {}) =>
      story.happens(step, "aube", { timestamp: story.now - ago, ...more });
    told("exploration_commencée", 5 * day);
    told("valeurs_explorées", 4.9 * day);
    told("compétences_révélées", minute);
    expect(story.passes(3 * day - minute - 1)).toEqual([]);
    expect(typesOf(story.passes(1)), "of the next one").toEqual(["journey_stalled"]);

    const gone = new Story();
    for (const [step, more] of [["exploration_commencée", {}], ["métier_choisi", job]] as const) {
      gone.happens(step, "aube", { timestamp: gone.now - 5 * day, ...more });
    }
    gone.passes(10 * day);
    expect(typesOf(gone.nudges)).toEqual(["aube_to_cv", "aube_to_letters"]);
  });

  test("follows three days after the last of what is told together, in whatever order", () => {
    const steps = [...journeySteps.slice(0, 6), "page.vue"];
    const said = fc.record({
      step: fc.constantFrom(...steps),
      ago: fc.oneof(fc.nat(29 * day), fc.constantFrom(0, 1, 3 * day)),
    });
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 8 }), (told) => {
        const settings = { nudges: { holdout: 0, quiet_hours: { from: "00:00", until: "00:00" } } };
        const story = new Story({ settings });
        const { now } = story;
        for (const { step, ago } of told) story.happens(step, "aube", { timestamp: now - ago });
        expect(story.nudges).toEqual([]);
        story.passes(40 * day);
        const last = now - Math.min(...told.map(({ ago }) => ago));
        const isExploring = told.some(({ step }) => step !== "page.vue");
        const reminders = story.effects.filter(({ effect }) => effect.kind === "nudge")
          .map(({ cause }) => cause.at);
        expect(reminders).toEqual(isExploring ? [Math.max(now + 1, last + 3 * day)] : []);
      }),
    );
  });

  test("does not follow once a job is chosen", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube");
    story.happens("métier_choisi", "aube", job);
    expect(typesOf(story.passes(10 * day))).toEqual([]);

    const elsewhere = new Story();
    elsewhere.happens("exploration_commencée", "aube");
    elsewhere.happens("métier_choisi", "website", job);
    expect(typesOf(elsewhere.passes(10 * day))).toEqual([]);
  });

  test("goes back to what the user did last", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube", { correlation_id: "visit-1" });
    const [nudge] = story.passes(4 * day);
    expect(nudge).toMatchObject({
      causation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      correlation_id: "visit-1",
    });
  });

  test("speaks of the step that is next, each in its own words", () => {
    const texts = journeySteps.slice(0, 6).map((_, index) => {
      const story = new Story();
      for (const step of journeySteps.slice(0, index + 1)) story.happens(step, "aube");
      const [nudge] = story.passes(4 * day);
      return nudge!.message;
    });
    expect(new Set(texts).size).toBe(6);
    expect(texts[2]).toMatch(/tests de personnalité/);
  });
});

test("a job that is chosen again long after calls for what has not been done since it was chosen first", () => {
  const choose = (story: Story) => {
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    for (const nudge of story.nudges) story.does("shown", nudge);
  };
  const idle = new Story();
  const busy = new Story();
  for (const story of [idle, busy]) choose(story);
  busy.happens("cv.generated", "cv");
  for (const story of [idle, busy]) story.passes(40 * day);
  const after = (story: Story) => {
    const before = story.nudges.length;
    choose(story);
    return typesOf(story.nudges.slice(before));
  };
  expect(after(idle)).toEqual(["aube_to_cv", "aube_to_letters"]);
  expect(after(busy)).toEqual(["aube_to_letters"]);
});

describe("a transition that an app rejects, or lets expire,", () => {
  const transition = (target_app: string, status: string, more = {}) => ({
    payload: { target_app, status, source_app: "aube", ...more },
  });

  test.each([
    ["cv", "aube_to_cv"],
    ["letters", "aube_to_letters"],
    ["rise", "ecosystem_to_rise"],
  ])("to %s is made up for by %s", (app, type) => {
    for (const status of ["rejected", "expired"]) {
      const story = new Story();
      story.happens("transition_écosystème", "flywheel", transition(app, status));
      story.passes(0);
      expect(story.nudges).toMatchObject([{
        nudge_type: type,
        target_app: app,
        app_source: "aube",
      }]);
      expect(story.nudges[0]!.message).not.toMatch(/undefined|null/);
    }
  });

  test("is made up for under whichever name the app is given", () => {
    const story = new Story();
    const told = transition("", "rejected", { app_cible: "cv" });
    story.happens("transition_écosystème", "flywheel", told);
    story.passes(0);
    expect(typesOf(story.nudges)).toEqual(["aube_to_cv"]);
  });

  test("is not made up for where the user explores anew", () => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    for (const nudge of story.nudges) story.does("shown", nudge);
    story.passes(3 * day);
    story.happens("exploration_commencée", "aube");
    const before = story.nudges.length;
    story.happens("transition_écosystème", "flywheel", transition("cv", "rejected"));
    story.passes(0);
    expect(story.nudges).toHaveLength(before);
  });

  test("is made up for in a first exploration, where no job was chosen yet", () => {
    const story = new Story();
    story.happens("exploration_commencée", "aube");
    story.happens("transition_écosystème", "flywheel", transition("rise", "rejected"));
    story.passes(0);
    expect(typesOf(story.nudges)).toEqual(["ecosystem_to_rise"]);
  });

  test.each<[string, (story: Story) => void]>([
    ["the user explores anew", (story) => story.happens("exploration_commencée", "aube")],
    [
      "it turns out that they had been there",
      (story) => story.happens("cv.generated", "cv", { timestamp: story.now - 2 * hour }),
    ],
  ])("at night is not made up for in the morning where %s meanwhile", (_, meanwhile) => {
    const story = new Story();
    story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
    for (const nudge of story.nudges) story.does("shown", nudge);
    story.passes(3 * day + 13 * hour);
    story.happens("transition_écosystème", "flywheel", transition("cv", "rejected"));
    story.passes(hour);
    meanwhile(story);
    expect(typesOf(story.passes(10 * hour))).not.toContain("aube_to_cv");
  });

  test("at night is made up for in the morning", () => {
    const story = new Story();
    story.passes(13 * hour);
    story.happens("transition_écosystème", "flywheel", transition("cv", "expired"));
    expect(story.passes(hour)).toEqual([]);
    expect(typesOf(story.passes(10 * hour))).toEqual(["aube_to_cv"]);
  });

  test.each<[string, (story: Story) => void]>([
    ["the user went there by themselves", (story) => story.happens("cv.generated", "cv")],
    ...["requested", "notified", "accepted", "completed"].map((
      status,
    ): [string, (story: Story) => void] => [
      `another is ${status}`,
      (story) => story.happens("transition_écosystème", "flywheel", transition("cv", status)),
    ]),
  ])("at night is not made up for in the morning where %s meanwhile", (_, meanwhile) => {
    const story = new Story();
    story.passes(13 * hour);
    story.happens("transition_écosystème", "flywheel", transition("cv", "rejected"));
    story.passes(hour);
    meanwhile(story);
    expect(typesOf(story.passes(10 * hour))).not.toContain("aube_to_cv");
  });

  test("at night is made up for though something older arrives late", () => {
    const story = new Story();
    story.passes(13 * hour);
    story.happens("transition_écosystème", "flywheel", transition("cv", "rejected"));
    story.happens("cv.generated", "cv", { timestamp: story.now - 40 * day });
    expect(typesOf(story.passes(11 * hour))).toEqual(["aube_to_cv"]);
  });

  test.each(["requested", "notified", "accepted", "completed"])("but %s is not", (status) => {
    const story = new Story();
    story.happens("transition_écosystème", "flywheel", transition("cv", status));
    story.passes(day);
    expect(story.nudges).toEqual([]);
  });

  test("is made up for though an app gives the flywheel's own reason", () => {
    const story = new Story();
    const rejected = transition("cv", "rejected", { reason: "superseded" });
    story.happens("transition_écosystème", "flywheel", rejected);
    story.passes(0);
    expect(typesOf(story.nudges)).toEqual(["aube_to_cv"]);
  });

  test("is not made up for where another took its place", () => {
    const story = new Story();
    const superseded = transition("cv", "expired", { reason: "superseded" });
    story.happens("transition_écosystème", "flywheel", superseded);
    story.passes(day);
    expect(story.nudges).toEqual([]);
  });
});

test("apps outside the family bring no nudge", () => {
  const story = new Story();
  for (let n = 0; n < 5; n++) story.happens("receipt.sent", "receipt");
  expect(story.effects).toEqual([]);
});
