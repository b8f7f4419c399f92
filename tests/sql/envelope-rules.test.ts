import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { publishText } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

/** What a field may hold, right, wrong, or right in another way of writing. */
const text = fc.constantFrom<unknown>(
  "a.b",
  "compétences_révélées",
  "a b",
  "",
  "x".repeat(150),
  "e\u0301",
  5,
  null,
  ["a"],
  {},
);
const app = fc.constantFrom<unknown>(
  "cv",
  "phoenix_cv",
  "flywheel",
  "CV",
  "a-b_c",
  "x".repeat(60),
  7,
  null,
  ["cv"],
);
const object = fc.constantFrom<unknown>(
  {},
  { a: 1 },
  { a: { b: { c: { d: { e: { f: {} } } } } } },
  { a: 1e300 },
  [],
  "{}",
  null,
);
const id = fc.oneof(
  fc.uuid(),
  fc.uuid().map((uuid) => uuid.replaceAll("-", "")),
  fc.uuid().map((uuid) => [uuid]),
  fc.constantFrom<unknown>("no id", 4, null),
);
const time = fc.constantFrom<unknown>(
  "2026-01-31T10:00:00.000Z",
  "2026-02-31T10:00:00.000Z",
  "2026-01-31 10:00+02",
  "2026-01-31",
  "2026-01-31T10:00:00.1e1Z",
  " 026-01-31T10:00:00.000Z",
  "0001-01-01T00:00:00.000Z",
  "0001-01-01T00:00:00.000+14:00",
  "tomorrow",
  "2999-01-01T00:00:00.000Z",
  ["2026-01-31T10:00:00.000Z"],
  17,
  null,
);
const envelope = fc.record({
  event_type: text,
  app_source: app,
  source_app: app,
  payload: object,
  data: object,
  metadata: object,
  event_id: id,
  user_id: id,
  timestamp: time,
  correlation_id: text,
  causation_id: text,
  session_id: text,
  partition_key: text,
  more: text,
}, { requiredKeys: [] });
const sound = {
  event_type: "a.b",
  app_source: "cv",
  payload: {},
  timestamp: "2026-01-31T10:00:00.000Z",
};

/** What became of the first event of a publication. */
async function outcome(...events: unknown[]) {
  const { results: [first] } = await publishText(database, JSON.stringify({ events }));
  return first!;
}

test("the one look at an envelope and the rules one by one come to the same verdict", async () => {
  await fc.assert(
    fc.asyncProperty(envelope, fc.boolean(), async (some, isNearlySound) => {
      const user_id = crypto.randomUUID();
      const event = isNearlySound ? { ...sound, user_id, ...some } : some;
      const [alone, besideAnother] = [await outcome(event), await outcome(event, { no: "event" })];
      expect(besideAnother).toEqual(
        alone.status === "accepted" ? { ...alone, status: "duplicate" } : alone,
      );
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["as most clients write it", {}],
  ["with all it may say", {
    event_id: crypto.randomUUID(),
    correlation_id: "c",
    causation_id: "d",
    session_id: "s",
    metadata: { a: 1 },
  }],
  ["with null for what it does not say", { event_id: null, metadata: null, session_id: null }],
])("an envelope %s is taken", async (_, more) => {
  const { status } = await outcome({ ...sound, user_id: crypto.randomUUID(), ...more });
  expect(status).toBe("accepted");
});

test("each field that the envelope does not have is named, up to twenty", async () => {
  const message = "is no field of the envelope: put it into payload or metadata";
  const strange = { correlationId: "c", "a=b": 1, ["k".repeat(200)]: true, "": 0 };
  const { error } = await outcome({ ...sound, user_id: crypto.randomUUID(), ...strange });
  expect(error?.issues).toEqual([
    { field: "event", message },
    { field: "a=b", message },
    { field: "correlationId", message },
    { field: "k".repeat(100), message },
  ]);
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, n]));
  expect((await outcome({ ...sound, ...many })).error?.issues).toHaveLength(1 + 20);
});

test.each([
  ["spaces and quotes in its texts", { text: `", `.repeat(350_000) }, "PT413"],
  ["zeros in its texts", { text: "0".repeat(1_048_576) }, "PT413"],
  ["nothing but the spaces that jsonb writes", Array(300_000).fill(10), "fits"],
  ["exponents for its zeros", Array(100_000).fill(1e14), "fits"],
  ["what is twice as long written out", Array(100_000).fill(1e20), "PT413"],
])(
  "a body that comes as jsonb counts as it would be sent, with %s",
  async (_, payload, outcome) => {
    const body = JSON.stringify({ event_type: "a.b", app_source: "cv", payload: { payload } });
    const told = await base.admin`
    select flywheel.publish((${body}::text::jsonb)::text, ${crypto.randomUUID()}, '{}', true)
  `.then(() => "fits", ({ code }) => code);
    expect(told).toBe(outcome);
  },
);
