import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { day, minute } from "../../../shared/domain/duration.ts";
import { journeyOf } from "../../../shared/domain/dashboard.ts";
import { progressOf } from "../../../shared/domain/journey-report.ts";
import { type JourneyStep, journeySteps } from "../../../shared/domain/journey-steps.ts";
import { readJourney } from "../../../shared/domain/reactors/journey.ts";
import { defaultSettings } from "../../../shared/domain/settings.ts";
import { Story } from "../../support/story.ts";

/** Takes steps with Aube, each so many minutes after the one before. */
function given(
  ...steps: [step: JourneyStep, minutesLater?: number, payload?: Record<string, unknown>][]
) {
  const story = new Story();
  for (const [step, minutesLater = 0, payload = {}] of steps) {
    take(story, step, minutesLater, payload);
  }
  return story;
}

function take(
  story: Story,
  step: JourneyStep,
  minutesLater = 0,
  payload: Record<string, unknown> = {},
) {
  story.passes(minutesLater * minute);
  const required = step === "métier_choisi" ? { métier: "Data Scientist" } : {};
  story.happens(step, "aube", { payload: { ...required, ...payload } });
}

function reportOf(story: Story, minutesLater = 0) {
  return journeyOf(story.state, story.now + minutesLater * minute, defaultSettings);
}

describe("the journey's report", () => {
  test("is the one of Aube's document for its steps", () => {
    const story = given(
      ["exploration_commencée"],
      ["valeurs_explorées", 12.5],
      ["recommandations_générées", 32.7, { durée_minutes: 8.2 }],
    );
    expect(reportOf(story)).toEqual({
      progression: {
        étapes_complétées: [
          "exploration_commencée",
          "valeurs_explorées",
          "recommandations_générées",
        ],
        temps_par_étape: { valeurs_explorées: 12.5, recommandations_générées: 8.2 },
        points_de_sortie: [],
        blocages_identifiés: ["valeurs_explorées"],
      },
      durée_totale_minutes: 45.2,
      statut_actuel: "recommandations_reçues",
      recommandations_ux: ["Optimiser durée étapes longues"],
    });
  });

  test("says of a user without an exploration that it has not begun", () => {
    expect(reportOf(new Story())).toEqual({
      progression: {
        étapes_complétées: [],
        temps_par_étape: {},
        points_de_sortie: [],
        blocages_identifiés: [],
      },
      durée_totale_minutes: 0,
      statut_actuel: "non_commencé",
      recommandations_ux: ["Améliorer fluidité parcours"],
    });
  });

  test("takes the app's own minutes before the time between two steps", () => {
    const story = given(
      ["exploration_commencée", 0, { durée_minutes: 2 }],
      ["valeurs_explorées", 0, { durée_minutes: 7.25 }],
      ["compétences_révélées", 30, { durée_minutes: 9 }],
    );
    const { progression, durée_totale_minutes } = reportOf(story);
    expect(progression.temps_par_étape).toEqual({
      exploration_commencée: 2,
      valeurs_explorées: 7.3,
      compétences_révélées: 9,
    });
    expect(durée_totale_minutes).toBe(39.3);
  });

  test("finds a blockage beyond ten minutes on a step, not at ten", () => {
    const story = given(
      ["exploration_commencée"],
      ["valeurs_explorées", 10],
      ["compétences_révélées", 10.1],
    );
    expect(reportOf(story).progression.blocages_identifiés).toEqual(["compétences_révélées"]);
    expect(reportOf(story).recommandations_ux).toEqual(["Optimiser durée étapes longues"]);
  });

  test("finds the step at which the user is stuck, and where they left", () => {
    const story = given(["exploration_commencée"], ["valeurs_explorées", 1], [
      "compétences_révélées",
      1,
    ]);
    expect(reportOf(story, 9).progression).toMatchObject({
      blocages_identifiés: [],
      points_de_sortie: [],
    });
    expect(reportOf(story, 11).progression).toMatchObject({
      blocages_identifiés: ["tests_psychométriques_complétés"],
      points_de_sortie: [],
    });
    expect(reportOf(story, 61)).toMatchObject({
      progression: { blocages_identifiés: [], points_de_sortie: ["tests_psychométriques"] },
      recommandations_ux: ["Raccourcir tests psychométriques"],
    });
  });

  test("says of a user who does something else in Aube that they are stuck, not that they have left", () => {
    const story = given(["exploration_commencée"], ["valeurs_explorées", 1]);
    for (let n = 0; n < 14; n++) {
      story.passes(5 * minute);
      story.happens("page.vue", "aube");
    }
    expect(reportOf(story).progression).toMatchObject({
      blocages_identifiés: ["compétences_révélées"],
      points_de_sortie: [],
    });
    expect(reportOf(story, 61).progression).toMatchObject({
      blocages_identifiés: [],
      points_de_sortie: ["compétences"],
    });
  });

  test("remembers where a user who came back had left, and counts no minute of the time away", () => {
    const story = given(
      ["exploration_commencée"],
      ["valeurs_explorées", 5],
      ["compétences_révélées", 2 * 24 * 60],
      ["tests_psychométriques_complétés", 4],
    );
    expect(reportOf(story)).toMatchObject({
      progression: {
        temps_par_étape: { valeurs_explorées: 5, tests_psychométriques_complétés: 4 },
        points_de_sortie: ["compétences"],
      },
      durée_totale_minutes: 9,
      recommandations_ux: ["Améliorer fluidité parcours"],
    });
  });

  test("knows no exit after the job was chosen", () => {
    const story = given(["exploration_commencée"], ["métier_choisi", 5]);
    expect(reportOf(story, 10_000).progression.points_de_sortie).toEqual([]);
  });
});

