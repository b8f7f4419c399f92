import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { day, minute } from "../../../shared/domain/duration.ts";
import type { ExpiryEffect, TransitionEffect } from "../../../shared/domain/effect.ts";
import { transitionContext } from "../../../shared/domain/events/transition-context.ts";
import { fold, type State } from "../../../shared/domain/fold.ts";
import { profile } from "../../../shared/domain/reactors/profile.ts";
import { transitions } from "../../../shared/domain/reactors/transitions.ts";
import { defaultSettings } from "../../../shared/domain/settings.ts";
import { effectId } from "../../../shared/flywheel/effect-id.ts";
import { uuidV5 } from "../../../shared/flywheel/uuid.ts";
import { type Happening, Story, typesOf } from "../../support/story.ts";

/** What is published, by Aube where nothing else is said. */
type Said = Partial<Happening> & Pick<Happening, "event_type">;

/** What becomes of transitions. */
type Handling = TransitionEffect | ExpiryEffect;

/** A story in which these things happened, a minute after each other. */
function given(...said: Said[]): Story {
  const story = new Story();
  happen(story, ...said);
  return story;
}

/** What follows for transitions when these things happen. */
function happen(story: Story, ...said: Said[]): Handling[] {
  return handlings(story, () => {
    for (const { event_type, app_source = "aube", ...more } of said) {
      story.passes(minute);
      story.happens(event_type, app_source, more);
    }
  });
}

/** What follows for them when nothing happens for a while. */
function wait(story: Story, milliseconds: number): Handling[] {
  return handlings(story, () => story.passes(milliseconds));
}

function handlings(story: Story, act: () => void): Handling[] {
  const before = story.effects.length;
  act();
  return story.effects.slice(before).flatMap(({ effect }) =>
    effect.kind === "transition" || effect.kind === "expiry" ? [effect] : []
  );
}

/** The id of the last transition to an app. */
function lastTo(story: Story, target: string): string {
  const last = story.effects.findLast(({ effect }) =>
    effect.kind === "transition" && effect.target_app === target
  );
  return effectId(story.user_id, last!.cause, last!.effect);
}

function chosen(métier = "Data Scientist", more: Record<string, unknown> = {}): Said {
  return { event_type: "métier_choisi", payload: { métier, ...more } };
}

/** The flywheel tells what became of a transition. */
function told(
  transition_id: string,
  target_app: string,
  status: string,
  more: Record<string, unknown> = {},
): Said {
  return {
    event_type: "transition_écosystème",
    app_source: "flywheel",
    payload: { transition_id, source_app: "aube", target_app, status, ...more },
  };
}

function targetsOf(handlings: readonly Handling[]): string[] {
  return handlings.flatMap((each) => each.kind === "transition" ? [each.target_app] : []);
}

function contextTo(
  target: string,
  handlings: readonly Handling[],
): Record<string, unknown> | undefined {
  return handlings.flatMap((each) =>
    each.kind === "transition" && each.target_app === target ? [each.context] : []
  )[0];
}

/** The exploration of the product's documents. */
const exploration: readonly Said[] = [
  {
    event_type: "exploration_commencée",
    payload: { motivations: ["recherche_sens", "évolution_compétences"] },
  },
  { event_type: "valeurs_explorées", payload: { valeurs: ["autonomie"] } },
  {
    event_type: "compétences_révélées",
    payload: {
      compétences: ["Python", "Machine Learning", "Analyse données", "Communication"],
      skills_to_highlight: ["Analytique", "Résolution problèmes"],
    },
  },
  {
    event_type: "tests_psychométriques_complétés",
    payload: {
      big_five: { openness: 0.8, conscientiousness: 0.9 },
      riasec: ["Investigative", "Realistic"],
      anxiety_level: 0.3,
    },
  },
];

