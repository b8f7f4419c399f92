import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);
const published = 57;
let user: TestUser;

const listedEvent = z.strictObject({
  event_id: z.guid(),
  user_id: z.guid(),
  version: z.int(),
  event_type: z.string(),
  app_source: z.string(),
  payload: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()),
  correlation_id: z.string().nullable(),
  causation_id: z.string().nullable(),
  session_id: z.string().nullable(),
  timestamp: z.iso.datetime(),
  received_at: z.iso.datetime(),
  event_hash: z.string().regex(/^[0-9a-f]{64}$/),
  ai_processing_error: z.string().nullable(),
});
const page = z.strictObject({ events: z.array(listedEvent), next: z.int().nullable() });

async function list(query: Record<string, string | number> = {}, as = user) {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)]),
  );
  const answer = await call("GET", `events?${search}`, { as });
  expect(answer.status, answer.text).toBe(200);
  return page.parse(answer.body);
}

/** Every page until there is no next one. */
async function listAll(query: Record<string, string | number>) {
  const pages = [await list(query)];
  for (let next = pages[0]!.next; next !== null; next = pages.at(-1)!.next) {
    pages.push(await list({ ...query, before: next }));
  }
  return pages;
}

beforeAll(async () => {
  user = await stack.signUp();
  const apps = ["cv", "letters", "website"];
  const events = Array.from({ length: published }, (_, index) => ({
    event_type: index % 10 === 0 ? "étape.franchie" : "page.read",
    app_source: apps[index % 3],
    payload: { index },
  }));
  publicationOf(await call("POST", "events", { as: user, json: { events } }));
});