describe("progress", () => {
  test.each(journeySteps.map((step, index) => [step, [0, 14, 28, 42, 57, 71, 85, 100][index]!]))(
    "at %s is %i %, whatever was skipped",
    (step, percent) => {
      expect(progressOf(readJourney(given([step]).state))).toBe(percent);
      const all = journeySteps.slice(0, journeySteps.indexOf(step) + 1);
      expect(progressOf(readJourney(given(...all.map((each): [JourneyStep] => [each])).state)))
        .toBe(percent);
    },
  );

  test("is none before the first step", () => {
    expect(progressOf(readJourney({}))).toBe(0);
  });
});

describe("steps", () => {
  test("out of order are told in the order of their times", () => {
    const story = new Story();
    const at = (minutes: number) => story.now - 60 * minute + minutes * minute;
    const happen = (step: JourneyStep, minutes: number) =>
      story.happens(step, "aube", { timestamp: at(minutes), payload: {} });
    happen("compétences_révélées", 20);
    happen("exploration_commencée", 0);
    happen("valeurs_explorées", 12);
    expect(reportOf(story)).toMatchObject({
      progression: {
        étapes_complétées: ["exploration_commencée", "valeurs_explorées", "compétences_révélées"],
        temps_par_étape: { valeurs_explorées: 12, compétences_révélées: 8 },
      },
      durée_totale_minutes: 20,
    });
  });

  test("give the same report in whatever order they arrive", () => {
    const base = new Story().now;
    const step = fc.record({
      step: fc.constantFrom(...journeySteps.slice(0, 6)),
      minutes: fc.integer({ min: 0, max: 600 }),
      durée: fc.option(fc.integer({ min: 0, max: 90 }), { nil: undefined }),
    });
    const shuffled = fc.array(step, { maxLength: 12 }).chain((steps) =>
      fc.tuple(fc.constant(steps), fc.shuffledSubarray(steps, { minLength: steps.length }))
    );
    const report = (steps: { step: JourneyStep; minutes: number; durée: number | undefined }[]) => {
      const story = new Story();
      for (const { step, minutes, durée } of steps) {
        story.happens(step, "aube", {
          timestamp: base - day + minutes * minute,
          payload: durée === undefined ? {} : { durée_minutes: durée },
        });
      }
      return reportOf(story);
    };
    fc.assert(
      fc.property(shuffled, ([steps, otherwise]) => {
        expect(report(otherwise)).toEqual(report(steps));
      }),
      { numRuns: 100 },
    );
  });

  test("repeated are completed once, and their minutes add up", () => {
    const story = given(
      ["exploration_commencée"],
      ["valeurs_explorées", 3, { durée_minutes: 3 }],
      ["valeurs_explorées", 4, { durée_minutes: 4 }],
      ["compétences_révélées", 2],
      ["valeurs_explorées", 1],
    );
    expect(reportOf(story)).toMatchObject({
      progression: {
        étapes_complétées: ["exploration_commencée", "valeurs_explorées", "compétences_révélées"],
        temps_par_étape: { valeurs_explorées: 7, compétences_révélées: 6 },
      },
      statut_actuel: "compétences_révélées",
    });
  });

  test("begin a new exploration after a job was chosen", () => {
    const story = given(
      ["exploration_commencée"],
      ["métier_choisi", 5],
      ["exploration_commencée", 60],
      ["valeurs_explorées", 2],
    );
    expect(reportOf(story)).toMatchObject({
      progression: { étapes_complétées: ["exploration_commencée", "valeurs_explorées"] },
      durée_totale_minutes: 2,
    });
  });

  test("of a new exploration give the same report however late its start arrives", () => {
    const base = new Story().now;
    const first: [JourneyStep, number][] = [
      ["exploration_commencée", 0],
      ["valeurs_explorées", 5],
      ["métier_choisi", 10],
    ];
    const second: [JourneyStep, number][] = [
      ["exploration_commencée", 100],
      ["valeurs_explorées", 103],
      ["compétences_révélées", 107],
    ];
    const report = (steps: [JourneyStep, number][]) => {
      const story = new Story();
      for (const [step, minutes] of steps) {
        story.happens(step, "aube", {
          timestamp: base - day + minutes * minute,
          payload: { ...(step === "métier_choisi" && { métier: "Coach" }), durée_minutes: minutes },
        });
      }
      return reportOf(story);
    };
    const inOrder = report([...first, ...second]);
    expect(inOrder.progression.étapes_complétées).toEqual(second.map(([step]) => step));
    fc.assert(
      fc.property(fc.shuffledSubarray(second, { minLength: second.length }), (late) => {
        expect(report([...first, ...late])).toEqual(inOrder);
      }),
    );
  });

  test("begin no new exploration by a start that arrives late", () => {
    const story = given(["valeurs_explorées"], ["métier_choisi", 5]);
    story.happens("exploration_commencée", "aube", { timestamp: story.now - 8 * minute });
    expect(reportOf(story)).toMatchObject({
      progression: {
        étapes_complétées: ["exploration_commencée", "valeurs_explorées", "métier_choisi"],
      },
      statut_actuel: "métier_choisi",
    });
  });

  test("told of late give the same report, whether they were before a new start or after it", () => {
    const base = new Story().now - day;
    const steps: [JourneyStep, number][] = [
      ["exploration_commencée", 0],
      ["compétences_révélées", 5],
      ["métier_choisi", 10],
      ["exploration_commencée", 100],
      ["valeurs_explorées", 103],
    ];
    const report = (order: readonly [JourneyStep, number][]) => {
      const story = new Story();
      for (const [step, minutes] of order) {
        story.happens(step, "aube", {
          timestamp: base + minutes * minute,
          payload: { ...(step === "métier_choisi" && { métier: "Coach" }), durée_minutes: minutes },
        });
      }
      return reportOf(story);
    };
    const inOrder = report(steps);
    expect(inOrder.statut_actuel).toBe("valeurs_explorées");
    fc.assert(
      fc.property(fc.shuffledSubarray(steps, { minLength: steps.length }), (told) => {
        expect(report(told)).toEqual(inOrder);
      }),
      { numRuns: 200 },
    );
    const twice = steps.filter(([step]) => step !== "compétences_révélées");
    expect(report(twice.slice(1).reverse()), "with one start alone").toEqual(inOrder);
  });

  test("done again in an exploration are all in it, however late the choice before it is told of", () => {
    const steps: JourneyStep[] = [
      "métier_choisi",
      "exploration_commencée",
      "valeurs_explorées",
      "compétences_révélées",
      "valeurs_explorées",
      "exploration_commencée",
    ];
    const tell = (order: readonly number[]) => {
      const story = new Story();
      for (const n of order) {
        story.happens(steps[n]!, "aube", {
          timestamp: story.now + (n - 60) * minute,
          payload: { ...(n === 0 && { métier: "Coach" }), durée_minutes: n },
        });
      }
      return story;
    };
    const inOrder = reportOf(tell([0, 1, 2, 3, 4, 5]));
    expect(inOrder.progression).toMatchObject({
      étapes_complétées: ["exploration_commencée", "valeurs_explorées", "compétences_révélées"],
      temps_par_étape: { valeurs_explorées: 2 + 4 },
    });
    for (const order of [[1, 2, 3, 4, 5, 0], [1, 2, 3, 0, 4, 5], [5, 4, 3, 2, 1, 0]]) {
      expect(reportOf(tell(order)), order.join()).toEqual(inOrder);
    }
  });

  test("of another parcours begin anew, and those of the one before are history", () => {
    const story = given(
      ["exploration_commencée", 0, { parcours_id: "one" }],
      ["valeurs_explorées", 5, { parcours_id: "one" }],
      ["exploration_commencée", 5, { parcours_id: "two" }],
    );
    story.happens("compétences_révélées", "aube", {
      timestamp: story.now - minute,
      payload: { parcours_id: "one" },
    });
    expect(reportOf(story).progression.étapes_complétées).toEqual(["exploration_commencée"]);
  });

  test("that name no parcours are of the one in which they were done, however late they are told", () => {
    const steps: [step: JourneyStep, parcours_id?: string][] = [
      ["exploration_commencée", "one"],
      ["tests_psychométriques_complétés"],
      ["métier_choisi"],
      ["valeurs_explorées", "two"],
      ["valeurs_explorées", "two"],
      ["compétences_révélées"],
    ];
    const tell = (...order: number[]) => {
      const story = new Story();
      for (const n of order) {
        const [step, parcours_id] = steps[n]!;
        story.happens(step, "aube", {
          timestamp: story.now + (n - 60) * minute,
          payload: {
            ...(step === "métier_choisi" && { métier: "Coach" }),
            ...(parcours_id && { parcours_id }),
            durée_minutes: n,
          },
        });
      }
      return reportOf(story);
    };
    const inOrder = tell(0, 1, 2, 3, 4, 5);
    expect(inOrder.progression).toMatchObject({
      étapes_complétées: ["valeurs_explorées", "compétences_révélées"],
      temps_par_étape: { valeurs_explorées: 3 + 4 },
    });
    const orders = [[0, 1, 3, 2, 4, 5], [0, 4, 2, 3, 5, 1], [0, 4, 5, 3, 2, 1], [3, 4, 0, 2, 5, 1]];
    for (const order of orders) {
      expect(tell(...order), order.join()).toEqual(inOrder);
    }
  });

  test("that name no parcours are of one that turns out to have begun before them", () => {
    const story = given(
      ["exploration_commencée", 0, { parcours_id: "one" }],
      ["compétences_révélées", 60, { parcours_id: "two" }],
    );
    const begun = story.now - 30 * minute;
    const late = (step: JourneyStep, timestamp: number, payload = {}) =>
      story.happens(step, "aube", { timestamp, payload });
    late("exploration_commencée", begun, { parcours_id: "two" });
    late("valeurs_explorées", begun + minute);
    expect(reportOf(story).progression.étapes_complétées)
      .toEqual(["exploration_commencée", "valeurs_explorées", "compétences_révélées"]);
  });
});