describe("given an exploration", () => {
  test("when a job is chosen, then CV, Letters and Rise get the contexts of the product's documents", () => {
    const effects = happen(
      given(...exploration),
      chosen("Data Scientist", { score_compatibilité: 0.87, score_ia_résistance: 0.72 }),
    );
    expect(targetsOf(effects)).toEqual(["cv", "letters", "rise"]);
    expect(contextTo("cv", effects)).toEqual({
      métier_choisi: "Data Scientist",
      compétences_à_valoriser: ["Python", "Machine Learning", "Analyse données", "Communication"],
      skills_to_highlight: ["Analytique", "Résolution problèmes"],
      transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
      ia_resistance_score: 0.72,
    });
    expect(contextTo("letters", effects)).toEqual({
      reconversion_story: "Transition validée vers Data Scientist",
      ia_narrative: "Métier choisi résistant aux disruptions IA",
      motivation_context: ["Recherche sens", "Évolution compétences", "Autonomie"],
      personality_insights: {
        big_five: { openness: 0.8, conscientiousness: 0.9 },
        riasec: ["Investigative", "Realistic"],
      },
    });
    expect(contextTo("rise", effects)).toEqual({
      transformation_goal: "Data Scientist",
      coaching_focus: "IA-proof career transition",
      anxiety_level: 0.3,
    });
  });

  test.each([10, 60, 100])(
    "when a job's name has %i bold letters, then all of it is handed over",
    (length) => {
      const métier = "𝗖".repeat(length);
      const effects = happen(new Story(), chosen(métier));
      expect(targetsOf(effects)).toEqual(["cv", "letters", "rise"]);
      expect(contextTo("cv", effects)).toMatchObject({ métier_choisi: métier });
    },
  );

  test("when a job's name is longer than any, then its beginning is handed over", () => {
    const effects = happen(new Story(), chosen("𝗖".repeat(101)));
    expect(contextTo("cv", effects)).toMatchObject({ métier_choisi: "𝗖".repeat(99) + "…" });
  });

  test("when a job is chosen that AI threatens, then nobody is told that it resists", () => {
    const effects = happen(new Story(), chosen("Traducteur", { score_ia_résistance: 0.3 }));
    expect(contextTo("letters", effects)).not.toHaveProperty("ia_narrative");
    expect(contextTo("rise", effects)).not.toHaveProperty("coaching_focus");
    expect(contextTo("cv", effects)).toMatchObject({ ia_resistance_score: 0.3 });
  });

  test("when Aube has estimated the job, then its own words are handed over", () => {
    const effects = happen(
      given({
        event_type: "validation_ia_effectuée",
        payload: {
          métier: "Coach",
          score_ia_résistance: 0.9,
          ia_narrative: "Un métier du lien, que l'IA n'imite pas.",
        },
      }),
      chosen("Coach"),
    );
    expect(contextTo("letters", effects)).toMatchObject({
      ia_narrative: "Un métier du lien, que l'IA n'imite pas.",
    });
    expect(contextTo("cv", effects)).toMatchObject({ ia_resistance_score: 0.9 });
  });
});

test("given a job with skills of its own, when another is chosen, then CV gets those of the user", () => {
  const asked = { compétences_à_valoriser: ["SQL"], skills_to_highlight: ["Rigueur"] };
  const story = given(...exploration);
  const first = happen(story, chosen("Data Scientist", asked));
  expect(contextTo("cv", first)).toMatchObject(asked);
  const second = happen(story, chosen("Boulanger"));
  expect(contextTo("cv", second)).toMatchObject({
    métier_choisi: "Boulanger",
    compétences_à_valoriser: ["Python", "Machine Learning", "Analyse données", "Communication"],
    skills_to_highlight: ["Analytique", "Résolution problèmes"],
  });
});

test("given a chosen job whose name says nothing, then nobody is handed over, for the job before neither", () => {
  expect(happen(new Story(), chosen("\u202E"))).toEqual([]);
  expect(happen(given(chosen("Coach")), chosen("\u202E"))).toEqual([]);
});

test("given nothing but the choice, then what nobody said is left out", () => {
  const effects = happen(new Story(), chosen());
  expect(contextTo("cv", effects)).toEqual({
    métier_choisi: "Data Scientist",
    transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
  });
  expect(contextTo("letters", effects)).toEqual({
    reconversion_story: "Transition validée vers Data Scientist",
  });
  expect(contextTo("rise", effects)).toEqual({ transformation_goal: "Data Scientist" });
});

