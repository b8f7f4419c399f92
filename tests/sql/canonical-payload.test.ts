import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkPayload } from "../../shared/domain/events/catalogue.ts";
import { plainEvents } from "../../shared/domain/events/plain-event.ts";
import type { Database } from "../../shared/platform/database.ts";
import { parseJson } from "../../shared/platform/parse-json.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { publishText } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

/** Publishes payloads, each as it is written, as one user's batch: what became of each. */
async function statuses(...payloads: string[]): Promise<string[]> {
  const user_id = crypto.randomUUID();
  const events = payloads.map((payload) =>
    `{"user_id":"${user_id}","event_type":"test","app_source":"cv","payload":${payload}}`
  );
  const { results } = await publishText(database, `{"events":[${events.join()}]}`);
  return results.map(({ status }) => status);
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What can be taken apart or changes places with a mark beside it since Unicode 16, which a database of Unicode 15 does not know. */
const newInUnicode =
  /[\u{897}\u{105c0}-\u{105ff}\u{10d69}-\u{10d6d}\u{11380}-\u{113ff}\u{16100}-\u{1613f}\u{16d40}-\u{16d7f}\u{1e5ee}\u{1e5ef}]/u;

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("é", "e\u0301", "ñ", "Å", "\u212b", "가", "ﬁ", "1.0", "1.50}", "\\", '"', "ʼn"),
).filter((value) => !value.includes("\0") && !newInUnicode.test(value));

const number = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 1, 10, 100, 0.1, 1.5, 1e21, 1e-7, 1.25e-3, 2 ** 53),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
);

const { payload } = fc.letrec<{ payload: Record<string, Json>; value: Json }>((tie) => ({
  payload: fc.uniqueArray(fc.tuple(text, tie("value")), {
    maxLength: 5,
    selector: ([key]) => key.normalize("NFC"),
  }).map((entries) => Object.fromEntries(entries)),
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    number,
    text,
    fc.array(tie("value"), { maxLength: 4 }),
    tie("payload"),
  ),
}));

/** One of the ways to write a value; `choose` picks a number below its argument. */
function spell(value: Json, choose: (below: number) => number): string {
  const pick = <T>(...ways: T[]): T => ways[choose(ways.length)]!;
  if (typeof value === "string") {
    return JSON.stringify(pick(value.normalize("NFC"), value.normalize("NFD"), value));
  }
  if (typeof value === "number") {
    const plain = String(value);
    if (value === 0) return pick("0", "-0", "0.0", "0e0", "0.00", "-0.0e3");
    if (plain.includes("e")) return pick(plain, plain.toUpperCase());
    return plain.includes(".")
      ? pick(plain, `${plain}0`, `${plain}e0`, `${plain}000E+0`)
      : pick(plain, `${plain}.0`, `${plain}e0`, `${plain}0e-1`, `${plain}.000`);
  }
  if (Array.isArray(value)) return `[${value.map((each) => spell(each, choose)).join()}]`;
  if (value === null || typeof value === "boolean") return String(value);
  const entries = Object.entries(value);
  const from = choose(entries.length + 1);
  const turned = [...entries.slice(from), ...entries.slice(0, from)];
  if (choose(2) === 1) turned.reverse();
  return `{${turned.map(([key, each]) => `${spell(key, choose)}:${spell(each, choose)}`)}}`;
}

