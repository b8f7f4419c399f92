import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { functionsOf, publicationOf, publicationSchema, refusalOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import type { TestUser } from "../support/stack.ts";
import { storeContents } from "../support/store-contents.ts";

let stack: OwnStack;
let sql: ReturnType<OwnStack["adminSql"]>;
let user: TestUser;
let other: TestUser;
let before: Record<string, string>;

// Without what would work by itself, so that the store changes by these calls or not at all.
beforeAll(async () => {
  stack = await ownStack({ without: ["net", "qstash"] });
  sql = stack.adminSql({ max: 1 });
  [user, other] = await Promise.all([stack.signUp(), stack.signUp()]);
  const call = functionsOf(stack.env);
  publicationOf(await call("POST", "events", { as: user, body: textOf(good) }));
  await call("POST", "events/process-queue", { as: "secret" });
  before = await storeContents(sql);
});

afterAll(async () => {
  await sql?.end();
  await stack?.[Symbol.asyncDispose]();
});

afterEach(async () => {
  const was = before;
  before = await storeContents(sql);
  expect(before).toEqual(was);
});

const good = { event_type: "letter.generated", app_source: "letters" };

/** An event that goes the short way, where its user has always said when things happened. */
const timely = { ...good, timestamp: new Date().toISOString() };

/** An event as JSON text; `more` is JSON text for what JavaScript cannot write. */
function textOf(event: Record<string, unknown>, more = ""): string {
  const text = JSON.stringify(event);
  return more ? `${text.slice(0, -1)},${more}}` : text;
}

type As = TestUser | "secret";

function post(body: BodyInit, as: As = user) {
  return functionsOf(stack.env)("POST", "events", { as, body });
}

/** The same body through REST, where it is the function's only argument. */
async function refusedByRpc(body: string, as: As = user): Promise<void> {
  const response = await fetch(`${stack.env.API_URL}/rest/v1/rpc/publish_events`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(as === "secret" ? { apikey: stack.env.SECRET_KEY } : {
        apikey: stack.env.PUBLISHABLE_KEY,
        authorization: `Bearer ${as.accessToken}`,
      }),
    },
    body: `{"events":${body}}`,
  });
  const text = await response.text();
  expect(text).not.toMatch(/\.ts\b|\bat \S+ \(|node_modules/);
  if (response.ok) {
    expect(publicationSchema.parse(JSON.parse(text)), text).toMatchObject({
      accepted: 0,
      duplicates: 0,
    });
  } else {
    expect(response.status, text).toBeGreaterThanOrEqual(400);
    expect(response.status, text).toBeLessThan(500);
    expect(JSON.parse(text).message).not.toBe("");
  }
}

