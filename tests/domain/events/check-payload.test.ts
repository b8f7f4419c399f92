import fc from "fast-check";
import { expect, test } from "vitest";
import {
  catalogueSchemas,
  checkPayload,
  eventTypes,
  isCatalogued,
} from "../../../shared/domain/events/catalogue.ts";
import { normaliseJson } from "../../../shared/domain/events/normalise.ts";
import { accepts } from "./json-schema.ts";

const schemas = catalogueSchemas();

const scoreKeys = ["score_é", "match_score", "ats_score", "mood_x", "satisfaction"];
const accented = fc.string({ unit: fc.constantFrom("e", "é", "e\u0301", "ç", "a", "\u0301", "ﬁ") });

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(null, true, "", "x".repeat(501), "Réussir"),
    fc.integer({ min: -2, max: 110 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    accented,
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom(...scoreKeys, "nom", "métier", "openness", "riasec", "big_five", "libre"),
      tie("any"),
      { maxKeys: 4 },
    ),
  ),
})).any;

/** An event of a catalogued type: an example of its own, with some of it overwritten. */
const event = fc.constantFrom(...eventTypes).chain((type) => {
  const keys = [...Object.keys(schemas[type].properties ?? {}), ...scoreKeys, "libre"];
  return fc.record({
    type: fc.constant(type),
    payload: fc.tuple(
      fc.constantFrom(...(schemas[type].examples as Record<string, unknown>[])),
      fc.dictionary(fc.oneof(fc.constantFrom(...keys), accented), value, { maxKeys: 4 }),
    ).map(([example, changes]): Record<string, unknown> => ({ ...example, ...changes })),
  });
});

/** The same JSON value with its accents typed another way. */
function respelled<Value>(form: "NFC" | "NFD", json: Value): Value {
  return JSON.parse(JSON.stringify(json).normalize(form));
}

test("a payload's JSON Schema gives the verdict that the check gives", () => {
  fc.assert(
    fc.property(event, ({ type, payload }) => {
      const normalised = normaliseJson(payload);
      expect(accepts(schemas[type], normalised)).toBe(checkPayload(type, payload).ok);
    }),
    { numRuns: 2000 },
  );
});

test("accents typed apart or together make no difference", () => {
  fc.assert(
    fc.property(event, ({ type, payload }) => {
      const apart = checkPayload(type.normalize("NFD"), respelled("NFD", payload));
      expect(apart).toEqual(checkPayload(type, respelled("NFC", payload)));
      expect(isCatalogued(type.normalize("NFD"))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test("what is accepted is what was sent, in NFC, and checking it again changes nothing", () => {
  fc.assert(
    fc.property(event, ({ type, payload }) => {
      const sent = respelled("NFC", payload);
      const check = checkPayload(type, sent);
      if (!check.ok) return;
      expect(check.payload).toEqual(sent);
      expect(checkPayload(type, check.payload)).toEqual(check);
    }),
    { numRuns: 1000 },
  );
});

test("the payload that was sent is left as it was", () => {
  fc.assert(fc.property(event, ({ type, payload }) => {
    const before = structuredClone(payload);
    checkPayload(type, payload);
    expect(payload).toEqual(before);
  }));
});

test("no JSON value makes it throw", () => {
  const type = fc.oneof(fc.constantFrom<string>(...eventTypes), fc.string());
  fc.assert(
    fc.property(type, fc.jsonValue(), (type, payload) => {
      checkPayload(type, payload);
      checkPayload(type, { payload });
    }),
    { numRuns: 1000 },
  );
});

test.each(["métier_choisi", "app.own_type"])("%s keeps hostile keys as plain keys", (type) => {
  const text =
    '{"métier":"x","__proto__":{"ok":1},"constructor":{"prototype":{}},"a":{"__proto__":2}}';
  const check = checkPayload(type, JSON.parse(text));
  expect(JSON.stringify(check)).toBe(`{"ok":true,"payload":${text}}`);
  expect(({} as { ok?: unknown }).ok).toBeUndefined();
});

test("a score that hides under a hostile key is found", () => {
  expect(checkPayload("cv.uploaded", JSON.parse('{"__proto__":{"score_a":2}}'))).toEqual({
    ok: false,
    issues: [{ field: "payload.__proto__.score_a", message: "must be a number from 0 to 1" }],
  });
});

test.each(["cv.uploaded", "app.own_type"])("%s nests a thousand levels and no more", (type) => {
  const nested = (depth: number) =>
    JSON.parse(`{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`);
  expect(checkPayload(type, nested(1000)).ok).toBe(true);
  const refused = {
    ok: false,
    issues: [{ field: "payload", message: "must not nest deeper than 1000 levels" }],
  };
  expect(checkPayload(type, nested(1001))).toEqual(refused);
  expect(checkPayload(type, nested(500_000))).toEqual(refused);
});

test("a huge list is refused with a few issues", () => {
  const check = checkPayload("compétences_révélées", {
    compétences: Array(100_000).fill({ score_compatibilité: 2 }),
  });
  expect(check).toMatchObject({ ok: false });
  if (!check.ok) expect(check.issues.length).toBeLessThanOrEqual(20);
});
