import { expect, test } from "vitest";
import { z } from "zod";
import { functionsOf, refusalOf } from "../support/functions.ts";
import { testStack } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);

const progress = z.strictObject({
  pending_users: z.int(),
  pending_events: z.int(),
  replays: z.array(z.strictObject({
    replay_id: z.guid(),
    status: z.enum(["running", "finished", "stopped"]),
    user_id: z.guid().nullable(),
    since: z.string().nullable(),
    only_failed: z.boolean(),
    asked_at: z.string(),
    users_total: z.int(),
    events_total: z.int(),
    users: z.int(),
    events: z.int(),
    finished_at: z.string().nullable(),
    stopped_at: z.string().nullable(),
  })),
});

test("a replay that was asked for can be followed", async () => {
  const user = await stack.signUp();
  const events = [1, 2, 3].map((n) => ({
    event_type: "test.happened",
    app_source: "cv",
    payload: { n },
  }));
  await call("POST", "events", { as: user, json: { events } });
  const asked = await call("POST", "events/force-reprocess", {
    as: "secret",
    json: { user_id: user.user_id },
  });
  expect(asked.body).toEqual({ users: 1, events: 3 });

  const answer = await call("GET", "events/force-reprocess", { as: "secret" });
  expect(answer.status).toBe(200);
  const { replays } = progress.parse(answer.body);
  expect(replays.find(({ user_id }) => user_id === user.user_id)).toMatchObject({
    status: "finished",
    users_total: 1,
    users: 1,
    events: 3,
  });
});

test.each(["GET", "DELETE"])("%s is for those with a secret key", async (method) => {
  const user = await stack.signUp();
  expect(refusalOf(await call(method, "events/force-reprocess"))).toMatchObject({ status: 401 });
  expect(refusalOf(await call(method, "events/force-reprocess", { as: user })))
    .toMatchObject({ status: 403 });
});

test.each([
  "yesterday",
  "2026-01-31T10:00:00",
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00+05:00",
  "9999-12-31T23:59:59-23:59",
  "2026-01-31T10:00:00+16:00",
])("a replay since %s is refused", async (since) => {
  const answer = await call("POST", "events/force-reprocess", { as: "secret", json: { since } });
  expect(refusalOf(answer)).toMatchObject({
    status: 400,
    code: "invalid_request",
    issues: [{ field: "since" }],
  });
});

test.each([
  ["user_id", `{"user_id":null,"since":"9999-12-31T23:59:59Z"}`],
  ["since", `{"since":null,"user_id":"00000000-0000-4000-8000-000000000000"}`],
  ["only_failed", `{"only_failed":null,"since":"9999-12-31T23:59:59Z"}`],
  ["body", "null"],
])(
  "a replay is refused where the %s is null, which would make it one of more users: %s",
  async (field, body) => {
    const answer = await call("POST", "events/force-reprocess", { as: "secret", body });
    expect(refusalOf(answer)).toMatchObject({
      status: 400,
      code: "invalid_request",
      issues: [{ field }],
    });
  },
);

test.each(["9999-12-31T23:59:59.999999Z", "9999-12-31T08:00:00-15:59"])(
  "a replay since %s is one of nobody",
  async (since) => {
    const answer = await call("POST", "events/force-reprocess", { as: "secret", json: { since } });
    expect(answer).toMatchObject({ status: 200, body: { users: 0, events: 0 } });
  },
);
