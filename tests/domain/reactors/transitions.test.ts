import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { day, minute } from "../../../shared/domain/duration.ts";
import type { Effect } from "../../../shared/domain/effect.ts";
import type { StoredEvent } from "../../../shared/domain/events/envelope.ts";
import { transitionContext } from "../../../shared/domain/events/transition-context.ts";
import { fold, type State } from "../../../shared/domain/fold.ts";
import { profile } from "../../../shared/domain/reactors/profile.ts";
import { transitions } from "../../../shared/domain/reactors/transitions.ts";
import { defaultSettings } from "../../../shared/domain/settings.ts";
import { effectId } from "../../../shared/flywheel/effect-id.ts";

const start = Date.parse("2025-01-15T14:30:00Z");

/** What is published: a type, a payload, and how long after the start. */
interface Said {
  event_type: string;
  payload?: Record<string, unknown>;
  app_source?: string;
  /** Milliseconds after the start; a minute after the event before by default. */
  after?: number;
}

const user_id = "0197a3c4-7c1e-4d2a-9b60-3f1d2c4b5a69";

/** One user's story, told event by event. */
class Story {
  state: State = {};
  version = 0;
  time = start;
  effects: Effect[] = [];

  given(...said: Said[]): this {
    for (const each of said) this.#fold([this.#store(each)], undefined);
    return this;
  }

  /** What follows from these alone. */
  when(...said: Said[]): Effect[] {
    this.effects = [];
    this.given(...said);
    return this.effects;
  }

  /** What follows when nothing happens until then. */
  whenTimePasses(milliseconds: number): Effect[] {
    this.effects = [];
    this.time += milliseconds;
    this.#fold([], this.time);
    return this.effects;
  }

  wakeAt(): number | undefined {
    return transitions.wakeAt?.(this.state.transitions as never);
  }

  #store({ event_type, payload = {}, app_source = "aube", after }: Said): StoredEvent {
    this.version += 1;
    this.time = after === undefined ? this.time + minute : start + after;
    return {
      version: this.version,
      event_id: `00000000-0000-4000-8000-${String(this.version * 10).padStart(12, "0")}`,
      event_type,
      app_source,
      payload,
      correlation_id: null,
      timestamp: this.time,
      received_at: this.time,
      set_aside: false,
    };
  }

  #fold(events: StoredEvent[], now: number | undefined): void {
    const folded = fold([profile, transitions], {
      user_id,
      state: this.state,
      events,
      now,
      attempt: "early",
      settingsAt: () => defaultSettings,
      idOf: (cause, effect) => effectId(user_id, cause, effect),
    });
    expect(folded.failure).toBeUndefined();
    expect(folded.setAside).toEqual([]);
    this.state = folded.state;
    this.effects.push(...folded.effects.map(({ effect }) => effect));
  }
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

function targetsOf(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => effect.kind === "transition" ? [effect.target_app] : []);
}

function contextOf(effects: readonly Effect[], target: string): unknown {
  const [found] = effects.flatMap((effect) =>
    effect.kind === "transition" && effect.target_app === target ? [effect] : []
  );
  return found?.context;
}

function handoverTo(story: Story, target: "cv" | "letters" | "rise"): string {
  const { handovers } = story.state.transitions as {
    handovers: Record<string, { transition_id: string }>;
  };
  return handovers[target]!.transition_id;
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
    const effects = new Story().given(...exploration).when(
      chosen("Data Scientist", { score_compatibilité: 0.87, score_ia_résistance: 0.72 }),
    );
    expect(targetsOf(effects)).toEqual(["cv", "letters", "rise"]);
    expect(contextOf(effects, "cv")).toEqual({
      métier_choisi: "Data Scientist",
      compétences_à_valoriser: ["Python", "Machine Learning", "Analyse données", "Communication"],
      skills_to_highlight: ["Analytique", "Résolution problèmes"],
      transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
      ia_resistance_score: 0.72,
    });
    expect(contextOf(effects, "letters")).toEqual({
      reconversion_story: "Transition validée vers Data Scientist",
      ia_narrative: "Métier choisi résistant aux disruptions IA",
      motivation_context: ["Recherche sens", "Évolution compétences", "Autonomie"],
      personality_insights: {
        big_five: { openness: 0.8, conscientiousness: 0.9 },
        riasec: ["Investigative", "Realistic"],
      },
    });
    expect(contextOf(effects, "rise")).toEqual({
      transformation_goal: "Data Scientist",
      coaching_focus: "IA-proof career transition",
      anxiety_level: 0.3,
    });
  });

  test("when a job is chosen that AI threatens, then nobody is told that it resists", () => {
    const effects = new Story().when(chosen("Traducteur", { score_ia_résistance: 0.3 }));
    expect(contextOf(effects, "letters")).not.toHaveProperty("ia_narrative");
    expect(contextOf(effects, "rise")).not.toHaveProperty("coaching_focus");
    expect(contextOf(effects, "cv")).toMatchObject({ ia_resistance_score: 0.3 });
  });

  test("when Aube has estimated the job, then its own words are handed over", () => {
    const effects = new Story().given({
      event_type: "validation_ia_effectuée",
      payload: {
        métier: "Coach",
        score_ia_résistance: 0.9,
        ia_narrative: "Un métier du lien, que l'IA n'imite pas.",
      },
    }).when(chosen("Coach"));
    expect(contextOf(effects, "letters")).toMatchObject({
      ia_narrative: "Un métier du lien, que l'IA n'imite pas.",
    });
    expect(contextOf(effects, "cv")).toMatchObject({ ia_resistance_score: 0.9 });
  });
});

