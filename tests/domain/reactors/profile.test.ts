import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { day, hour, minute } from "../../../shared/domain/duration.ts";
import { catalogueSchemas } from "../../../shared/domain/events/catalogue.ts";
import { chosenAt, lastChosenAt } from "../../../shared/domain/reactors/journey.ts";
import { kept, profileTypes, readProfile } from "../../../shared/domain/reactors/profile.ts";
import { Story } from "../../support/story.ts";

/** When everything happens that is {@link given}. */
const at = new Story().now;

function given(...events: [event_type: string, payload: Record<string, unknown>, app?: string][]) {
  const story = new Story();
  for (const [event_type, payload, app = "aube"] of events) {
    story.happens(event_type, app, { payload });
  }
  const { said_at: _, ...profile } = readProfile(story.state);
  return profile;
}

describe("a profile", () => {
  test("is what the user's exploration found out", () => {
    const profile = given(
      ["exploration_commencée", { motivations: ["Recherche sens", "Évolution compétences"] }],
      ["valeurs_explorées", { valeurs: ["autonomie", { nom: "créativité" }] }],
      ["compétences_révélées", {
        compétences: ["Python", { name: "Machine Learning" }],
        compétences_transférables: ["Communication", "Python"],
        compétences_à_valoriser: ["Python"],
        skills_to_highlight: ["Analytique"],
      }],
      ["tests_psychométriques_complétés", {
        big_five: { openness: 0.8, conscientiousness: 0.9, neuroticism: null },
        riasec: ["Investigative", "Realistic"],
        anxiety_level: 0.3,
      }],
      ["recommandations_générées", {
        recommandations: [
          { métier: "Data Scientist", score_compatibilité: 0.87, score_ia_résistance: 0.6 },
          "Coach",
          { titre: "Designer UX" },
          {},
        ],
      }],
      ["validation_ia_effectuée", {
        métier: "Data Scientist",
        score_résistance: 0.72,
        ia_narrative: "Résiste bien.",
      }],
      ["métier_choisi", { métier: "Data Scientist" }],
    );
    expect(profile).toEqual({
      motivations: ["Recherche sens", "Évolution compétences"],
      valeurs: ["autonomie", "créativité"],
      compétences: ["Python", "Machine Learning", "Communication"],
      compétences_à_valoriser: ["Python"],
      skills_to_highlight: ["Analytique"],
      big_five: { openness: 0.8, conscientiousness: 0.9 },
      riasec: ["Investigative", "Realistic"],
      anxiety_level: 0.3,
      recommandations: [
        {
          métier: "Data Scientist",
          rating: { at, score_ia_résistance: 0.6 },
        },
        { métier: "Coach" },
        { métier: "Designer UX" },
      ],
      validations: [
        {
          métier: "Data Scientist",
          rating: { at, score_ia_résistance: 0.72, ia_narrative: "Résiste bien." },
        },
      ],
      choix: {
        at,
        métier: "Data Scientist",
        rating: {
          at,
          score_ia_résistance: 0.72,
          ia_narrative: "Résiste bien.",
        },
      },
    });
  });

  test("has nothing that nobody said", () => {
    expect(given(["valeurs_explorées", {}], ["compétences_révélées", { compétences: [] }]))
      .toEqual({});
    expect(given(["métier_choisi", { métier: "Coach" }])).toEqual({
      choix: { at, métier: "Coach" },
    });
  });

  test("keeps what was said where a later event leaves it out, and replaces what it says anew", () => {
    expect(given(
      ["valeurs_explorées", { valeurs: ["autonomie"] }],
      ["valeurs_explorées", {}],
      ["tests_psychométriques_complétés", { anxiety_level: 0.8 }],
      ["mood.logged", { mood_score: 6, anxiety_level: 0.2 }, "rise"],
      ["mood.logged", { mood_score: 6 }, "rise"],
    )).toEqual({ valeurs: ["autonomie"], anxiety_level: 0.2 });
  });

  test("forgets the scores of a job for another that is chosen instead", () => {
    expect(
      given(
        ["métier_choisi", { métier: "Data Scientist", score_ia_résistance: 0.5 }],
        ["métier_choisi", { métier: "Coach" }],
      ).choix,
    ).toEqual({ at, other_at: at, métier: "Coach" });
  });

  test("forgets the skills that another job asked for, and keeps those of the same job and of the user", () => {
    const asked = { compétences_à_valoriser: ["Python"], skills_to_highlight: ["Analytique"] };
    const profile = (métier: string) =>
      given(
        ["compétences_révélées", { compétences_à_valoriser: ["Accueil"] }],
        ["métier_choisi", { métier: "Data Scientist", ...asked }],
        ["métier_choisi", { métier }],
      );
    for (const métier of ["Data Scientist", "Boulanger"]) {
      expect(profile(métier).compétences_à_valoriser).toEqual(["Accueil"]);
    }
    expect(profile("data scientist").choix).toMatchObject(asked);
    expect(profile("Boulanger").choix).toEqual({ at, other_at: at, métier: "Boulanger" });
  });

  test("is about the job chosen last, however late one that was chosen before is told of", () => {
    const story = new Story();
    const choose = (métier: string, timestamp: number) =>
      story.happens("métier_choisi", "aube", { timestamp, payload: { métier } });
    choose("Coach", story.now);
    choose("Boulanger", story.now - day);
    expect(readProfile(story.state).choix).toMatchObject({ at: story.now, métier: "Coach" });
    choose("coach", story.now - hour);
    expect(readProfile(story.state).choix?.at, "when it was first").toBe(story.now - hour);
  });

  test("says of a job that is chosen again since when no other was, in whatever order that is told", () => {
    const choices = [["Coach", 1], ["Boulanger", 2], ["coach", 3]] as const;
    fc.assert(
      fc.property(fc.shuffledSubarray([...choices], { minLength: choices.length }), (told) => {
        const story = new Story();
        const begun = story.now;
        story.passes(10 * day);
        for (const [métier, days] of told) {
          story.happens("métier_choisi", "aube", {
            timestamp: begun + days * day,
            payload: { métier, compétences_à_valoriser: [`${days}`] },
          });
        }
        expect(chosenAt(story.state)).toBe(begun + 3 * day);
        expect(readProfile(story.state).choix?.compétences_à_valoriser).toEqual(["3"]);
      }),
    );
  });

  test("says when a job was chosen last, though a choice before that is told of late", () => {
    const story = new Story();
    const choose = (timestamp: number) =>
      story.happens("métier_choisi", "aube", { timestamp, payload: { métier: "Coach" } });
    choose(story.now - 40 * day);
    choose(story.now);
    choose(story.now - 20 * day);
    expect(lastChosenAt(story.state)).toBe(story.now);
  });

  test("keeps what is known of a job that is chosen again, or written otherwise", () => {
    const rated = { métier: "Data scientist", score_ia_résistance: 0.72 };
    expect(
      given(
        ["recommandations_générées", { recommandations: [rated] }],
        ["métier_choisi", { métier: "Data Scientist" }],
        ["métier_choisi", { métier: "DATA SCIENTIST", score_compatibilité: 0.9 }],
        ["recommandations_générées", { recommandations: ["Coach"] }],
        ["validation_ia_effectuée", { métier: "data scientist", ia_narrative: "Résiste bien." }],
        ["métier_choisi", { métier: "Data Scientist" }],
      ).choix,
    ).toMatchObject({
      métier: "Data Scientist",
      rating: { score_ia_résistance: 0.72, ia_narrative: "Résiste bien." },
    });
  });

  test("is what was said last, however late what was said before is told of", () => {
    const story = new Story();
    const say = (event_type: string, payload: Record<string, unknown>, timestamp: number) =>
      story.happens(event_type, "aube", { timestamp, payload });
    say("valeurs_explorées", { valeurs: ["autonomie"] }, story.now);
    say("mood.logged", { mood_score: 8, anxiety_level: 0.1 }, story.now);
    say("valeurs_explorées", { valeurs: ["argent"] }, story.now - day);
    say(
      "tests_psychométriques_complétés",
      { anxiety_level: 0.9, riasec: ["Social"] },
      story.now - day,
    );
    expect(readProfile(story.state)).toMatchObject({
      valeurs: ["autonomie"],
      anxiety_level: 0.1,
      riasec: ["Social"],
    });
  });

  test("changes with events of its types alone", () => {
    for (const [event_type, { examples = [] }] of Object.entries(catalogueSchemas())) {
      const tells = examples.map((payload) => {
        const story = new Story();
        const before = readProfile(story.state);
        story.happens(event_type, "aube", { payload: payload as Record<string, unknown> });
        return readProfile(story.state) !== before;
      });
      expect(tells.includes(true), event_type).toBe(
        (profileTypes as readonly string[]).includes(event_type),
      );
    }
  });

  test("takes an estimate that comes after the choice for the chosen job", () => {
    expect(
      given(
        ["métier_choisi", { métier: "Coach", score_compatibilité: 0.7 }],
        ["validation_ia_effectuée", { ia_resistance_score: 0.9 }],
      ).choix,
    ).toEqual({
      at,
      métier: "Coach",
      rating: { at, score_ia_résistance: 0.9 },
    });
  });

  test("takes an estimate that comes after new recommendations for the best of them, not for the job chosen before", () => {
    const story = new Story();
    const say = (event_type: string, payload: Record<string, unknown>) => {
      story.passes(day);
      story.happens(event_type, "aube", { payload });
    };
    say("métier_choisi", { métier: "Boulanger", score_ia_résistance: 0.9 });
    say("exploration_commencée", {});
    say("recommandations_générées", { recommandations: ["Data Scientist"] });
    say("validation_ia_effectuée", { score_ia_résistance: 0.2, ia_narrative: "Menacé." });
    expect(readProfile(story.state).choix).toMatchObject({
      métier: "Boulanger",
      rating: { score_ia_résistance: 0.9 },
    });
    say("métier_choisi", { métier: "Data Scientist" });
    const estimate = { score_ia_résistance: 0.2, ia_narrative: "Menacé." };
    expect(readProfile(story.state).choix).toMatchObject({
      métier: "Data Scientist",
      rating: estimate,
    });
    say("validation_ia_effectuée", { score_ia_résistance: 0.4 });
    expect(readProfile(story.state).choix?.rating).toMatchObject({ score_ia_résistance: 0.4 });
  });

  test("takes an estimate that names no job for the one that the user looked at then, however late it is told", () => {
    const said: [event_type: string, minutes: number, payload: Record<string, unknown>][] = [
      ["recommandations_générées", 1, { recommandations: ["Data Scientist", "Coach"] }],
      ["métier_choisi", 3, { métier: "Coach" }],
      ["recommandations_générées", 5, { recommandations: ["Boulanger", "Coach"] }],
      ["métier_choisi", 7, { métier: "Coach" }],
    ];
    const tell = (minutes: number, told: number) => {
      const story = new Story();
      const steps = said.slice(0, 4);
      const estimate: typeof said[number] = [
        "validation_ia_effectuée",
        minutes,
        { score_ia_résistance: 0.2 },
      ];
      for (const [event_type, at, payload] of steps.toSpliced(told, 0, estimate)) {
        story.happens(event_type, "aube", { timestamp: story.now + (at - 10) * minute, payload });
      }
      const { choix, validations } = readProfile(story.state);
      return { choix: choix?.rating?.score_ia_résistance, of: validations?.[0]?.métier };
    };
    const other = (of: string) => ({ choix: undefined, of });
    const coach = { choix: 0.2, of: "Coach" };
    expect([2, 4, 6, 8].map((minutes, index) => tell(minutes, index + 1)), "in order")
      .toEqual([other("Data Scientist"), coach, other("Boulanger"), coach]);
    expect(tell(2, 2), "after the choice").toEqual(other("Data Scientist"));
    expect(tell(4, 4), "after the last of all").toEqual(coach);
    expect(tell(6, 4), "after the job was chosen again").toEqual(other("Boulanger"));
    expect(tell(2, 4), "of recommendations that are forgotten").toEqual({});
    expect(tell(0, 4), "of nothing").toEqual({});
  });

  test.each<[string, [event_type: string, minutes: number, payload: Record<string, unknown>][]]>([
    ["a job is chosen", [
      ["recommandations_générées", 1, { recommandations: ["Coach"] }],
      ["métier_choisi", 2, { métier: "Data Scientist" }],
      ["métier_choisi", 4, { métier: "Boulanger" }],
    ]],
    ["others are recommended", [
      ["métier_choisi", 1, { métier: "Coach" }],
      ["recommandations_générées", 2, { recommandations: ["Data Scientist"] }],
      ["recommandations_générées", 4, { recommandations: ["Boulanger"] }],
    ]],
  ])("takes an estimate of a job that is forgotten since %s for no other", (_, said) => {
    const last = said.length - 1;
    for (const told of [said, said.with(1, said[last]!).with(last, said[1]!)]) {
      const story = new Story();
      const estimate = ["validation_ia_effectuée", 3, { score_ia_résistance: 0.2 }] as const;
      for (const [event_type, minutes, payload] of [...told, estimate]) {
        const timestamp = story.now + (minutes - 10) * minute;
        story.happens(event_type, "aube", { timestamp, payload });
      }
      expect(readProfile(story.state).validations).toBeUndefined();
    }
  });

  test("has the job recommended first where no others are said", () => {
    const recommended = (payload: Record<string, unknown>) =>
      given(["recommandations_générées", payload]).recommandations;
    for (const recommandations of [undefined, null, [], [{}]]) {
      expect(recommended({ recommandations, top_métier: "Data Scientist" }))
        .toEqual([{ métier: "Data Scientist" }]);
    }
    expect(recommended({ recommandations: ["Coach"], top_métier: "Data Scientist" }))
      .toEqual([{ métier: "Coach" }]);
    expect(recommended({ top_métier: " " })).toBeUndefined();
  });

  test("has a thing's name wherever it stands, though another field is left blank", () => {
    expect(given(
      ["valeurs_explorées", { valeurs: [{ nom: " ", name: "autonomie" }, { nom: "", name: "" }] }],
      ["recommandations_générées", { recommandations: [{ nom: "", métier: "Coach" }] }],
    )).toMatchObject({ valeurs: ["autonomie"], recommandations: [{ métier: "Coach" }] });
  });

  test("has of a job what Aube estimated last, in whatever order it is told", () => {
    const ratings: [event_type: string, days: number, payload: Record<string, unknown>][] = [
      ["validation_ia_effectuée", 1, { métier: "Coach", score_ia_résistance: 0.3 }],
      [
        "validation_ia_effectuée",
        2,
        { métier: "coach", score_ia_résistance: 0.1, ia_narrative: "Menacé." },
      ],
      [
        "recommandations_générées",
        200,
        {
          recommandations: [{
            métier: "Coach",
            score_ia_résistance: 0.9,
            score_compatibilité: 0.8,
          }],
        },
      ],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(ratings, { minLength: ratings.length }), (told) => {
        const story = new Story();
        for (const [event_type, days, payload] of told) {
          story.happens(event_type, "aube", {
            timestamp: story.now + (days - 300) * day,
            payload,
          });
        }
        story.happens("métier_choisi", "aube", { payload: { métier: "Coach" } });
        expect(readProfile(story.state).choix?.rating, "and no words about another estimate")
          .toEqual({
            at: story.now - 100 * day,
            score_ia_résistance: 0.9,
          });
      }),
    );
  });

  test("has the estimate that was made last, though the choice says how well the job fits and not more", () => {
    const said: [event_type: string, minutes: number, payload: Record<string, unknown>][] = [
      ["validation_ia_effectuée", 0, { score_ia_résistance: 0.3 }],
      ["validation_ia_effectuée", 1, { score_ia_résistance: 0.9 }],
      ["métier_choisi", 2, { score_compatibilité: 0.5 }],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(said, { minLength: said.length }), (told) => {
        const story = new Story();
        for (const [event_type, minutes, payload] of told) {
          story.happens(event_type, "aube", {
            timestamp: story.now + (minutes - 10) * minute,
            payload: { métier: "Coach", ...payload },
          });
        }
        expect(readProfile(story.state).choix?.rating).toEqual({
          at: story.now - 9 * minute,
          score_ia_résistance: 0.9,
        });
      }),
    );
  });

  test("lets an estimate that is told late say only what is not known", () => {
    const story = new Story();
    const say = (event_type: string, daysAgo: number, payload: Record<string, unknown>) =>
      story.happens(event_type, "aube", {
        timestamp: story.now - daysAgo * day,
        payload: { métier: "Coach", ...payload },
      });
    say("validation_ia_effectuée", 0, { score_ia_résistance: 0.9 });
    say("métier_choisi", 0, {});
    say("validation_ia_effectuée", 30, { score_ia_résistance: 0.1 });
    const { choix, validations } = readProfile(story.state);
    expect([choix?.rating, validations?.[0]?.rating]).toEqual([
      { at: story.now, score_ia_résistance: 0.9 },
      { at: story.now, score_ia_résistance: 0.9 },
    ]);
    say("validation_ia_effectuée", 20, { ia_narrative: "Résiste bien." });
    expect(readProfile(story.state).choix?.rating?.ia_narrative).toBe("Résiste bien.");
  });

  test("keeps the words about a job's resistance where only whether it passed is said anew", () => {
    const story = new Story();
    const say = (payload: Record<string, unknown>) => {
      story.passes(minute);
      story.happens("validation_ia_effectuée", "aube", {
        payload: { métier: "Coach", ...payload },
      });
    };
    say({ score_ia_résistance: 0.7, ia_narrative: "Résiste bien." });
    say({ validé: true });
    expect(readProfile(story.state).validations?.[0]?.rating).toMatchObject({
      score_ia_résistance: 0.7,
      ia_narrative: "Résiste bien.",
      validé: true,
    });
  });

  test("has names that can stand in a sentence, in one line and read in one direction", () => {
    const profile = given(
      ["valeurs_explorées", { valeurs: ["\u202Eautonomie", "\u2066 \u2069", "sens\tcommun"] }],
      ["métier_choisi", { métier: " Chef\r\n\u0000\u202E de\u00A0 projet\u202C " }],
      ["métier_choisi", { métier: "CHEF DE PROJET", score_ia_résistance: 0.8 }],
      ["métier_choisi", { métier: "\u202E" }],
      ["validation_ia_effectuée", { métier: "\u202E", score_ia_résistance: 0.7 }],
    );
    expect(profile).toEqual({
      valeurs: ["autonomie", "sens commun"],
      choix: {
        at,
        again_at: at,
        métier: "CHEF DE PROJET",
        rating: { at, score_ia_résistance: 0.8 },
      },
    });
  });

  test("reads interests with scores as a Holland code, the highest first", () => {
    const riasec = { Realistic: 20, Investigative: 90, Artistic: 45, Social: 60, Conventional: 0 };
    expect(given(["tests_psychométriques_complétés", { personality_insights: { riasec } }]))
      .toEqual({ riasec: ["Investigative", "Social", "Artistic"] });
  });

  test("leaves out an interest with a score of zero", () => {
    const riasec = { Realistic: 20, Social: 0 };
    expect(given(["tests_psychométriques_complétés", { riasec }])).toEqual({
      riasec: ["Realistic"],
    });
  });

  test("stays small whatever is sent", () => {
    const text = fc.string({ minLength: 200, maxLength: 500, unit: "grapheme" })
      .filter((text) => text.length <= 500);
    const texts = fc.array(text, { minLength: 50, maxLength: 80 });
    fc.assert(
      fc.property(texts, (texts) => {
        const profile = given(
          ["exploration_commencée", { motivations: texts }],
          ["valeurs_explorées", { valeurs: texts }],
          ["compétences_révélées", { compétences: texts, compétences_à_valoriser: texts }],
          ["recommandations_générées", { recommandations: texts }],
          ...texts.map((métier): [string, Record<string, unknown>] => [
            "validation_ia_effectuée",
            { métier, validé: false },
          ]),
        );
        for (const list of [profile.motivations, profile.valeurs, profile.compétences]) {
          expect(list!.length).toBeLessThanOrEqual(kept.items);
          for (const item of list!) {
            expect([...item].length).toBeLessThanOrEqual(kept.text);
            expect(item.isWellFormed()).toBe(true);
          }
        }
        expect(profile.recommandations!.length).toBeLessThanOrEqual(kept.jobs);
        expect(profile.validations!.length).toBeLessThanOrEqual(kept.jobs);
        expect(profile.verdicts!.length).toBeLessThanOrEqual(kept.items);
      }),
      { numRuns: 10 },
    );
  });
});
