import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);
const sql = stack.adminSql({ max: 1 });
let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
});

afterAll(() => sql.end());

const publish = (json: unknown, as: TestUser | "secret" = user) =>
  call("POST", "events", { as, json });

const eventWith = (payload: Record<string, unknown>) => ({
  event_type: "page.read",
  app_source: "website",
  payload,
});

async function countEvents(userId: string): Promise<number> {
  const [row] = await sql`
    select count(*)::int as events from public.phoenix_events where user_id = ${userId}`;
  return row!.events;
}

describe("The same event published again", () => {
  test("is answered with the first one's event_id and stored once", async () => {
    const publisher = await stack.signUp();
    const first = publicationOf(await publish(eventWith({ a: 1, b: 2 }), publisher));
    const again = publicationOf(await publish(eventWith({ b: 2.0, a: 1 }), publisher));
    expect(again).toEqual({
      accepted: 0,
      duplicates: 1,
      rejected: 0,
      results: [{ event_id: first.results[0]!.event_id, status: "duplicate" }],
    });
    expect(await countEvents(publisher.user_id)).toBe(1);
  });

  test("is a duplicate within one batch as well", async () => {
    const event = eventWith({ within: "a batch" });
    const { results } = publicationOf(await publish({ events: [event, event] }));
    expect(results.map(({ status }) => status)).toEqual(["accepted", "duplicate"]);
    expect(results[1]!.event_id).toBe(results[0]!.event_id);
  });

  test("by many at once is accepted once, and all are told the same event_id", async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => publish(eventWith({ at: "once" }))),
    );
    const results = answers.flatMap((answer) => publicationOf(answer).results);
    expect(results.filter(({ status }) => status === "accepted")).toHaveLength(1);
    expect(new Set(results.map(({ event_id }) => event_id)).size).toBe(1);
  });

  test("is another event where the publisher gave it another time", async () => {
    const event = eventWith({ at: "two times" });
    const at = (timestamp: string) => publish({ ...event, timestamp }).then(publicationOf);
    expect((await at("2026-01-01T10:00:00Z")).accepted).toBe(1);
    expect((await at("2026-01-01T10:00:01Z")).accepted).toBe(1);
    expect((await at("2026-01-01T11:00:00+01:00")).duplicates).toBe(1);
  });

  test("is another user's own event", async () => {
    const event = eventWith({ of: "two users" });
    expect(publicationOf(await publish(event)).accepted).toBe(1);
    expect(publicationOf(await publish(event, await stack.signUp())).accepted).toBe(1);
  });

  test("is the same whoever sends it, the user or a secret key", async () => {
    const event = eventWith({ by: "two senders" });
    const first = publicationOf(await publish(event));
    const again = publicationOf(await publish({ ...event, user_id: user.user_id }, "secret"));
    expect(again.results).toEqual([{
      event_id: first.results[0]!.event_id,
      status: "duplicate",
    }]);
  });
});

describe("An event_id", () => {
  test("makes a retry a duplicate", async () => {
    const event = { ...eventWith({ retried: true }), event_id: crypto.randomUUID() };
    expect(publicationOf(await publish(event)).accepted).toBe(1);
    expect(publicationOf(await publish(event)).results)
      .toEqual([{ event_id: event.event_id, status: "duplicate" }]);
  });

  test("that stands for another content is refused with 409", async () => {
    const event_id = crypto.randomUUID();
    expect(publicationOf(await publish({ ...eventWith({ n: 1 }), event_id })).accepted).toBe(1);
    const before = await countEvents(user.user_id);
    const answer = await publish({ ...eventWith({ n: 2 }), event_id });
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({
      rejected: 1,
      results: [{ event_id, status: "rejected", error: { code: "event_id_reused" } }],
      error: { code: "event_id_reused", request_id: answer.headers.get("x-request-id") },
    });
    expect(await countEvents(user.user_id)).toBe(before);
  });

  test("that is one of several faults is no conflict, which to send no more would end", async () => {
    const event_id = crypto.randomUUID();
    await publish({ ...eventWith({ several: 1 }), event_id });
    const answer = await publish({
      events: [{ ...eventWith({ several: 2 }), event_id }, { ...eventWith({}), app_source: "" }],
    });
    expect(refusalOf(answer)).toMatchObject({
      status: 422,
      code: "invalid_events",
      issues: [{ field: "events[1].app_source" }],
    });
  });

  test("reused in a batch is refused alone", async () => {
    const event_id = crypto.randomUUID();
    const { results } = publicationOf(
      await publish({
        events: [
          { ...eventWith({ batch: 1 }), event_id },
          { ...eventWith({ batch: 2 }), event_id },
          eventWith({ batch: 3 }),
          { ...eventWith({ batch: 1 }), event_id },
        ],
      }),
    );
    expect(results.map(({ status, error }) => error?.code ?? status))
      .toEqual(["accepted", "event_id_reused", "accepted", "duplicate"]);
  });

  test("may be another user's too", async () => {
    const event_id = crypto.randomUUID();
    expect(publicationOf(await publish({ ...eventWith({ n: 3 }), event_id })).accepted).toBe(1);
    const other = await publish({ ...eventWith({ n: 4 }), event_id }, await stack.signUp());
    expect(publicationOf(other).accepted).toBe(1);
  });

  test("is no refuge for what is wrong: a batch with nothing right is 422", async () => {
    const event_id = crypto.randomUUID();
    publicationOf(await publish({ ...eventWith({ n: 5 }), event_id }));
    const answer = await publish({
      events: [{ ...eventWith({ n: 6 }), event_id }, { app_source: "cv" }],
    });
    expect(refusalOf(answer)).toMatchObject({ status: 422, code: "invalid_events" });
  });
});
