import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { functionsOf, publicationSchema } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);

/** Two users, so that the same body is new to both ways. */
let byPost: TestUser;
let byRpc: TestUser;

beforeAll(async () => {
  [byPost, byRpc] = await Promise.all([stack.signUp(), stack.signUp()]);
});

const answered = publicationSchema.extend({ error: z.unknown() }).partial({ error: true });

/** The verdicts of a publication, without the ids that the store makes. */
function verdictsOf(body: unknown) {
  const { error: _, results, ...counts } = answered.parse(body);
  return {
    ...counts,
    results: results.map(({ status, error }) => ({
      status,
      code: error?.code,
      issues: error?.issues,
    })),
  };
}

async function viaPost(json: unknown, as: TestUser | "secret" = byPost) {
  const answer = await call("POST", "events", { as, json });
  // What is refused whole has no verdicts.
  if ("results" in (answer.body as object)) return verdictsOf(answer.body);
  const { error } = z.object({ error: z.object({ code: z.string(), message: z.string() }) })
    .parse(answer.body);
  return { status: answer.status, code: error.code, message: error.message };
}

async function viaRpc(events: unknown, client = byRpc.client) {
  const { data, error, status } = await client.rpc("publish_events", { events });
  return error ? { status, code: error.details, message: error.message } : verdictsOf(data);
}

/** Mostly what is right, now and then what is not, so that an event has few things wrong with it. */
const mostly = <Value>(right: fc.Arbitrary<Value>, ...wrong: unknown[]) =>
  fc.oneof({ arbitrary: right as fc.Arbitrary<unknown>, weight: 6 }, fc.constantFrom(...wrong));

const text = fc.string({ unit: "grapheme", maxLength: 20 }).filter((value) =>
  !value.includes("\0")
);
const json = fc.dictionary(
  text,
  fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.array(text)),
  { maxKeys: 4 },
);
const time = fc.date({
  min: new Date("2000-01-01"),
  max: new Date("2026-01-01"),
  noInvalidDate: true,
}).map((date) => date.toISOString());

const event = fc.record({
  event_type: mostly(
    fc.constantFrom("page.read", "étape.franchie", "étape".normalize("NFD"), "A_1.b"),
    "",
    "a b",
    ".a",
    "é".repeat(101),
    "é".normalize("NFD").repeat(100),
    7,
    null,
  ),
  app_source: mostly(
    fc.constantFrom("cv", "phoenix_letters", "some-app", "a_b1"),
    "CV",
    "phoenix_",
    "phoenix_phoenix_cv",
    "é",
    "-",
    {},
  ),
  source_app: mostly(fc.constantFrom("cv"), "rise", null),
  payload: mostly(json, [], "text", 1, null),
  data: mostly(json, [], false),
  metadata: mostly(json, [], "text", null),
  event_id: mostly(fc.uuid(), "1", null, 5, ""),
  timestamp: mostly(time, "2026-02-30", "today", null, 0, "2999-01-01T00:00:00Z"),
  correlation_id: mostly(text, "x".repeat(201), null, 4),
  session_id: mostly(text, [], null),
  user_id: fc.constantFrom(null, "", "me", 3, "00000000-0000-4000-8000-000000000000"),
  partition_key: fc.anything(),
  unknown: fc.constant(1),
}, { requiredKeys: ["event_type", "app_source"] }).chain((whole) =>
  // Optional fields are there one by one: an event with all of them has always something wrong.
  fc.subarray(Object.keys(whole), { maxLength: Math.min(4, Object.keys(whole).length) }).map((
    kept,
  ) =>
    Object.fromEntries(
      Object.entries(whole).filter(([key]) =>
        key === "event_type" || key === "app_source" || kept.includes(key)
      ),
    )
  )
);

const body = fc.oneof(
  { arbitrary: event, weight: 2 },
  {
    arbitrary: fc.array(mostly(event, null, 1, "text", []), { maxLength: 8 }).map((events) => ({
      events,
    })),
    weight: 4,
  },
  fc.array(event, { maxLength: 3 }),
  fc.record({
    events: mostly(fc.array(event, { minLength: 1, maxLength: 2 }), null, {}),
    expected_version: fc.constantFrom(null, -1, 1.5, "0"),
    expected_versions: fc.constantFrom(null, null, 0),
  }, { requiredKeys: ["events"] }),
  event.map((whole) => ({ ...whole, events: null })),
  fc.constantFrom(null, 5, "text", {}, { events: {} }, { events: null }),
).map((value): unknown => JSON.parse(JSON.stringify(value)));

describe("rpc publish_events", () => {
  test("answers what POST events answers, whatever the body", async () => {
    await fc.assert(
      fc.asyncProperty(body, async (body) => {
        expect(await viaRpc(body)).toEqual(await viaPost(body));
        // And says the same of duplicates.
        expect(await viaRpc(body)).toEqual(await viaPost(body));
      }),
      { numRuns: 120 },
    );
  });

  test("answers the same with a secret key", async () => {
    const events = [byPost, byRpc].map(({ user_id }) => ({
      event_type: "page.read",
      app_source: "website",
      payload: { by: "secret" },
      user_id,
    }));
    const body = { events: [...events, { event_type: "page.read", app_source: "website" }] };
    const first = await viaPost(body, "secret");
    expect(first).toMatchObject({ accepted: 2, rejected: 1 });
    expect(await viaRpc(body, stack.service())).toMatchObject({ duplicates: 2, rejected: 1 });
  });

  test("stores what POST events stores", async () => {
    const event = {
      source_app: "phoenix_aube",
      event_type: "métier_choisi".normalize("NFD"),
      data: { métier: "Coach", ["clé".normalize("NFD")]: 1.5 },
      timestamp: "2026-01-01T10:00:00+02:00",
      correlation_id: "é".normalize("NFD"),
    };
    await viaPost(event);
    await viaRpc(event);
    const columns =
      "event_type,app_source,payload,metadata,correlation_id,causation_id,session_id,timestamp";
    const stored = await Promise.all(
      [byPost, byRpc].map(({ client }) =>
        client.from("phoenix_events").select(columns).eq("app_source", "aube")
      ),
    );
    expect(stored[0]!.data).toHaveLength(1);
    expect(stored[1]!.data).toEqual(stored[0]!.data);
  });

  test("is refused to an anonymous caller", async () => {
    const { status } = await stack.anonymous().rpc("publish_events", { events: {} });
    expect(status).toBe(401);
  });
});