describe("GET events", () => {
  test("lists the caller's events, newest first, 50 where nothing is said", async () => {
    const { events, next } = await list();
    expect(events.map(({ version }) => version))
      .toEqual(Array.from({ length: 50 }, (_, index) => published - index));
    expect(next).toBe(published - 49);
    expect(events[0]).toMatchObject({
      user_id: user.user_id,
      event_type: "page.read",
      app_source: "website",
      payload: { index: published - 1 },
    });
  });

  test.each([1, 7, 19, 56, 57, 58, 200])(
    "comes to the end without gap or repetition in pages of %i",
    async (limit) => {
      const pages = await listAll({ limit });
      expect(pages.flatMap(({ events }) => events.map(({ version }) => version)))
        .toEqual(Array.from({ length: published }, (_, index) => published - index));
      expect(pages.slice(0, -1).every(({ events }) => events.length === limit)).toBe(true);
      expect(pages).toHaveLength(Math.ceil(published / limit));
    },
  );

  test("keeps its place while new events arrive", async () => {
    const reader = await stack.signUp();
    const publish = (n: number) =>
      call("POST", "events", {
        as: reader,
        json: { event_type: "page.read", app_source: "website", payload: { n } },
      });
    for (let n = 1; n <= 4; n++) await publish(n);
    const first = await list({ limit: 2 }, reader);
    await publish(5);
    const second = await list({ limit: 2, before: first.next! }, reader);
    expect([...first.events, ...second.events].map(({ version }) => version)).toEqual([4, 3, 2, 1]);
    expect(second.next).toBeNull();
  });

  test.each(["before", "after"])(
    "ends a page, by %s, before it is more than an instance has room for, and comes to the end all the same",
    async (cursor) => {
      const reader = await stack.signUp();
      for (let n = 1; n <= 12; n++) {
        const payload = { n, text: "x".repeat(900_000) };
        const event = { event_type: "page.read", app_source: "website", payload };
        publicationOf(await call("POST", "events", { as: reader, json: event }));
      }
      const sizes: number[] = [];
      const versions: number[] = [];
      for (let next: number | null = cursor === "before" ? 13 : 0; next !== null;) {
        const { events, next: following } = await list({ [cursor]: next }, reader);
        sizes.push(events.length);
        versions.push(...events.map(({ version }) => version));
        next = following;
      }
      // Whatever begins within four mebibytes is still on the page.
      expect(sizes).toEqual([5, 5, 2]);
      const told = Array.from({ length: 12 }, (_, index) => index + 1);
      expect(versions).toEqual(cursor === "before" ? told.toReversed() : told);
    },
  );

  test("filters by type, in whatever Unicode form, and by app", async () => {
    for (const form of ["NFC", "NFD"]) {
      const pages = await listAll({ event_type: "étape.franchie".normalize(form), limit: 4 });
      expect(pages.flatMap(({ events }) => events.map(({ payload }) => payload.index)))
        .toEqual([50, 40, 30, 20, 10, 0]);
    }
    for (const app_source of ["cv", "phoenix_cv"]) {
      const { events } = await list({ app_source, event_type: "étape.franchie" });
      expect(events.map(({ payload }) => payload.index)).toEqual([30, 0]);
    }
    expect(await list({ app_source: "rise" })).toEqual({ events: [], next: null });
  });

  test.each(["é".repeat(100), "𝒳".repeat(100)])(
    "finds a type of a hundred characters, however long it is in another Unicode form: %s",
    async (event_type) => {
      const reader = await stack.signUp();
      const event = { event_type, app_source: `phoenix_${"x".repeat(50)}` };
      publicationOf(await call("POST", "events", { as: reader, json: event }));
      for (const form of ["NFC", "NFD"]) {
        const query = { ...event, event_type: event_type.normalize(form) };
        expect((await list(query, reader)).events).toMatchObject([{ event_type }]);
      }
    },
  );

  test.each([
    ["2026-01-31T10:00:00.5+01:00", "2026-01-31T09:00:00.500Z"],
    ["2026-01-31T10:00:00.123Z", "2026-01-31T10:00:00.123Z"],
    ["2026-01-31T10:00:00.123456Z", "2026-01-31T10:00:00.123456Z"],
    ["2026-01-31T10:00:00.000001Z", "2026-01-31T10:00:00.000001Z"],
    ["2026-01-31T10:00:00.100Z", "2026-01-31T10:00:00.100Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
    ["0099-12-31T23:59:59.999Z", "0099-12-31T23:59:59.999Z"],
  ])("shows the time %s as %s", async (timestamp, shown) => {
    const reader = await stack.signUp();
    const event = { event_type: "page.read", app_source: "website", timestamp };
    publicationOf(await call("POST", "events", { as: reader, json: event }));
    const { events } = await list({}, reader);
    expect(events).toMatchObject([{ timestamp: shown }]);
    expect(Date.parse(events[0]!.received_at)).toBeGreaterThan(Date.now() - 60_000);
  });

  test("shows numbers to the last digit", async () => {
    const reader = await stack.signUp();
    const numbers = "[9007199254740993, 12345678901234567890.1, 0.30000000000000004]";
    const body =
      `{"event_type":"page.read","app_source":"website","payload":{"n":${numbers}},"metadata":{"n":-9007199254740993}}`;
    publicationOf(await call("POST", "events", { as: reader, body }));
    const { text, headers } = await call("GET", "events", { as: reader });
    expect(headers.get("content-type")).toBe("application/json");
    expect(text).toContain(`"payload":{"n": ${numbers}}`);
    expect(text).toContain(`"metadata":{"n": -9007199254740993}`);
  });

  test("shows a user nobody else's events, nor does REST", async () => {
    const stranger = await stack.signUp();
    expect(await list({}, stranger)).toEqual({ events: [], next: null });
    expect(await list({ user_id: user.user_id }, stranger)).toEqual({ events: [], next: null });

    const theirs = await stranger.client.from("phoenix_events").select();
    expect(theirs).toMatchObject({ error: null, data: [] });
    const mine = await user.client.from("phoenix_events").select("user_id");
    expect(mine.data).toHaveLength(published);
    const nobodys = await stack.anonymous().from("phoenix_events").select();
    expect(nobodys.data).toBeNull();
    expect(nobodys.status).toBe(401);
  });

  test("has the same of an event as REST, which writes it as PostgreSQL does", async () => {
    const { events: [event] } = await list({ limit: 1 });
    const { data } = await user.client.from("phoenix_events").select("timestamp, event_hash")
      .eq("event_id", event!.event_id).single();
    const sql = stack.adminSql({ max: 1 });
    const [written] = await sql`
      select to_json(each) as event
      from (
        select timestamp, event_hash from public.phoenix_events where event_id = ${event!.event_id}
      ) as each`;
    await sql.end();
    expect(data).toEqual(written!.event);
    expect(data!.event_hash).toBe(`\\x${event!.event_hash}`);
    expect(new Date(data!.timestamp)).toEqual(new Date(event!.timestamp));
  });

  test("lets nobody change or erase an event through REST", async () => {
    const { events: [event] } = await list({ limit: 1 });
    const match = { event_id: event!.event_id };
    for (const client of [user.client, stack.service(), stack.anonymous()]) {
      const table = client.from("phoenix_events");
      const attempts = await Promise.all([
        table.update({ payload: {} }).match(match),
        table.delete().match(match),
        table.insert({ ...event, version: 1000, event_id: crypto.randomUUID() }),
      ]);
      expect(attempts.map(({ error }) => error?.code)).toEqual(["42501", "42501", "42501"]);
    }
    expect((await list({ limit: 1 })).events[0]).toEqual(event);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["limit=many", "limit"],
    ["limit=", "limit"],
    ["limit=1.5", "limit"],
    ["before=0", "before"],
    ["before=-1", "before"],
    ["before=99999999999999999999", "before"],
    [`event_type=${"x".repeat(101)}`, "event_type"],
    ["event_type=%00", "event_type"],
    [`app_source=${"x".repeat(51)}`, "app_source"],
    ["app_source=a%00b", "app_source"],
  ])("refuses ?%s", async (query, field) => {
    const refusal = refusalOf(await call("GET", `events?${query}`, { as: user }));
    expect(refusal).toMatchObject({ status: 400, code: "invalid_request", issues: [{ field }] });
  });

  test("is for users alone", async () => {
    expect(refusalOf(await call("GET", "events"))).toMatchObject({
      status: 401,
      code: "unauthorized",
    });
    expect(refusalOf(await call("GET", "events", { as: "secret" }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
  });
});
