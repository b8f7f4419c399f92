import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { functionsOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);
const sql = stack.adminSql({ max: 2 });

const time = z.iso.datetime();
const transitionSchema = z.strictObject({
  transition_id: z.guid(),
  user_id: z.guid(),
  source_app: z.string(),
  target_app: z.string(),
  context: z.record(z.string(), z.unknown()),
  status: z.enum(["requested", "notified", "accepted", "completed", "rejected", "expired"]),
  requested_at: time,
  notified_at: time.nullable(),
  accepted_at: time.nullable(),
  completed_at: time.nullable(),
  rejected_at: time.nullable(),
  expired_at: time.nullable(),
  expires_at: time,
  reason: z.string().nullable(),
});
type Transition = z.output<typeof transitionSchema>;

const listSchema = z.strictObject({
  transitions: z.array(transitionSchema),
  next: z.string().nullable(),
});

async function ask(as: TestUser, target_app: string, more: object = {}): Promise<Transition> {
  const answer = await call("POST", "transitions", { as, json: { target_app, ...more } });
  expect(answer.status, answer.text).toBe(201);
  return transitionSchema.parse(answer.body);
}

async function list(as: TestUser | "secret", query = ""): Promise<z.output<typeof listSchema>> {
  const answer = await call("GET", `transitions${query}`, { as });
  expect(answer.status, answer.text).toBe(200);
  return listSchema.parse(answer.body);
}

async function take(as: TestUser | "secret", id: string, step: string, json: object = {}) {
  const answer = await call("POST", `transitions/${id}/${step}`, { as, json });
  expect(answer.status, answer.text).toBe(200);
  return transitionSchema.parse(answer.body);
}

/** What the user's stream tells of their transitions, in its order. */
async function toldOf({ user_id }: TestUser) {
  const rows = await sql<{ payload: { status: string } }[]>`
    select payload, app_source, correlation_id, causation_id
    from public.phoenix_events
    where user_id = ${user_id} and event_type = 'transition_écosystème'
    order by version
  `;
  return rows.map(({ payload, ...row }) => ({ ...payload, ...row }));
}

let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
});

afterAll(() => sql.end());