describe("A body that is not JSON the store can hold is refused whole with 400:", () => {
  const nested = (levels: number) =>
    textOf(good, `"payload":${`{"a":`.repeat(levels)}1${"}".repeat(levels)}`);
  const bodies: Record<string, string> = {
    "malformed JSON": `{"event_type":"user.login",`,
    "no JSON at all": "event_type=user.login",
    "a raw NUL byte": textOf({ ...good, payload: { text: "@" } }).replace("@", "\0"),
    "NUL in a text": textOf({ ...good, payload: { text: "a\0b" } }),
    "NUL in a key": textOf({ ...good, payload: { "a\0b": 1 } }),
    "NUL in the metadata": textOf({ ...good, metadata: { list: ["\0"] } }),
    "NUL in the type": textOf({ ...good, event_type: "a\0b" }),
    "NUL in an id": textOf({ ...good, correlation_id: "\0" }),
    "a lone surrogate in a text": textOf(good, `"payload":{"text":"\\ud800"}`),
    "more accents on a letter than anybody writes": textOf({
      ...good,
      payload: { text: `a${"\u0301\u0323".repeat(20_000)}` },
    }),
    "as many of them, written as escapes": textOf(
      good,
      `"payload":{"text":"a${"\\u05b0\\u0327".repeat(20_000)}"}`,
    ),
    "surrogates the wrong way round": textOf(good, `"payload":{"text":"\\udc00\\ud800"}`),
    "a lone surrogate in a key": textOf(good, `"payload":{"\\udfff":1}`),
    "nesting 1,000 deep": nested(1_000),
    "nesting 100,000 deep": nested(100_000),
    "brackets that never close": "[".repeat(100_000),
    "a number beyond a double": textOf(good, `"payload":{"n":1e400}`),
    "a number far below zero": textOf(good, `"payload":{"list":[-1e999]}`),
    "a number of 400 digits": textOf(good, `"payload":{"n":${"9".repeat(400)}}`),
    "a number finer than numeric": textOf(good, `"payload":{"n":1e-20000}`),
    "NaN": textOf(good, `"payload":{"n":NaN}`),
    "Infinity": textOf(good, `"payload":{"n":-Infinity}`),
    "a number as the body": "42",
    "a text as the body": `"an event"`,
    "null as the body": "null",
    "no events": `{"events":[]}`,
    "events that are no list": `{"events":{"event_type":"user.login"}}`,
    "a field beside events that nobody knows": `{"events":[${textOf(good)}],"expected_versions":0}`,
    "one beside an expected version": `{"events":[${textOf(good)}],"expected_version":0,"foo":{}}`,
  };

  test.each(Object.entries(bodies))("%s", async (_, body) => {
    expect(refusalOf(await post(body)).status).toBe(400);
    await refusedByRpc(body);
    await refusedByRpc(body, "secret");
  });

  test("the field beside events that nobody knows is named", async () => {
    const answer = await post(
      `{"events":[${textOf(timely)}],"bar":null,"expected_versions":0}`,
      other,
    );
    expect(refusalOf(answer)).toEqual({
      status: 400,
      code: "invalid_body",
      message: "Beside events nothing is known but expected_version: not expected_versions.",
    });
  });

  test.each(["\\u0000", "\\ud800", "\\uDfff"])(
    "%s under a key that comes twice",
    async (escape) => {
      const body = textOf(timely, `"payload":{"a":"${escape}","a":"x"}`);
      expect(refusalOf(await post(body, other)).status).toBe(400);
      await refusedByRpc(body, other);
    },
  );

  test("the field that holds it is named", async () => {
    const answer = await post(textOf({ ...good, payload: { list: [1, { text: "\0" }] } }));
    expect(refusalOf(answer)).toEqual({
      status: 400,
      code: "invalid_json",
      message: "payload.list[1].text holds a NUL character.",
      issues: [{ field: "payload.list[1].text", message: "holds a NUL character" }],
    });
  });

  test.each([
    ["a byte that is none of UTF-8", [0xff]],
    ["a surrogate as UTF-8 would write it", [0xed, 0xa0, 0x80]],
    ["half a character", [0xc3]],
  ])("%s", async (_, bytes) => {
    const [head, tail] = textOf({ ...good, payload: { text: "@" } }).split("@");
    const body = new Uint8Array([...Buffer.from(head!), ...bytes, ...Buffer.from(tail!)]);
    expect(refusalOf(await post(body))).toMatchObject({ status: 400, code: "invalid_text" });
  });
});

describe("A publication that is too large is refused whole with 413:", () => {
  test("501 events", async () => {
    const body = JSON.stringify({ events: Array.from({ length: 501 }, () => good) });
    expect(refusalOf(await post(body))).toMatchObject({ status: 413, code: "too_many_events" });
    await refusedByRpc(body);
  });

  test("a byte more than 1 MiB", async () => {
    const room = 1_048_577 - textOf({ ...good, payload: { text: "" } }).length;
    const body = textOf({ ...good, payload: { text: "x".repeat(room) } });
    expect(body).toHaveLength(1_048_577);
    expect(refusalOf(await post(body))).toMatchObject({ status: 413, code: "body_too_large" });
    await refusedByRpc(body);
  });

  test("a body that does not say how long it is", async () => {
    const chunks = Array.from({ length: 32 }, () => new Uint8Array(65_536).fill(32));
    const body = ReadableStream.from(chunks);
    expect(refusalOf(await post(body))).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("one whose control characters are short in the database alone", async () => {
    const body = textOf({ ...good, payload: { text: "\u0001".repeat(200_000) } });
    expect(body.length).toBeGreaterThan(1_048_576);
    expect(refusalOf(await post(body))).toMatchObject({ status: 413, code: "body_too_large" });
    await refusedByRpc(body);
  });

  test.each([
    ["megabytes", "1e300"],
    ["a hundred megabytes", "1e-9999"],
  ])("a few bytes that would become %s", async (_, number) => {
    const body = textOf(good, `"payload":{"n":[${Array(12_000).fill(number)}]}`);
    expect(body.length).toBeLessThan(100_000);
    expect(refusalOf(await post(body))).toMatchObject({ status: 413, code: "body_too_large" });
    await refusedByRpc(body);
  });
});

describe("An event that breaks the envelope's rules is refused with 422 and the field:", () => {
  const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  const nested = JSON.parse(`${`{"a":`.repeat(32)}1${"}".repeat(32)}`);
  const events: Record<string, [Record<string, unknown>, string]> = {
    "no type": [{ event_type: undefined }, "event_type"],
    "a type of another kind": [{ event_type: 5 }, "event_type"],
    "a name of 101 characters": [{ event_type: "é".repeat(101) }, "event_type"],
    "a name with a space": [{ event_type: "user login" }, "event_type"],
    "a name with an empty part": [{ event_type: "user..login" }, "event_type"],
    "an empty name": [{ event_type: "" }, "event_type"],
    "no app": [{ app_source: undefined }, "app_source"],
    "an app of another kind": [{ app_source: ["cv"] }, "app_source"],
    "an app that is no slug": [{ app_source: "Phoenix CV" }, "app_source"],
    "an app of 51 characters": [{ app_source: "a".repeat(51) }, "app_source"],
    "two apps": [{ source_app: "cv" }, "source_app"],
    "a payload of another kind": [{ payload: "text" }, "payload"],
    "a list as payload": [{ payload: [] }, "payload"],
    "two payloads": [{ payload: { a: 1 }, data: { a: 2 } }, "data"],
    "metadata of another kind": [{ metadata: true }, "metadata"],
    "an event_id that is no UUID": [{ event_id: "1" }, "event_id"],
    "an event_id of another kind": [{ event_id: 1 }, "event_id"],
    "a timestamp that is none": [{ timestamp: "tomorrow" }, "timestamp"],
    "a timestamp of another kind": [{ timestamp: 1_767_225_600_000 }, "timestamp"],
    "a day that does not exist": [{ timestamp: "2026-02-30T00:00:00Z" }, "timestamp"],
    "a future timestamp": [
      {
        // When it is sent: the stack boots in between.
        get timestamp() {
          return inMinutes(6);
        },
      },
      "timestamp",
    ],
    "infinity": [{ timestamp: "infinity" }, "timestamp"],
    "an id of another kind": [{ session_id: { id: 1 } }, "session_id"],
    "an id of 201 characters": [{ correlation_id: "x".repeat(201) }, "correlation_id"],
    "a cause of another kind": [{ causation_id: [] }, "causation_id"],
    "an unknown field": [{ user: "me" }, "user"],
    "a payload nested 33 levels deep": [{ payload: nested }, "event"],
    "metadata nested 33 levels deep": [{ metadata: nested }, "event"],
  };

  test.each(Object.entries(events))("%s", async (_, [wrong, field]) => {
    for (const [as, right] of [[user, good], [other, timely]] as const) {
      const body = textOf({ ...right, ...wrong });
      const refusal = refusalOf(await post(body, as));
      expect(refusal).toMatchObject({ status: 422, code: "invalid_events" });
      expect(refusal.issues?.map((issue) => issue.field)).toEqual([field]);
      await refusedByRpc(body, as);
    }
  });

  test("another user's user_id", async () => {
    for (const right of [good, timely]) {
      const body = textOf({ ...right, user_id: other.user_id });
      expect(refusalOf(await post(body))).toMatchObject({
        status: 422,
        issues: [{ field: "user_id", message: "is not yours: a user publishes as themself" }],
      });
      await refusedByRpc(body);
    }
  });

  test.each([undefined, null, "me", 7, {}])("%j for a user, with a secret key", async (user_id) => {
    const body = textOf({ ...good, user_id });
    expect(refusalOf(await post(body, "secret"))).toMatchObject({
      status: 422,
      issues: [{ field: "user_id" }],
    });
    await refusedByRpc(body, "secret");
  });

  test.each([
    ["nothing", ""],
    ["an object without anything", "{}"],
    ["nothing but events that are null", `{"events":null,"expected_version":null}`],
    ["a lone event that expects a version", textOf(good, `"expected_version":7`)],
    ["a list in the list", "[[]]"],
    ["no event among the events", `{"events":[1,null,"text"]}`],
  ])("%s", async (_, body) => {
    expect(refusalOf(await post(body))).toMatchObject({ status: 422, code: "invalid_events" });
    if (body) await refusedByRpc(body);
  });
});

describe("A payload that the catalogue refuses is refused with 422 and the field:", () => {
  test.each([
    ["rise", "mood.logged", { mood_score: 11 }, "payload.mood_score"],
    ["rise", "mood.logged", { mood_score: "7" }, "payload.mood_score"],
    ["rise", "mood.logged", {}, "payload.mood_score"],
    ["cv", "ats_score.calculated", { ats_score: -1 }, "payload.ats_score"],
    ["letters", "letter.generated", { match_score: 1.01 }, "payload.match_score"],
    ["website", "feedback.submitted", { satisfaction: 6 }, "payload.satisfaction"],
    ["aube", "métier_choisi", { métier: "Coach", score_x: 2 }, "payload.score_x"],
    ["aube", "métier_choisi", { métier: ["Coach"] }, "payload.métier"],
  ])("%s %s %j", async (app_source, event_type, payload, field) => {
    const event = { app_source, event_type, payload };
    for (const body of [event, { events: [event] }, [event]]) {
      const refusal = refusalOf(await post(JSON.stringify(body)));
      expect(refusal).toMatchObject({ status: 422, issues: [{ field }] });
    }
  });
});