/** What a value means, as text: equal where the store has to see the same content. */
function meaningOf(value: Json): string {
  if (typeof value === "string") return JSON.stringify(value.normalize("NFC"));
  if (Array.isArray(value)) return `[${value.map(meaningOf).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, each]) => [meaningOf(key), meaningOf(each)]);
  return `{${entries.sort(([a], [b]) => (a! < b! ? -1 : 1)).map((entry) => entry.join(":"))}}`;
}

function normalKeys(value: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key.normalize("NFC"), each]),
  );
}

describe("the fingerprint of a payload", () => {
  test("does not depend on how it is written", async () => {
    await fc.assert(
      fc.asyncProperty(payload, fc.gen(), async (value, g) => {
        const choose = (below: number) => g(fc.nat, { max: below - 1 });
        expect(await statuses(JSON.stringify(value), spell(value, choose), spell(value, choose)))
          .toEqual(["accepted", "duplicate", "duplicate"]);
      }),
      { numRuns: 300 },
    );
  });

  test("differs where the meaning differs", async () => {
    const near = fc.tuple(payload, payload, text, number)
      // Two spellings of one key are another matter: one of them counts.
      .filter(([value, , key]) => !(key.normalize("NFC") in normalKeys(value)))
      .map(([value, other, key, leaf]): [Json, Json] => [
        { ...value, [key]: leaf },
        Object.keys(other).length % 2 === 0 ? other : { ...value, [key]: String(leaf) },
      ]);
    await fc.assert(
      fc.asyncProperty(near, async ([value, other]) => {
        fc.pre(meaningOf(value) !== meaningOf(other));
        expect(await statuses(JSON.stringify(value), JSON.stringify(other)))
          .toEqual(["accepted", "accepted"]);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    [`{"a":1}`, `{"a":1.0}`],
    [`{"a":1}`, `{"a":1e0}`],
    [`{"a":0}`, `{"a":-0}`],
    [`{"a":100}`, `{"a":1E2}`],
    [`{"a":1.5}`, `{"a":15e-1}`],
    [`{"a":1,"b":2}`, `{"b":2,"a":1}`],
    [`{"a":"é"}`, `{"a":"e\u0301"}`],
    [`{"é":1}`, `{"e\u0301":1}`],
    [`{"a":"é"}`, `{"a":"\\u0065\\u0301"}`],
    [`{"a": [ 1 , 2 ] }`, `{"a":[1,2]}`],
  ])("%s is the same as %s", async (one, other) => {
    expect(await statuses(one, other)).toEqual(["accepted", "duplicate"]);
  });

  test.each([
    [`{"a":1}`, `{"a":"1"}`],
    [`{"a":1}`, `{"A":1}`],
    [`{"a":"é"}`, `{"a":"e"}`],
    [`{"a":"ﬁ"}`, `{"a":"fi"}`],
    [`{"a":"x"}`, `{"a":"x "}`],
    [`{"a":null}`, `{}`],
    [`{"a":[]}`, `{"a":{}}`],
    [`{"a":[1,2]}`, `{"a":[2,1]}`],
    [`{"a":1}`, `{"a":1.00000000000000000001}`],
    [`{"a":9007199254740993}`, `{"a":9007199254740992}`],
    [`{"a":{"b":1}}`, `{"a":[{"b":1}]}`],
    [`{"a":true}`, `{"a":"true"}`],
  ])("%s is not the same as %s", async (one, other) => {
    expect(await statuses(one, other)).toEqual(["accepted", "accepted"]);
  });
});

test.each([
  ["zeros at the end of a fraction", `[1.50,-0.0,1.05,10.00,100,0.10]`, `[1.5,0,1.05,10,100,0.1]`],
  [
    "nothing of a text that looks like numbers",
    `["1.50","a \\" 2.0,",1.0]`,
    `["1.50","a \\" 2.0,",1]`,
  ],
  ["a letter and its accent", `{"e\u0301":"e\u0301"}`, `{"é":"é"}`],
  [
    "no escape and the accent behind it",
    `["\\n\u0301e\u0301","\\u001e\u0301","\\\\\u0301"]`,
    `["\\n\u0301é","\\u001e\u0301","\\\\\u0301"]`,
  ],
])("canonical JSON puts together %s", async (_, value, canonical) => {
  const [row] = await base.admin`
    select flywheel.canonical_json(${value}::text::jsonb)::text as got, (${canonical}::text::jsonb)::text as expected
  `;
  expect(row!.got).toBe(row!.expected);
});

describe("of a key in several spellings", () => {
  const spelling = fc.oneof(
    fc.constantFrom("métier", "A\u030a", "\u212b", "a\u0301\u0323", "a\u0323\u0301", "_a"),
    fc.constantFrom("가", "\ufb2a", "\u{1d15e}", "\u{1d157}\u{1d165}"),
    text,
  ).chain((key) => fc.constantFrom(key, key.normalize("NFC"), key.normalize("NFD")));
  const entries = fc.array(fc.tuple(spelling, fc.nat()), { maxLength: 8 });

  test("that one is stored which the catalogue checked", async () => {
    await fc.assert(
      fc.asyncProperty(entries, entries, async (outer, inner) => {
        const write = (list: [string, unknown][]) =>
          `{${list.map(([key, value]) => `${JSON.stringify(key)}:${value}`)}}`;
        const payload = write([...outer, ["within", `[${write(inner)}]`]]);
        const user_id = crypto.randomUUID();
        await publishText(
          database,
          `{"user_id":"${user_id}","event_type":"test","app_source":"cv","payload":${payload}}`,
        );
        const kept = await database`
          select payload from public.phoenix_events where user_id = ${user_id}
        `;
        expect(kept).toEqual([{ payload: checked("test", payload) }]);
      }),
      { numRuns: 300 },
    );
  });

  test("that one is checked which would be stored", async () => {
    const user_id = crypto.randomUUID();
    const sent = (first: string, last: string) =>
      `{"user_id":"${user_id}","event_type":"métier_choisi","app_source":"aube",` +
      `"payload":{"${"métier".normalize(first)}":"Coach","${"métier".normalize(last)}":5}}`;
    const of = async (text: string) => (await publishText(database, text)).results[0];
    expect(await of(sent("NFC", "NFD"))).toMatchObject({
      status: "rejected",
      error: { issues: [{ field: "payload.métier" }] },
    });
    expect(await of(sent("NFD", "NFC"))).toMatchObject({ status: "accepted" });
    expect(await database`select payload from public.phoenix_events where user_id = ${user_id}`)
      .toEqual([{ payload: { métier: "Coach" } }]);
  });

  function checked(type: string, payload: string): unknown {
    const check = checkPayload(type, parseJson(payload));
    return check.ok ? check.payload : check.issues;
  }
});