describe("the last step", () => {
  const transition_id = "c2a3b1de-54a8-5f0e-9a3e-6f3f3f0f6a01";
  /** The flywheel tells of a transition. */
  const tell = (story: Story, status: string, source_app = "aube") =>
    story.happens("transition_écosystème", "flywheel", {
      payload: { transition_id, source_app, target_app: "cv", status },
    });

  test.each(["requested", "notified", "rejected", "expired"])(
    "is not taken by a transition that is %s",
    (status) => {
      const story = given(["métier_choisi"]);
      tell(story, "requested");
      tell(story, status);
      expect(progressOf(readJourney(story.state))).toBe(85);
    },
  );

  test.each(["accepted", "completed"])(
    "is taken by a transition that is %s, and costs the user no minute",
    (status) => {
      const story = given(["exploration_commencée"], ["métier_choisi", 5]);
      story.passes(30 * minute);
      tell(story, "requested");
      tell(story, status);
      expect(reportOf(story)).toMatchObject({
        progression: { temps_par_étape: { métier_choisi: 5 } },
        durée_totale_minutes: 5,
        statut_actuel: "transition_écosystème",
      });
      expect(progressOf(readJourney(story.state))).toBe(100);
    },
  );

  test("is not taken by a transition of an exploration before this one", () => {
    const story = given(["exploration_commencée"], ["métier_choisi", 5]);
    tell(story, "requested");
    tell(story, "accepted");
    take(story, "exploration_commencée", 60);
    tell(story, "completed");
    expect(reportOf(story).progression.étapes_complétées).toEqual(["exploration_commencée"]);
  });

  test("is taken by a transition that still stands, where the same job is chosen in a new exploration", () => {
    const story = given(["exploration_commencée"], ["métier_choisi", 5]);
    tell(story, "requested");
    take(story, "exploration_commencée", 60);
    take(story, "métier_choisi", 5);
    tell(story, "accepted");
    expect(reportOf(story).statut_actuel).toBe("transition_écosystème");
  });

  test("is not taken for a job that was given up before the flywheel came to ask", () => {
    const story = given(
      ["exploration_commencée"],
      ["métier_choisi", 5],
      ["exploration_commencée", 60],
    );
    tell(story, "requested");
    tell(story, "accepted");
    expect(reportOf(story).progression.étapes_complétées).toEqual(["exploration_commencée"]);
  });

  test("is taken by the last transition to an app, however many were asked for to others", () => {
    const story = given(["métier_choisi"]);
    tell(story, "requested");
    for (let n = 0; n < 10; n++) {
      story.happens("transition_écosystème", "flywheel", {
        payload: {
          transition_id: crypto.randomUUID(),
          source_app: "aube",
          target_app: "rise",
          status: "requested",
        },
      });
    }
    tell(story, "accepted");
    expect(progressOf(readJourney(story.state))).toBe(100);
  });

  test("is not taken because another app says so", () => {
    const story = given(["métier_choisi"]);
    story.happens("transition_écosystème", "cv", {
      payload: { target_app: "letters", status: "accepted" },
    });
    expect(progressOf(readJourney(story.state))).toBe(85);
  });

  test("is not taken by a transition that another app asked for", () => {
    const story = given(["exploration_commencée"], ["valeurs_explorées", 5]);
    tell(story, "requested", "cv");
    tell(story, "accepted", "cv");
    expect(reportOf(story).statut_actuel).toBe("valeurs_explorées");
  });

  test.each<Record<string, unknown>>([{}, { status: " ", target_app: " ", app_cible: "\t" }])(
    "is not taken by an event that asks for a transition, but by one that asks for nothing: %j",
    (nothing) => {
      const story = given(["métier_choisi"]);
      for (const payload of [{ target_app: "cv" }, { target_app: " ", app_cible: "Phoenix CV" }]) {
        story.happens("transition_écosystème", "aube", { payload });
        expect(progressOf(readJourney(story.state))).toBe(85);
      }
      story.happens("transition_écosystème", "aube", { payload: nothing });
      expect(progressOf(readJourney(story.state))).toBe(100);
    },
  );
});

test("what is told together, and has one time, counts in the order in which it was told", () => {
  const explorations = given(
    ["exploration_commencée", 0, { parcours_id: "one" }],
    ["métier_choisi", 0, { parcours_id: "one" }],
    ["exploration_commencée", 0, { parcours_id: "two" }],
    ["valeurs_explorées", 0, { parcours_id: "two" }],
    ["compétences_révélées"],
  );
  expect(reportOf(explorations)).toMatchObject({
    progression: {
      étapes_complétées: ["exploration_commencée", "valeurs_explorées", "compétences_révélées"],
    },
    statut_actuel: "compétences_révélées",
  });

  const story = new Story();
  const steps = ["exploration_commencée", "métier_choisi", "exploration_commencée"] as const;
  for (const step of steps) take(story, step);
  expect(reportOf(story).progression.étapes_complétées).toEqual(["exploration_commencée"]);
  take(story, "valeurs_explorées");
  expect(reportOf(story).progression.étapes_complétées)
    .toEqual(["exploration_commencée", "valeurs_explorées"]);
});