test("given a job of which Aube said last that it did not pass, then nobody is told that it is validated", () => {
  const verdict = (validé: boolean | null, métier = "Coach") => ({
    event_type: "validation_ia_effectuée",
    payload: { métier, validé },
  });
  const sentences = (...said: Said[]) => {
    const effects = happen(given(...said), chosen("Coach", { score_ia_résistance: 0.1 }));
    return [
      contextTo("cv", effects)?.transition_narrative,
      contextTo("letters", effects)?.reconversion_story,
    ];
  };
  const refused = ["Reconversion vers Coach", "Transition vers Coach"];
  const passed = [
    "Reconversion vers Coach validée par Phoenix Aube",
    "Transition validée vers Coach",
  ];
  expect(sentences(verdict(false))).toEqual(refused);
  expect(sentences(verdict(true), verdict(false), verdict(null))).toEqual(refused);
  expect(sentences(verdict(false), verdict(true))).toEqual(passed);
  expect(sentences(verdict(false, "Boulanger"), verdict(null))).toEqual(passed);
  const others = ["A", "B", "C", "D", "E", "F"].map((job) => verdict(true, job));
  expect(sentences(verdict(false), ...others), "others were estimated since").toEqual(refused);
  expect(sentences(verdict(false), ...others, verdict(null))).toEqual(refused);
  expect(sentences(verdict(false), ...others, verdict(true), ...others)).toEqual(passed);
});

test("whatever was said before, contexts pass the catalogue's schema and hold nothing empty", () => {
  const payloads = fc.array(
    fc.constantFrom<Said>(
      ...exploration,
      { event_type: "valeurs_explorées", payload: { valeurs: [] } },
      { event_type: "compétences_révélées", payload: { compétences: [{ nom: "SQL" }, {}] } },
      { event_type: "tests_psychométriques_complétés", payload: { riasec: { Social: 80 } } },
      {
        event_type: "tests_psychométriques_complétés",
        payload: { riasec: { "Investigative (recherche, analyse, sciences de la donnée)": 80 } },
      },
      { event_type: "recommandations_générées", payload: { recommandations: [{ nom: "  " }] } },
      { event_type: "validation_ia_effectuée", payload: { métier: " ", score_résistance: 0.7 } },
      { event_type: "mood.logged", app_source: "rise", payload: { mood_score: 2 } },
      { event_type: "mirror_match.performed", app_source: "letters", payload: { gaps: ["SQL"] } },
    ),
  );
  fc.assert(fc.property(payloads, (said) => {
    for (const effect of happen(given(...said), chosen())) {
      if (effect.kind !== "transition") continue;
      expect(transitionContext.safeParse(effect.context).success).toBe(true);
      for (const value of Object.values(effect.context)) {
        expect(value).not.toBeNull();
        if (typeof value === "object") expect(Object.keys(value as object)).not.toEqual([]);
      }
    }
  }));
});

describe("given a chosen job", () => {
  test("when it is chosen again, then nothing follows, however it is written", () => {
    expect(happen(given(chosen("Coach")), chosen(" coach "))).toEqual([]);
  });

  test("when another job is chosen, then all three are asked anew", () => {
    const effects = happen(given(chosen("Coach")), chosen("Designer UX"));
    expect(targetsOf(effects)).toEqual(["cv", "letters", "rise"]);
    expect(contextTo("cv", effects)).toMatchObject({ métier_choisi: "Designer UX" });
  });

  test("when one that was chosen before it is told of late, then nothing follows", () => {
    const story = given(chosen("Coach"));
    const before = { ...chosen("Boulanger"), timestamp: story.now - day };
    expect(happen(story, before)).toEqual([]);
    expect(happen(story, chosen("Coach"))).toEqual([]);
  });

  test("when one that was chosen between is told of late, then nothing follows", () => {
    const story = given(chosen("Coach"));
    const between = story.now + day;
    story.passes(2 * day);
    happen(story, chosen("Coach"));
    expect(happen(story, { ...chosen("Boulanger"), timestamp: between })).toEqual([]);
  });

  test.each(["rejected", "expired"])(
    "and a transition that was %s: when the job is chosen again, then that app alone is asked again",
    (status) => {
      const story = given(chosen("Coach"));
      happen(story, told(lastTo(story, "letters"), "letters", status));
      expect(targetsOf(happen(story, chosen("Coach")))).toEqual(["letters"]);
    },
  );

  test.each(["notified", "accepted", "completed"])(
    "and a transition that was %s: when the job is chosen again, then nothing follows",
    (status) => {
      const story = given(chosen("Coach"));
      happen(story, told(lastTo(story, "cv"), "cv", status));
      expect(happen(story, chosen("Coach"))).toEqual([]);
    },
  );
});