test("given nothing but the choice, then what nobody said is left out", () => {
  const effects = new Story().when(chosen());
  expect(contextOf(effects, "cv")).toEqual({
    métier_choisi: "Data Scientist",
    transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
  });
  expect(contextOf(effects, "letters")).toEqual({
    reconversion_story: "Transition validée vers Data Scientist",
  });
  expect(contextOf(effects, "rise")).toEqual({ transformation_goal: "Data Scientist" });
});

test("whatever was said before, contexts pass the catalogue's schema and hold nothing empty", () => {
  const payloads = fc.array(
    fc.constantFrom<Said>(
      ...exploration,
      { event_type: "valeurs_explorées", payload: { valeurs: [] } },
      { event_type: "compétences_révélées", payload: { compétences: [{ nom: "SQL" }, {}] } },
      { event_type: "tests_psychométriques_complétés", payload: { riasec: { Social: 80 } } },
      { event_type: "mood.logged", app_source: "rise", payload: { mood_score: 2 } },
      { event_type: "mirror_match.performed", app_source: "letters", payload: { gaps: ["SQL"] } },
    ),
  );
  fc.assert(fc.property(payloads, (said) => {
    for (const effect of new Story().given(...said).when(chosen())) {
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
    expect(new Story().given(chosen("Coach")).when(chosen(" coach "))).toEqual([]);
  });

  test("when another job is chosen, then all three are asked anew", () => {
    const effects = new Story().given(chosen("Coach")).when(chosen("Designer UX"));
    expect(targetsOf(effects)).toEqual(["cv", "letters", "rise"]);
    expect(contextOf(effects, "cv")).toMatchObject({ métier_choisi: "Designer UX" });
  });

  test.each(["rejected", "expired"])(
    "and a transition that was %s: when the job is chosen again, then that app alone is asked again",
    (status) => {
      const story = new Story().given(chosen("Coach"));
      story.given(told(handoverTo(story, "letters"), "letters", status));
      expect(targetsOf(story.when(chosen("Coach")))).toEqual(["letters"]);
    },
  );

  test.each(["notified", "accepted", "completed"])(
    "and a transition that was %s: when the job is chosen again, then nothing follows",
    (status) => {
      const story = new Story().given(chosen("Coach"));
      story.given(told(handoverTo(story, "cv"), "cv", status));
      expect(story.when(chosen("Coach"))).toEqual([]);
    },
  );
});

describe("given open transitions", () => {
  test("when nobody answers for seven days, then they expire, once", () => {
    const story = new Story().given(chosen());
    const ids = (["cv", "letters", "rise"] as const).map((target) => handoverTo(story, target));
    expect(story.wakeAt()).toBe(story.time + 7 * day);
    expect(story.whenTimePasses(7 * day - 1)).toEqual([]);
    expect(story.whenTimePasses(1)).toEqual(
      ids.map((transition_id) => ({ kind: "expiry", transition_id })),
    );
    expect(story.wakeAt()).toBeUndefined();
    expect(story.whenTimePasses(70 * day)).toEqual([]);
  });

  test.each(["accepted", "rejected"])("when one was %s, then it does not expire", (status) => {
    const story = new Story().given(chosen());
    story.given(told(handoverTo(story, "cv"), "cv", status));
    const effects = story.whenTimePasses(8 * day);
    expect(effects).toHaveLength(2);
    expect(effects).not.toContainEqual(
      expect.objectContaining({ transition_id: handoverTo(story, "cv") }),
    );
  });

  test("when one was only notified, then it expires all the same", () => {
    const story = new Story().given(chosen());
    story.given(told(handoverTo(story, "cv"), "cv", "notified"));
    expect(story.whenTimePasses(8 * day)).toHaveLength(3);
  });

  test("when an app accepts as its time runs out, then the last word counts", () => {
    const story = new Story().given(chosen("Coach"));
    const cv = handoverTo(story, "cv");
    story.whenTimePasses(7 * day);
    story.given(told(cv, "cv", "accepted"));
    expect(targetsOf(story.when(chosen("Coach")))).not.toContain("cv");
  });

  test("when another job supersedes them, then the old ones do not touch the new", () => {
    const story = new Story().given(chosen("Coach"));
    const old = handoverTo(story, "cv");
    story.given(chosen("Designer UX"));
    const successor = handoverTo(story, "cv");
    expect(successor).not.toBe(old);
    story.given(told(old, "cv", "expired", { reason: "superseded" }));
    expect(story.whenTimePasses(8 * day)).toContainEqual({
      kind: "expiry",
      transition_id: successor,
    });
  });

  test("when one is asked for by hand, then it has its own time", () => {
    const transition_id = crypto.randomUUID();
    const story = new Story().given(
      told(transition_id, "rise", "requested", {
        context: {},
        expires_at: new Date(start + 2 * day).toISOString(),
      }),
    );
    expect(story.wakeAt()).toBe(start + 2 * day);
    expect(story.whenTimePasses(2 * day)).toEqual([{ kind: "expiry", transition_id }]);
  });
});

describe("when an app says that the user moves on", () => {
  const movesOn = (payload: Record<string, unknown>, app_source = "aube"): Said => ({
    event_type: "transition_écosystème",
    app_source,
    payload,
  });

  test("then the target app gets what is known, and what was said goes before it", () => {
    const effects = new Story().given(...exploration).when(
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
    const effects = new Story().when(
      movesOn({ app_cible: "letters", contexte: { reconversion_story: "…" } }, "cv"),
    );
    expect(effects).toMatchObject([{
      source_app: "cv",
      target_app: "letters",
      context: { reconversion_story: "…" },
    }]);
  });

  test("to an app that knows already, then nothing follows", () => {
    expect(new Story().given(chosen()).when(movesOn({ target_app: "cv" }))).toEqual([]);
  });

  test.each<[string, Record<string, unknown>]>([
    ["to itself", { target_app: "aube" }],
    ["to nobody", {}],
    ["to an app outside the family", { target_app: "receipt" }],
    ["and has arrived", { target_app: "cv", status: "completed" }],
    ["and names the transition", { target_app: "cv", transition_id: "t-1" }],
  ])("%s, then nothing follows", (_, payload) => {
    expect(new Story().when(movesOn(payload))).toEqual([]);
  });
});

test("a user's memory stays small however often they choose", () => {
  const story = new Story();
  for (let n = 0; n < 200; n++) story.given(chosen(`Métier ${n}`));
  const size = JSON.stringify(story.state.transitions).length;
  for (let n = 0; n < 200; n++) story.given(chosen(`Métier ${n}`));
  expect(JSON.stringify(story.state.transitions).length).toBeLessThanOrEqual(size + 10);
  expect(size).toBeLessThan(1_000);
});

test("the same story has the same effects in every replay, in one go or bit by bit", () => {
  const said = fc.array(
    fc.record({
      event_type: fc.constantFrom("métier_choisi", "mood.logged"),
      after: fc.nat(30 * day),
      payload: fc.record({
        métier: fc.constantFrom("Coach", "Designer UX"),
        mood_score: fc.integer({ min: 1, max: 10 }),
      }),
    }),
    { maxLength: 12 },
  ).map((events) => events.toSorted((a, b) => a.after - b.after));
  fc.assert(fc.property(said, (events) => {
    const [one, other] = [new Story(), new Story()];
    const effects = [...one.when(...events), ...one.whenTimePasses(30 * day)];
    const bitByBit = [
      ...events.flatMap((each) => other.when(each)),
      ...other.whenTimePasses(30 * day),
    ];
    expect(bitByBit).toEqual(effects);
    expect(other.state).toEqual(one.state);
  }));
});
