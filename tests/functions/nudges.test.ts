import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../support/eventually.ts";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);

const nudgeSchema = z.strictObject({
  nudge_id: z.guid(),
  nudge_type: z.string(),
  target_app: z.string(),
  title: z.string(),
  message: z.string(),
  cta_label: z.string(),
  cta_url: z.url(),
  variant: z.string(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});
type Nudge = z.output<typeof nudgeSchema>;

const time = z.iso.datetime().nullable();
const markedSchema = nudgeSchema.extend({
  app_source: z.string(),
  shown_at: time,
  clicked_at: time,
  dismissed_at: time,
  converted_at: time,
  success: z.boolean(),
  status: z.string(),
});

async function pending(as: TestUser): Promise<Nudge[]> {
  const answer = await call("GET", "nudges", { as });
  expect(answer.status, answer.text).toBe(200);
  return z.array(nudgeSchema).parse(answer.body);
}

async function mark(as: TestUser, nudge: Nudge, step: string) {
  const answer = await call("POST", `nudges/${nudge.nudge_id}/${step}`, { as });
  expect(answer.status, answer.text).toBe(200);
  return markedSchema.parse(answer.body);
}

/** A user who wrote a letter, and the nudge that follows. */
async function nudged(): Promise<{ user: TestUser; nudge: Nudge }> {
  const user = await stack.signUp();
  publicationOf(
    await call("POST", "events", {
      as: user,
      json: { event_type: "letter.generated", app_source: "phoenix_letters" },
    }),
  );
  const nudge = await eventually(async () => (await pending(user))[0]);
  return { user, nudge };
}

/** The types of a user's events that tell of their nudges. */
async function toldOf(user: TestUser): Promise<string[]> {
  const { data } = await user.client.from("phoenix_events")
    .select("event_type").like("event_type", "nudge.%").order("version");
  return (data ?? []).map(({ event_type }) => event_type);
}

let user: TestUser;
let nudge: Nudge;

beforeAll(async () => {
  ({ user, nudge } = await nudged());
});

describe("GET nudges", () => {
  test("gives a user the nudges that wait for them", async () => {
    expect(await pending(user)).toEqual([nudge]);
    expect(nudge).toMatchObject({
      nudge_type: "letters_to_cv",
      target_app: "cv",
      title: "Optimisez vos chances avec Phoenix CV !",
    });
    expect(Date.parse(nudge.expires_at)).toBeGreaterThan(Date.now());
  });

  test("gives them to unmodified functions-js", async () => {
    const { data, error } = await user.client.functions.invoke("nudges", { method: "GET" });
    expect(error).toBeNull();
    expect(data).toEqual([nudge]);
  });

  test("gives nobody else's, nor does REST", async () => {
    const stranger = await stack.signUp();
    expect(await pending(stranger)).toEqual([]);
    expect((await stranger.client.from("phoenix_nudges_sent").select()).data).toEqual([]);
    const { data } = await user.client.from("phoenix_nudges_sent").select("nudge_id");
    expect(data).toEqual([{ nudge_id: nudge.nudge_id }]);
    expect((await stack.anonymous().from("phoenix_nudges_sent").select()).status).toBe(401);
  });

  test("does not let a user write nudges through REST", async () => {
    const table = user.client.from("phoenix_nudges_sent");
    const attempts = await Promise.all([
      table.update({ clicked_at: new Date() }).eq("nudge_id", nudge.nudge_id),
      table.delete().eq("nudge_id", nudge.nudge_id),
      table.insert({
        user_id: user.user_id,
        nudge_id: crypto.randomUUID(),
        nudge_type: "mine",
        expires_at: nudge.expires_at,
      }),
    ]);
    expect(attempts.map(({ error }) => error?.code)).toEqual(["42501", "42501", "42501"]);
  });

  test("is for users alone", async () => {
    expect(refusalOf(await call("GET", "nudges"))).toMatchObject({ status: 401 });
    expect(refusalOf(await call("GET", "nudges", { as: "secret" }))).toMatchObject({ status: 403 });
  });

  test("leaves out what has expired", async () => {
    const { user, nudge } = await nudged();
    const sql = stack.adminSql({ max: 1 });
    await sql`
      update public.phoenix_nudges_sent
      set sent_at = now() - interval '2 days', expires_at = now() - interval '1 second'
      where nudge_id = ${nudge.nudge_id}`;
    await sql.end();
    expect(await pending(user)).toEqual([]);
  });
});

describe("An app that asks for nudges again and again", () => {
  const ask = (as: TestUser, tag?: string) =>
    call("GET", "nudges", {
      as,
      headers: { origin: "https://example.com", ...(tag && { "if-none-match": tag }) },
    });

  test("is told that nothing has changed, without a body", async () => {
    const first = await ask(user);
    const tag = first.headers.get("etag")!;
    expect(tag).toMatch(/^"[^"]+"$/);
    expect(first.headers.get("cache-control")).toBe("private, no-cache");
    for (const given of [tag, `W/${tag}`, `"other", ${tag}`]) {
      const again = await ask(user, given);
      expect(again).toMatchObject({ status: 304, text: "" });
      expect(again.headers.get("etag")).toBe(tag);
      expect(again.headers.get("access-control-allow-origin")).toBe("*");
    }
    expect((await ask(user, '"other"')).status).toBe(200);
  });

  test("gets the nudges as soon as they change", async () => {
    const { user, nudge } = await nudged();
    const before = (await ask(user)).headers.get("etag")!;
    await mark(user, nudge, "shown");
    const after = await ask(user, before);
    expect(after).toMatchObject({ status: 200, body: [] });
    expect(after.headers.get("etag")).not.toBe(before);
  });

  test("needs to be signed in for that, too", async () => {
    const tag = (await ask(user)).headers.get("etag")!;
    expect((await call("GET", "nudges", { headers: { "if-none-match": tag } })).status).toBe(401);
  });
});

test("Realtime tells front-ends of their nudges", async () => {
  const sql = stack.adminSql({ max: 1 });
  const tables = await sql`
    select schemaname, tablename from pg_publication_tables where pubname = 'supabase_realtime'`;
  await sql.end();
  expect(tables).toContainEqual({ schemaname: "public", tablename: "phoenix_nudges_sent" });
});

describe("POST nudges/{id}/…", () => {
  test("shown: it no longer waits, and an event tells of it", async () => {
    const { user, nudge } = await nudged();
    const shown = await mark(user, nudge, "shown");
    expect(shown).toMatchObject({ ...nudge, clicked_at: null, dismissed_at: null, success: false });
    expect(shown.shown_at).not.toBeNull();
    expect(await pending(user)).toEqual([]);
    expect(await toldOf(user)).toEqual(["nudge.shown"]);
  });

  test.each(["clicked", "dismissed"])("%s: it was shown as well", async (step) => {
    const { user, nudge } = await nudged();
    const marked = await mark(user, nudge, step);
    expect(marked.shown_at).not.toBeNull();
    expect(marked[`${step}_at` as "clicked_at"]).toBe(marked.shown_at);
    expect(await toldOf(user)).toEqual([`nudge.${step}`]);
  });

  test.each(["shown", "clicked", "dismissed"])(
    "%s again, and by many at once: nothing changes",
    async (step) => {
      const { user, nudge } = await nudged();
      const first = await mark(user, nudge, step);
      const again = await Promise.all(Array.from({ length: 6 }, () => mark(user, nudge, step)));
      expect(again).toEqual(Array.from({ length: 6 }, () => first));
      expect(await toldOf(user)).toEqual([`nudge.${step}`]);
    },
  );

  test("what was dismissed cannot be clicked, and the other way round", async () => {
    for (const [first, second] of [["dismissed", "clicked"], ["clicked", "dismissed"]] as const) {
      const { user, nudge } = await nudged();
      const before = await mark(user, nudge, first);
      expect(await mark(user, nudge, second)).toEqual(before);
      expect(await toldOf(user)).toEqual([`nudge.${first}`]);
    }
  });

  test("is for the nudge's own user", async () => {
    const stranger = await stack.signUp();
    const path = `nudges/${nudge.nudge_id}/dismissed`;
    expect(refusalOf(await call("POST", path, { as: stranger }))).toMatchObject({
      status: 404,
      code: "nudge_not_found",
    });
    expect(refusalOf(await call("POST", path))).toMatchObject({ status: 401 });
    expect(refusalOf(await call("POST", path, { as: "secret" }))).toMatchObject({ status: 403 });
    expect(await pending(user)).toEqual([nudge]);
  });

  test("knows no nudge of that id, or that is no id", async () => {
    const unknown = await call("POST", `nudges/${crypto.randomUUID()}/shown`, { as: user });
    expect(refusalOf(unknown)).toMatchObject({ status: 404, code: "nudge_not_found" });
    const none = await call("POST", "nudges/1/shown", { as: user });
    expect(refusalOf(none)).toMatchObject({
      status: 400,
      code: "invalid_request",
      issues: [{ field: "nudge_id" }],
    });
  });
});