describe("given open transitions", () => {
  test("when nobody answers for seven days, then they expire, once", () => {
    const story = given(chosen());
    const ids = (["cv", "letters", "rise"] as const).map((target) => lastTo(story, target));
    expect(wait(story, 7 * day - 1)).toEqual([]);
    expect(wait(story, 1)).toEqual(
      ids.map((transition_id) => ({ kind: "expiry", transition_id })),
    );
    expect(wait(story, 70 * day)).toEqual([]);
  });

  test.each(["accepted", "rejected"])("when one was %s, then it does not expire", (status) => {
    const story = given(chosen());
    happen(story, told(lastTo(story, "cv"), "cv", status));
    const effects = wait(story, 8 * day);
    expect(effects).toHaveLength(2);
    expect(effects).not.toContainEqual(
      expect.objectContaining({ transition_id: lastTo(story, "cv") }),
    );
  });

  test("when one was only notified, then it expires all the same", () => {
    const story = given(chosen());
    happen(story, told(lastTo(story, "cv"), "cv", "notified"));
    expect(wait(story, 8 * day)).toHaveLength(3);
  });

  test("when an app accepts as its time runs out, then the last word counts", () => {
    const story = given(chosen("Coach"));
    const cv = lastTo(story, "cv");
    wait(story, 7 * day);
    happen(story, told(cv, "cv", "accepted"));
    expect(targetsOf(happen(story, chosen("Coach")))).not.toContain("cv");
  });

  test("when another job supersedes them, then the old ones do not touch the new", () => {
    const story = given(chosen("Coach"));
    const old = lastTo(story, "cv");
    happen(story, chosen("Designer UX"));
    const successor = lastTo(story, "cv");
    expect(successor).not.toBe(old);
    happen(story, told(old, "cv", "expired", { reason: "superseded" }));
    expect(wait(story, 8 * day)).toContainEqual({
      kind: "expiry",
      transition_id: successor,
    });
  });

  test("when one is asked for by hand, then it has its own time", () => {
    const transition_id = crypto.randomUUID();
    const story = new Story();
    const expires_at = new Date(story.now + 2 * day).toISOString();
    happen(story, told(transition_id, "rise", "requested", { context: {}, expires_at }));
    expect(wait(story, day)).toEqual([]);
    expect(wait(story, day)).toEqual([{ kind: "expiry", transition_id }]);
  });
});

describe("when an app says that the user moves on", () => {
  const movesOn = (payload: Record<string, unknown>, app_source = "aube"): Said => ({
    event_type: "transition_écosystème",
    app_source,
    payload,
  });

  test("then the target app gets what is known, and what was said goes before it", () => {
    const effects = happen(
      given(...exploration),
      movesOn({
        target_app: "phoenix_rise",
        transition_context: { confidence_baseline: "medium", anxiety_level: 0.5 },
      }),
    );
    expect(effects).toMatchObject([{
      source_app: "aube",
      target_app: "rise",
      context: { confidence_baseline: "medium", anxiety_level: 0.5 },
    }]);
  });

  test("in French: then it is understood", () => {
    const effects = happen(
      new Story(),
      movesOn({ app_cible: "letters", contexte: { reconversion_story: "…" } }, "cv"),
    );
    expect(effects).toMatchObject([{
      source_app: "cv",
      target_app: "letters",
      context: { reconversion_story: "…" },
    }]);
  });

  test("in French, and left blank in English: then it is understood as well", () => {
    const effects = happen(new Story(), movesOn({ target_app: " ", app_cible: "letters" }, "cv"));
    expect(targetsOf(effects)).toEqual(["letters"]);
  });

  test("to an app that knows already, then nothing follows", () => {
    expect(happen(given(chosen()), movesOn({ target_app: "cv" }))).toEqual([]);
  });

  test.each(["requested", "accepted", "completed"])(
    "to an app whose transition is %s, and what was told already, then nothing follows",
    (status) => {
      const story = new Story();
      const said = { skills_to_highlight: ["Rigueur"], transition_narrative: "Récit" };
      happen(story, movesOn({ target_app: "cv", context: said }));
      happen(
        story,
        told(lastTo(story, "cv"), "cv", status, status === "requested" ? { context: said } : {}),
      );
      const again = { transition_narrative: "Récit", skills_to_highlight: ["Rigueur"] };
      expect(happen(story, movesOn({ target_app: "cv", context: again }))).toEqual([]);
    },
  );

  test.each(["requested", "notified", "accepted", "completed"])(
    "to an app whose transition is %s, and something else, then it is told",
    (status) => {
      const story = given(chosen("Coach"));
      if (status !== "requested") happen(story, told(lastTo(story, "cv"), "cv", status));
      const context = { transition_narrative: "Autre récit" };
      const effects = happen(story, movesOn({ target_app: "cv", context }));
      expect(effects).toMatchObject([{
        kind: "transition",
        target_app: "cv",
        context: { métier_choisi: "Coach", transition_narrative: "Autre récit" },
      }]);
      expect(happen(story, movesOn({ target_app: "cv", context }))).toEqual([]);
    },
  );

  test.each<[string, Record<string, unknown>]>([
    ["to itself", { target_app: "aube" }],
    ["to nobody", {}],
    ["to an app outside the family", { target_app: "receipt" }],
    ["and has arrived", { target_app: "cv", status: "completed" }],
    ["and names the transition", { target_app: "cv", transition_id: "t-1" }],
  ])("%s, then nothing follows", (_, payload) => {
    expect(happen(new Story(), movesOn(payload))).toEqual([]);
  });
});