describe("POST transitions", () => {
  test("opens one for a week, and the user's stream tells of it", async () => {
    const user = await stack.signUp();
    const context = { métier_choisi: "Data Scientist", ia_resistance_score: 0.72 };
    const transition = await ask(user, "phoenix_cv", { context });
    expect(transition).toMatchObject({
      user_id: user.user_id,
      source_app: "aube",
      target_app: "cv",
      context,
      status: "requested",
      notified_at: null,
      reason: null,
    });
    const week = Date.parse(transition.expires_at) - Date.parse(transition.requested_at);
    expect(week).toBe(7 * 24 * 3600 * 1000);
    expect(await toldOf(user)).toEqual([{
      transition_id: transition.transition_id,
      source_app: "aube",
      target_app: "cv",
      status: "requested",
      context,
      expires_at: transition.expires_at,
      app_source: "flywheel",
      correlation_id: transition.transition_id,
      causation_id: null,
    }]);
  });

  test("asked twice is asked once, however often and at the same time", async () => {
    const user = await stack.signUp();
    const asked = await Promise.all(
      Array.from({ length: 6 }, () => ask(user, "rise", { context: { growth_areas: ["SQL"] } })),
    );
    expect(new Set(asked.map(({ transition_id }) => transition_id)).size).toBe(1);
    expect(await toldOf(user)).toHaveLength(1);
  });

  test("another one to the same app supersedes what nobody has answered", async () => {
    const user = await stack.signUp();
    const first = await ask(user, "cv", { context: { métier_choisi: "Coach" } });
    const second = await ask(user, "cv", { context: { métier_choisi: "Designer UX" } });
    const { transitions } = await list(user);
    expect(transitions).toEqual([
      second,
      expect.objectContaining({
        transition_id: first.transition_id,
        status: "expired",
        reason: "superseded",
      }),
    ]);
    expect((await toldOf(user)).map(({ status }) => status)).toEqual([
      "requested",
      "expired",
      "requested",
    ]);
  });

  test("leaves alone what an app has accepted", async () => {
    const user = await stack.signUp();
    const first = await ask(user, "cv", { context: { métier_choisi: "Coach" } });
    await take(user, first.transition_id, "accepted");
    await ask(user, "cv", { context: { métier_choisi: "Designer UX" } });
    const { transitions } = await list(user);
    expect(transitions.map(({ status }) => status)).toEqual(["requested", "accepted"]);
  });

  test("with a secret key is for the user that it names", async () => {
    const answer = await call("POST", "transitions", {
      as: "secret",
      json: { target_app: "letters", source_app: "phoenix_cv", user_id: user.user_id },
    });
    expect(answer.status, answer.text).toBe(201);
    expect(answer.body).toMatchObject({ user_id: user.user_id, source_app: "cv" });
    const nameless = await call("POST", "transitions", {
      as: "secret",
      json: { target_app: "letters" },
    });
    expect(refusalOf(nameless)).toMatchObject({ status: 400, issues: [{ field: "user_id" }] });
  });

  test("is refused for another user, and to an anonymous caller", async () => {
    const json = { target_app: "cv", user_id: crypto.randomUUID() };
    expect(refusalOf(await call("POST", "transitions", { as: user, json }))).toMatchObject({
      status: 403,
    });
    expect(refusalOf(await call("POST", "transitions", { json }))).toMatchObject({ status: 401 });
  });

  test.each([
    ["no app", {}, "target_app"],
    ["an app outside the family", { target_app: "receipt" }, "target_app"],
    ["the app that the user is in", { target_app: "aube" }, "target_app"],
    ["a field that is not known", { target_app: "cv", métier: "Coach" }, "body"],
    ["a context that is a list", { target_app: "cv", context: [] }, "context"],
    [
      "a score off its scale",
      { target_app: "cv", context: { ia_resistance_score: 72 } },
      "context.ia_resistance_score",
    ],
    [
      "a score off its scale in what the catalogue does not know",
      { target_app: "cv", context: { autre: { score_x: 2 } } },
      "context.autre.score_x",
    ],
    [
      "a whole number of more digits than JavaScript keeps",
      { target_app: "cv", context: { autre: [{ id: 2 ** 53 }] } },
      "context.autre.0.id",
    ],
  ])("refuses %s, and says where", async (_, json, field) => {
    const answer = await call("POST", "transitions", { as: user, json });
    expect(refusalOf(answer)).toMatchObject({
      status: 400,
      code: "invalid_request",
      issues: [{ field }],
    });
  });

  test("lets a user ask for 60 at once, and a backend for any number", async () => {
    const asker = await stack.signUp();
    const ask = (as: TestUser | "secret") =>
      call("POST", "transitions", {
        as,
        json: { target_app: "cv", ...(as === "secret" && { user_id: asker.user_id }) },
      });
    // More than twice as many: should Redis be slow for a moment, the instance grants another 60.
    const asked = 150;
    const answers = await Promise.all(Array.from({ length: asked }, () => ask(asker)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(asked - 60);
    expect(refusalOf(refused[0]!)).toMatchObject({ code: "too_many_requests" });
    expect(Number(refused[0]!.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(asked - refused.length);
    expect((await ask("secret")).status).toBe(201);
  });

  test("takes no more than a reason with a step", async () => {
    const path = `transitions/${crypto.randomUUID()}/rejected`;
    const answer = await call("POST", path, { as: user, body: " ".repeat(8_193) });
    expect(refusalOf(answer)).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("refuses a body beyond 64 KiB", async () => {
    const json = { target_app: "cv", context: { autre: "é".repeat(65_536) } };
    const answer = await call("POST", "transitions", { as: user, json });
    expect(refusalOf(answer)).toMatchObject({ status: 413, code: "body_too_large" });
  });

  test("reads a field that is null as one that is left out", async () => {
    const user = await stack.signUp();
    const transition = await ask(user, "cv", { source_app: null, context: null, user_id: null });
    expect(transition).toMatchObject({ source_app: "aube", context: {} });
    const accepted = await take(user, transition.transition_id, "accepted", { reason: null });
    expect(accepted).toMatchObject({ status: "accepted", reason: null });
    const completed = await call("POST", `transitions/${transition.transition_id}/completed`, {
      as: "secret",
      json: null,
    });
    expect(completed).toMatchObject({ status: 200, body: { status: "completed" } });
  });

  test("keeps every key of a context", async () => {
    const context = JSON.parse('{"__proto__":{"cv_id":9007199254740991},"constructor":1}');
    const json = { target_app: "cv", context };
    const { text } = await call("POST", "transitions", { as: await stack.signUp(), json });
    // zod's copies have no such key.
    expect(JSON.stringify(JSON.parse(text).context)).toBe(JSON.stringify(context));
  });

  test("keeps text in NFC, whatever form it comes in", async () => {
    const user = await stack.signUp();
    const transition = await ask(user, "cv", {
      context: { ["métier_choisi".normalize("NFD")]: "Développeur".normalize("NFD") },
    });
    expect(transition.context).toEqual({ métier_choisi: "Développeur" });
  });
});

describe("POST transitions/{id}/…", () => {
  test("accepted, then completed: each step is told once, with its cause", async () => {
    const user = await stack.signUp();
    const { transition_id } = await ask(user, "cv");
    const accepted = await take("secret", transition_id, "accepted");
    expect(accepted).toMatchObject({ status: "accepted", completed_at: null });
    expect(accepted.accepted_at).not.toBeNull();
    const completed = await take(user, transition_id, "completed");
    expect(completed).toMatchObject({
      ...accepted,
      status: "completed",
      completed_at: expect.any(String),
    });
    expect(await toldOf(user)).toEqual([
      expect.objectContaining({ status: "requested" }),
      {
        transition_id,
        source_app: "aube",
        target_app: "cv",
        status: "accepted",
        app_source: "flywheel",
        correlation_id: transition_id,
        causation_id: transition_id,
      },
      expect.objectContaining({ status: "completed" }),
    ]);
  });

  test("rejected, with the reason that was given", async () => {
    const user = await stack.signUp();
    const { transition_id } = await ask(user, "rise");
    const rejected = await take("secret", transition_id, "rejected", {
      reason: "pas de place",
      user_id: user.user_id,
    });
    expect(rejected).toMatchObject({ status: "rejected", reason: "pas de place" });
    expect((await toldOf(user)).at(-1)).toMatchObject({
      status: "rejected",
      reason: "pas de place",
    });
  });

  test("rejected, with a reason of 500 characters, however they are typed and escaped", async () => {
    const user = await stack.signUp();
    const { transition_id } = await ask(user, "rise");
    const reject = (reason: string) =>
      call("POST", `transitions/${transition_id}/rejected`, {
        as: user,
        body: `{"reason":"${reason}"}`,
      });
    const escaped = "e\\u0301";
    expect(await reject(escaped.repeat(501))).toMatchObject({
      status: 400,
      body: { error: { code: "invalid_request", issues: [{ field: "reason" }] } },
    });
    expect(await reject(escaped.repeat(500)))
      .toMatchObject({ status: 200, body: { reason: "é".repeat(500) } });
  });

  test.each(["accepted", "rejected"])(
    "%s again, and by many at once: nothing changes",
    async (step) => {
      const user = await stack.signUp();
      const { transition_id } = await ask(user, "cv");
      const taken = await Promise.all(
        Array.from({ length: 6 }, () => take("secret", transition_id, step)),
      );
      expect(taken).toEqual(Array.from({ length: 6 }, () => taken[0]));
      expect(await toldOf(user)).toHaveLength(2);
    },
  );

  test("accepted again after it was completed is a repetition", async () => {
    const user = await stack.signUp();
    const { transition_id } = await ask(user, "cv");
    await take(user, transition_id, "accepted");
    const completed = await take(user, transition_id, "completed");
    expect(await take(user, transition_id, "accepted")).toEqual(completed);
  });

  test.each([
    [[], "completed"],
    [["accepted"], "rejected"],
    [["rejected"], "accepted"],
    [["rejected"], "completed"],
    [["accepted", "completed"], "rejected"],
  ])("after %j it cannot be %s", async (before, step) => {
    const user = await stack.signUp();
    const { transition_id } = await ask(user, "cv");
    for (const each of before) await take(user, transition_id, each);
    const told = await toldOf(user);
    const answer = await call("POST", `transitions/${transition_id}/${step}`, { as: user });
    expect(refusalOf(answer)).toMatchObject({ status: 409, code: "illegal_step" });
    expect(await toldOf(user)).toEqual(told);
  });

  test("is for the transition's own user, or whoever speaks for all", async () => {
    const { transition_id } = await ask(user, "rise");
    const stranger = await stack.signUp();
    const path = `transitions/${transition_id}/accepted`;
    expect(refusalOf(await call("POST", path, { as: stranger }))).toMatchObject({
      status: 404,
      code: "transition_not_found",
    });
    expect(refusalOf(await call("POST", path))).toMatchObject({ status: 401 });
    const wrong = await call("POST", path, {
      as: "secret",
      json: { user_id: stranger.user_id },
    });
    expect(refusalOf(wrong)).toMatchObject({ status: 404 });
    expect((await list(user)).transitions).toContainEqual(
      expect.objectContaining({ transition_id, status: "requested" }),
    );
  });

  test("knows no transition of that id, or that is no id", async () => {
    const unknown = await call("POST", `transitions/${crypto.randomUUID()}/accepted`, { as: user });
    expect(refusalOf(unknown)).toMatchObject({ status: 404, code: "transition_not_found" });
    const none = await call("POST", "transitions/1/accepted", { as: user });
    expect(refusalOf(none)).toMatchObject({
      status: 400,
      code: "invalid_request",
      issues: [{ field: "transition_id" }],
    });
  });
});

describe("GET transitions", () => {
  test("gives a user their own, newest first, by app and by status", async () => {
    const user = await stack.signUp();
    const cv = await ask(user, "cv");
    const letters = await ask(user, "letters");
    await take(user, letters.transition_id, "rejected");
    expect((await list(user)).transitions.map(({ target_app }) => target_app)).toEqual([
      "letters",
      "cv",
    ]);
    expect((await list(user, "?target_app=cv")).transitions).toEqual([cv]);
    expect((await list(user, "?status=requested")).transitions).toEqual([cv]);
    expect((await list(user, "?target_app=phoenix_letters&status=requested")).transitions)
      .toEqual([]);
  });

  test("gives a secret key everybody's, page by page, each once", async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => stack.signUp()));
    const asked = await Promise.all(users.map((user) => ask(user, "website")));
    const found: string[] = [];
    let next: string | null = null;
    do {
      const page: z.output<typeof listSchema> = await list(
        "secret",
        `?target_app=website&status=requested&limit=2${next === null ? "" : `&before=${next}`}`,
      );
      expect(page.transitions.length).toBeLessThanOrEqual(2);
      found.push(...page.transitions.map(({ transition_id }) => transition_id));
      next = page.next;
    } while (next !== null);
    expect(found.toSorted()).toEqual(asked.map(({ transition_id }) => transition_id).toSorted());
  });

  test("gives a secret key that names a user that user's alone", async () => {
    const [user, other] = await Promise.all([stack.signUp(), stack.signUp()]);
    const own = await ask(user, "cv");
    await ask(other, "cv");
    const query = `?user_id=${user.user_id}`;
    expect((await list("secret", query)).transitions).toEqual([own]);
    expect((await list(user, query.toUpperCase().replace("USER_ID", "user_id"))).transitions)
      .toEqual([own]);
    expect(refusalOf(await call("GET", `transitions${query}`, { as: other }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
  });

  test("gives nobody else's, nor does REST, and nobody writes there", async () => {
    await ask(user, "rise");
    const stranger = await stack.signUp();
    expect((await list(stranger)).transitions).toEqual([]);
    expect((await stranger.client.from("phoenix_transitions").select()).data).toEqual([]);
    expect((await stack.anonymous().from("phoenix_transitions").select()).status).toBe(401);
    const { data } = await user.client.from("phoenix_transitions").select("user_id");
    expect(new Set(data?.map(({ user_id }) => user_id))).toEqual(new Set([user.user_id]));
    const table = user.client.from("phoenix_transitions");
    const attempts = await Promise.all([
      table.update({ status: "completed" }).eq("user_id", user.user_id),
      table.delete().eq("user_id", user.user_id),
    ]);
    expect(attempts.map(({ error }) => error?.code)).toEqual(["42501", "42501"]);
  });

  const id = crypto.randomUUID();
  test.each([
    ["status=open", "status"],
    ["limit=0", "limit"],
    ["target_app=receipt", "target_app"],
    ["before=first", "before"],
    [`before=${id}`, "before"],
    [`before=2026-02-30T10:00:00.000000Z_${id}`, "before"],
    [`before=0000-01-01T10:00:00.000000Z_${id}`, "before"],
    [`before=2026-01-01T10:00:00.000000Z_${id.slice(1)}`, "before"],
  ])("refuses %s, and says where", async (query, field) => {
    const answer = await call("GET", `transitions?${query}`, { as: user });
    expect(refusalOf(answer)).toMatchObject({
      status: 400,
      code: "invalid_request",
      issues: [{ field }],
    });
  });

  test("is refused to an anonymous caller", async () => {
    expect(refusalOf(await call("GET", "transitions"))).toMatchObject({ status: 401 });
  });
});

test("QStash's callback is heard though it quotes a mebibyte of what the app was sent and another of its answer", async () => {
  const delivery = new URLSearchParams({
    user_id: crypto.randomUUID(),
    delivery_id: crypto.randomUUID(),
  });
  const quoted = btoa("x".repeat(1_048_576));
  const answer = await call("POST", `transitions/delivery-answered?${delivery}`, {
    as: "secret",
    json: { status: 200, body: quoted, sourceBody: quoted },
  });
  expect(answer.status, answer.text).toBe(200);
});

test.each(["flywheel", "phoenix_flywheel"])(
  "nobody publishes what becomes of a transition in the flywheel's name, as %s",
  async (app_source) => {
    const { transition_id } = await ask(user, "website");
    for (const as of [user, "secret"] as const) {
      const answer = await call("POST", "events", {
        as,
        json: {
          event_type: "transition_écosystème",
          app_source,
          payload: { transition_id, target_app: "website", status: "accepted" },
          ...(as === "secret" && { user_id: user.user_id }),
        },
      });
      expect(refusalOf(answer)).toMatchObject({ status: 422, issues: [{ field: "app_source" }] });
    }
  },
);
