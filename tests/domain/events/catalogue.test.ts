import { describe, expect, test } from "vitest";
import {
  catalogueSchemas,
  checkPayload,
  type EventType,
  eventTypes,
  isCatalogued,
} from "../../../shared/domain/events/catalogue.ts";
import { accepts } from "./json-schema.ts";

type Payload = Record<string, unknown>;

/** The least that each type must say, and the app whose type it is. */
const catalogue: Record<EventType, { app: string; least: Payload }> = {
  exploration_commencée: { app: "aube", least: {} },
  valeurs_explorées: { app: "aube", least: {} },
  compétences_révélées: { app: "aube", least: {} },
  tests_psychométriques_complétés: { app: "aube", least: {} },
  recommandations_générées: { app: "aube", least: {} },
  validation_ia_effectuée: { app: "aube", least: {} },
  métier_choisi: { app: "aube", least: { métier: "Coach" } },
  transition_écosystème: { app: "aube", least: {} },
  "cv.uploaded": { app: "cv", least: {} },
  "cv.generated": { app: "cv", least: {} },
  "cv.optimized": { app: "cv", least: {} },
  "template.selected": { app: "cv", least: {} },
  "ats_score.calculated": { app: "cv", least: { ats_score: 0 } },
  "letter.generated": { app: "letters", least: {} },
  "job_offer.analyzed": { app: "letters", least: {} },
  "mirror_match.performed": { app: "letters", least: {} },
  "personalization.applied": { app: "letters", least: {} },
  "coaching_session.started": { app: "rise", least: {} },
  "coaching_session.completed": { app: "rise", least: {} },
  "mood.logged": { app: "rise", least: { mood_score: 1 } },
  "goal.set": { app: "rise", least: {} },
  "progress.tracked": { app: "rise", least: {} },
  "meditation.completed": { app: "rise", least: {} },
  "journal.entry_created": { app: "rise", least: {} },
  "user.registered": { app: "any", least: {} },
  "user.login": { app: "any", least: {} },
  "user.logout": { app: "any", least: {} },
  "user.tier_updated": { app: "any", least: {} },
  "subscription.activated": { app: "any", least: {} },
  "feedback.submitted": { app: "any", least: {} },
  "nudge.shown": { app: "flywheel", least: { nudge_id: crypto.randomUUID() } },
  "nudge.clicked": { app: "flywheel", least: { nudge_id: crypto.randomUUID() } },
  "nudge.dismissed": { app: "flywheel", least: { nudge_id: crypto.randomUUID() } },
  "nudge.converted": { app: "flywheel", least: { nudge_id: crypto.randomUUID() } },
  "nudge.expired": { app: "flywheel", least: { nudge_id: crypto.randomUUID() } },
  "nudge.cancelled": { app: "flywheel", least: { nudge_id: crypto.randomUUID() } },
};

const schemas = catalogueSchemas();

function refusal(type: string, payload: unknown): Record<string, string> {
  const check = checkPayload(type, payload);
  if (check.ok) throw new Error("was accepted");
  return Object.fromEntries(check.issues.map(({ field, message }) => [field, message]));
}

type Kind = Record<string, unknown>;

/** What a field may be; `null`, which stands for leaving it out, is not counted. */
function kindsOf(field: Kind): Kind[] {
  const kinds = (field.anyOf as Kind[] | undefined)?.flatMap(kindsOf) ?? [field];
  return kinds.filter(({ type }) => type !== "null");
}

const fields = eventTypes.flatMap((type) =>
  Object.entries(schemas[type].properties ?? {}).map(([key, field]) => ({
    type,
    key,
    kinds: kindsOf(field as Kind),
  }))
);

test("the catalogue has every type of the contract, and what the flywheel appends", () => {
  expect([...eventTypes].sort()).toEqual(Object.keys(catalogue).sort());
});

test("every name is written in NFC", () => {
  const names = [...eventTypes, ...fields.map(({ key }) => key)];
  expect(names.map((name) => name.normalize("NFC"))).toEqual(names);
});