describe("a payload that is published the short way", () => {
  const written = (user_id: string, payload: string) =>
    `{"user_id":"${user_id}","event_type":"test","app_source":"cv","payload":${payload},` +
    `"timestamp":"2026-01-31T10:00:00.000Z"}`;

  async function theLongWay(text: string): Promise<string | undefined> {
    const [row] = await database<{ publish: { results: { status: string }[] } }[]>`
      select flywheel.publish(${text})
    `;
    return row!.publish.results[0]?.status;
  }

  test("is kept as by the long way, and each way knows again what came the other", async () => {
    let short = 0;
    await fc.assert(
      fc.asyncProperty(payload, fc.gen(), async (value, g) => {
        const spelt = spell(value, (below) => g(fc.nat, { max: below - 1 }));
        const [one, other] = [crypto.randomUUID(), crypto.randomUUID()];
        const [text, otherText] = [written(one, spelt), written(other, spelt)];
        if (plainEvents(text, [parseJson(text)], undefined, () => other)) short++;
        await publishText(database, text);
        await theLongWay(otherText);
        const kept = await database`
          select payload::text, octet_length(event_hash) as hashed from public.phoenix_events
          where user_id in (${one}, ${other})
        `;
        expect(kept).toHaveLength(2);
        expect(kept[0]).toEqual(kept[1]);
        expect(await theLongWay(text)).toBe("duplicate");
        const { results } = await publishText(database, otherText);
        expect(results[0]!.status).toBe("duplicate");
      }),
      { numRuns: 300 },
    );
    expect(short, "as many went the short way").toBeGreaterThan(30);
  });

  // Because of the first, V8's own reader takes the second's quotation mark for a backslash.
  const confusing: [string, Json][] = [
    ['{"a":1,"\\\\":2}', { a: 1, "\\": 2 }],
    ['{"a":1,"\\"":2}', { a: 1, '"': 2 }],
  ];

  test("is kept under its own keys, whatever keys were read before", async () => {
    for (const [payload] of confusing) {
      const user = crypto.randomUUID();
      await publishText(database, written(user, payload));
      expect(
        await database`
          select payload = ${payload}::text::jsonb as is_same from public.phoenix_events
          where user_id = ${user}
        `,
      ).toEqual([{ is_same: true }]);
    }
  });

  test("comes back from the database under its own keys", async () => {
    for (const [payload, value] of confusing) {
      expect(
        await database`select ${payload}::text::json as kept, ${payload}::text::jsonb as canonical`,
      ).toEqual([{ kept: value, canonical: value }]);
    }
  });

  test.each([
    ["1.10", "1.1"],
    ["-0", "0"],
    ["0.000001", "0.000001"],
    ["0.0000001", "0.0000001"],
    ["123456789012345", "123456789012345"],
    ["1234567890123456789", "1234567890123456789"],
    ["1234567890.12345678", "1234567890.12345678"],
    ["0.30000000000000004", "0.30000000000000004"],
    ["1e3", "1000"],
    ["1E-7", "0.0000001"],
    ["1e22", "10000000000000000000000"],
  ])("keeps the number %s to the last digit", async (number, kept) => {
    const user = crypto.randomUUID();
    await publishText(database, written(user, `{"n": [${number} ]}`));
    expect(await database`select payload::text from public.phoenix_events where user_id = ${user}`)
      .toEqual([{ payload: `{"n": [${kept}]}` }]);
  });
});