test("a user's memory stays small however often they choose", () => {
  const story = new Story();
  for (let n = 0; n < 200; n++) happen(story, chosen(`Métier ${n}`));
  const size = JSON.stringify(story.state.transitions).length;
  for (let n = 0; n < 200; n++) happen(story, chosen(`Métier ${n}`));
  expect(JSON.stringify(story.state.transitions).length).toBeLessThanOrEqual(size + 10);
  expect(size).toBeLessThan(700);
});

describe("when an app did not take the user over", () => {
  const toRise = (story: Story) => lastTo(story, "rise");

  test.each([["rejected", "pas de place"], ["expired", "unanswered"]])(
    "because it %s, then the user is invited there by a nudge",
    (status, reason) => {
      const story = given(chosen());
      happen(story, told(toRise(story), "rise", status, { reason }));
      expect(typesOf(story.nudges)).toContain("ecosystem_to_rise");
    },
  );

  test("because another job took its place, then no nudge is needed", () => {
    const story = given(chosen());
    happen(story, told(toRise(story), "rise", "expired", { reason: "superseded" }));
    expect(typesOf(story.nudges)).not.toContain("ecosystem_to_rise");
  });

  test("but the user went there since they chose, then no nudge is needed", () => {
    const story = given(chosen());
    happen(story, { event_type: "meditation.completed", app_source: "rise" });
    happen(story, told(toRise(story), "rise", "expired", { reason: "unanswered" }));
    expect(typesOf(story.nudges)).not.toContain("ecosystem_to_rise");
  });

  test("as an app says of itself, then nobody is nudged: what the flywheel tells counts", () => {
    const story = given(chosen());
    happen(story, { ...told(toRise(story), "rise", "rejected"), app_source: "rise" });
    expect(typesOf(story.nudges)).not.toContain("ecosystem_to_rise");
  });
});

test("a replay, which folds all at once, has the effects of the day", () => {
  const user_id = crypto.randomUUID();
  const start = Date.parse("2025-01-15T14:30:00Z");
  const choices = fc.array(
    fc.record({ after: fc.nat(30 * day), métier: fc.constantFrom("Coach", "Designer UX") }),
    { maxLength: 12 },
  );
  fc.assert(fc.property(choices, (unordered) => {
    const events = unordered.toSorted((a, b) => a.after - b.after).map((
      { after, métier },
      index,
    ) => ({
      version: index + 1,
      event_id: uuidV5(user_id, String(index)),
      event_type: "métier_choisi",
      app_source: "aube",
      payload: { métier },
      correlation_id: null,
      timestamp: start + after,
      received_at: start + after,
      set_aside: false,
    }));
    const foldOf = (state: State, part: typeof events, now: number) =>
      fold([profile, transitions], {
        user_id,
        state,
        events: part,
        now,
        attempt: "early",
        settingsAt: () => defaultSettings,
        idOf: (cause, effect) => effectId(user_id, cause, effect),
      });
    const end = start + 60 * day;
    const atOnce = foldOf({}, events, end);
    const ofTheDay = [...events.map((event) => [event]), []].reduce(
      ({ state, effects }, part) => {
        const folded = foldOf(state, part, part[0]?.received_at ?? end);
        return { state: folded.state, effects: [...effects, ...folded.effects] };
      },
      { state: {} as State, effects: [] as typeof atOnce.effects },
    );
    expect(ofTheDay).toEqual({ state: atOnce.state, effects: atOnce.effects });
  }));
});