describe.each(Object.entries(catalogue) as [EventType, { app: string; least: Payload }][])(
  "%s",
  (type, { app, least }) => {
    test("accepts its examples, and says what it is", () => {
      const { title, description, examples, ...schema } = schemas[type];
      expect([title, description]).toEqual([expect.any(String), expect.any(String)]);
      expect(schema["x-app"]).toBe(app);
      expect(examples).not.toHaveLength(0);
      for (const example of examples as Payload[]) {
        expect(checkPayload(type, example)).toEqual({ ok: true, payload: example });
        expect(accepts(schemas[type], example)).toBe(true);
      }
    });

    test("accepts the least that gives it a meaning, and nothing less", () => {
      expect(checkPayload(type, least)).toEqual({ ok: true, payload: least });
      for (const key of Object.keys(least)) {
        const { [key]: _, ...less } = least;
        expect(refusal(type, less)).toEqual({
          [`payload.${key}`]: expect.stringMatching(/^is required and must be /),
        });
        expect(refusal(type, { ...least, [key]: null })).toHaveProperty([`payload.${key}`]);
      }
    });

    test("keeps keys that it does not know", () => {
      const payload = { ...least, "clé inconnue": { a: [1, { b: null }] } };
      expect(checkPayload(type, payload)).toEqual({ ok: true, payload });
    });

    test.each(["score_foo", "match_score", "personalization_score"])(
      "has %s from 0 to 1",
      (key) => {
        for (const within of [0, 0.5, 1]) {
          expect(checkPayload(type, { ...least, [key]: within }).ok).toBe(true);
        }
        for (const beyond of [-0.01, 1.01, 7]) {
          expect(refusal(type, { ...least, [key]: beyond })).toEqual({
            [`payload.${key}`]: "must be a number from 0 to 1",
          });
        }
      },
    );

    test.each([["ats_score", 0, 100], ["mood_foo", 1, 10], ["satisfaction", 1, 5]])(
      "has %s from %d to %d",
      (key, min, max) => {
        expect(checkPayload(type, { ...least, [key]: min }).ok).toBe(true);
        expect(checkPayload(type, { ...least, [key]: max }).ok).toBe(true);
        const issue = { [`payload.${key}`]: `must be a number from ${min} to ${max}` };
        expect(refusal(type, { ...least, [key]: min - 0.1 })).toEqual(issue);
        expect(refusal(type, { ...least, [key]: max + 0.1 })).toEqual(issue);
      },
    );

    test("has scores on their scale however deep they stand", () => {
      const payload = { ...least, détails: [{ "par semaine": { score_bien_être: 2 } }] };
      expect(refusal(type, payload)).toEqual({
        'payload.détails[0]["par semaine"].score_bien_être': "must be a number from 0 to 1",
      });
    });
  },
);

describe("a known field", () => {
  const offered = (type: EventType, key: string, value: unknown) =>
    checkPayload(type, { ...catalogue[type].least, [key]: value });

  /** Which of the values offered to every field are accepted, as readable text. */
  function accepted(valuesFor: (kinds: Kind[]) => unknown[]): string[] {
    return fields.flatMap(({ type, key, kinds }) =>
      valuesFor(kinds)
        .filter((value) => offered(type, key, value).ok)
        .map((value) => `${type} ${key} ${JSON.stringify(value).slice(0, 20)}`)
    );
  }

  test("keeps to its type", () => {
    const values = { boolean: true, string: "texte", number: 0.5, array: [], object: {} };
    expect(accepted((kinds) => {
      const types = kinds.flatMap(({ type }) => type === "integer" ? "number" : type);
      return Object.entries(values).filter(([type]) => !types.includes(type)).map(([, it]) => it);
    })).toEqual([]);
  });

  test("keeps to its bounds", () => {
    expect(
      accepted((kinds) =>
        kinds.flatMap(({ minimum, maximum, minLength, maxLength, maxItems }) => [
          ...(minimum === undefined ? [] : [Number(minimum) - 1]),
          ...(maximum === undefined ? [] : [Number(maximum) + 1]),
          ...(minLength === undefined ? [] : [""]),
          ...(maxLength === undefined ? [] : ["x".repeat(Number(maxLength) + 1)]),
          ...(maxItems === undefined ? [] : [Array(Number(maxItems) + 1).fill("x")]),
        ])
      ),
    ).toEqual([]);
  });

  test("is of a bounded size", () => {
    const unbounded = (kind: Kind): boolean =>
      (kind.type === "string" && !kind.format && kind.maxLength === undefined) ||
      (kind.type === "array" &&
        (kind.maxItems === undefined || kindsOf(kind.items as Kind).some(unbounded)));
    expect(fields.filter(({ kinds }) => kinds.some(unbounded))).toEqual([]);
  });

  test("may be null, but for one that gives its event a meaning", () => {
    const required = fields.filter(({ type, key }) => !offered(type, key, null).ok);
    expect(required.map(({ type, key }) => [type, key])).toEqual(
      eventTypes.flatMap((type) => Object.keys(catalogue[type].least).map((key) => [type, key])),
    );
  });
});

describe("what the apps' documents show is accepted", () => {
  test.each<[EventType, Payload]>([
    ["métier_choisi", {
      métier: "Data Scientist",
      score_compatibilité: 0.87,
      score_ia_résistance: 0.72,
    }],
    ["transition_écosystème", {
      target_app: "phoenix_cv",
      transition_context: {
        métier_choisi: "Data Scientist",
        compétences_à_valoriser: ["Python", "Machine Learning", "Analyse données", "Communication"],
        skills_to_highlight: ["Analytique", "Résolution problèmes"],
        transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
        ia_resistance_score: 0.72,
      },
    }],
    ["transition_écosystème", {
      target_app: "phoenix_letters",
      transition_context: {
        reconversion_story: "Transition validée vers Data Scientist",
        ia_narrative: "Métier choisi résistant aux disruptions IA",
        motivation_context: ["Recherche sens", "Évolution compétences"],
        personality_insights: {
          big_five: { openness: 0.8, conscientiousness: 0.9 },
          riasec: ["Investigative", "Realistic"],
        },
      },
    }],
    ["transition_écosystème", {
      app_cible: "phoenix_rise",
      contexte: {
        transformation_goal: "Data Scientist",
        confidence_baseline: "medium",
        coaching_focus: "IA-proof career transition",
        anxiety_level: 0.3,
        growth_areas: ["Compétences techniques", "Confiance en soi"],
      },
    }],
    ["cv.uploaded", { whatever: "an app sends", n: 1 }],
    ["letter.generated", { cv: null, n: [1, 2] }],
  ])("%s %j", (type, payload) => {
    expect(checkPayload(type, payload)).toEqual({ ok: true, payload });
  });
});

describe("a refusal", () => {
  test("names the place of each issue, inside lists and shapes of several kinds", () => {
    const payload = { compétences: ["Python", { nom: 3 }, 4, { score_compatibilité: 3 }] };
    expect(refusal("compétences_révélées", payload)).toEqual({
      "payload.compétences[1].nom": "must be a text of at most 500 characters",
      "payload.compétences[2]": "must be a text of 1 to 500 characters or an object",
      "payload.compétences[3].score_compatibilité": "must be a number from 0 to 1",
    });
  });

  test("never repeats a value", () => {
    const secret = "jean.dupont@exemple.fr";
    for (const { type, key } of fields) {
      for (const value of [[secret, [secret]], { nom: [secret], openness: secret }]) {
        const check = checkPayload(type, { [key]: value });
        expect(JSON.stringify(check.ok ? [] : check.issues)).not.toContain(secret);
      }
    }
  });

  test("lists twenty issues at most", () => {
    const payload = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`score_${i}`, 2]));
    expect(Object.keys(refusal("cv.uploaded", payload))).toHaveLength(20);
    expect(Object.keys(refusal("métier_choisi", { ...payload, métier: 1 }))).toHaveLength(20);
  });

  test.each([null, undefined, "texte", 1, true, [], [{}]])("meets a payload of %j", (payload) => {
    const issue = { payload: "must be an object" };
    expect(refusal("cv.uploaded", payload)).toEqual(issue);
    expect(refusal("app.own_type", payload)).toEqual(issue);
  });
});

describe("a type that is not in the catalogue", () => {
  test.each(["app.own_type", "constructor", "__proto__", "toString", ""])("%j", (type) => {
    const payload = { score_foo: 7, mood_foo: 0, métier: 3 };
    expect(isCatalogued(type)).toBe(false);
    expect(checkPayload(type, payload)).toEqual({ ok: true, payload });
  });
});
