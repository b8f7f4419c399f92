import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../support/eventually.ts";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { awayFromMidnight } from "../support/midnight.ts";
import { testStack } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const statsSchema = z.strictObject({
  period_days: z.int(),
  total_events: count,
  unique_users: count,
  avg_events_per_user: z.number().min(0),
  app_breakdown: z.record(z.string(), z.strictObject({ events: count, users: count })),
  top_events: z.record(z.string(), count),
  generated_at: z.iso.datetime({ offset: true }),
});
const metricsSchema = z.strictObject({
  parcours_commencés: count,
  parcours_complétés: count,
  taux_completion: z.number().min(0).max(100),
  transitions_écosystème: count,
  temps_moyen_parcours: z.number().min(0).nullable(),
  satisfaction_moyenne: z.number().min(1).max(5).nullable(),
  métiers_populaires: z.array(z.string()),
});
const experimentsSchema = z.array(z.strictObject({
  nudge_type: z.string(),
  variant: z.string(),
  sent: count,
  shown: count,
  clicked: count,
  converted: count,
  conversion_rate: share,
  uplift_vs_holdout: z.number().min(-1).max(1).nullable(),
  p_value: share.nullable(),
}));
const schemas = { ecosystem: statsSchema, aube: metricsSchema, nudges: experimentsSchema };
const names = Object.keys(schemas) as (keyof typeof schemas)[];

/** A period that nobody has asked for yet, so that no older answer is kept. */
const freshDays = ((days) => () => days++)(100);

async function ask<Name extends keyof typeof schemas>(name: Name, days: number) {
  const answer = await call("GET", `analytics/${name}?days=${days}`, { as: "secret" });
  expect(answer.status, answer.text).toBe(200);
  return schemas[name].parse(answer.body) as z.output<(typeof schemas)[Name]>;
}

/** Tries once more where an answer was not kept: functions wait half a second for Redis, and a busy machine's may take longer. */
const whileRedisAnswers = <T>(check: () => Promise<T>) => eventually(check);

const admin = stack.adminSql({ max: 1 });
afterAll(() => admin.end());

/** Publishes with the secret key and waits until the flywheel has handled it. */
async function publish(events: { user_id: string }[]): Promise<void> {
  const answer = await call("POST", "events", { as: "secret", json: { events } });
  expect(publicationOf(answer).accepted).toBe(events.length);
  await eventually(async () => {
    const [left] = await admin<{ count: number }[]>`
      select count(*)::int
      from flywheel.streams
      where user_id = any (${events.map(({ user_id }) => user_id)}) and version > counted_version
    `;
    return left!.count === 0;
  });
}

/** An app that only this test knows. */
const app = `app-${crypto.randomUUID().slice(0, 8)}`;

beforeAll(async () => {
  await awayFromMidnight();
  const now = Date.now();
  const users = [crypto.randomUUID(), crypto.randomUUID()];
  const events = users.flatMap((user_id, index) =>
    [0, 1, 2].map((step) => ({
      user_id,
      event_type: "test.happened",
      app_source: app,
      payload: { step },
      timestamp: new Date(now - (index * 10 + step) * 86_400_000).toISOString(),
    }))
  );
  await publish(events);
});

describe("GET analytics/ecosystem", () => {
  test("counts the events and users of each app in the last days", async () => {
    const stats = await ask("ecosystem", freshDays());
    expect(stats.app_breakdown[app]).toEqual({ events: 6, users: 2 });
    expect(stats.total_events).toBeGreaterThanOrEqual(6);
    expect(stats.unique_users).toBeGreaterThanOrEqual(2);
    expect((await ask("ecosystem", 2)).app_breakdown[app]).toEqual({ events: 2, users: 1 });
  });

  test("looks 30 days back where nobody says how many", async () => {
    const answer = await call("GET", "analytics/ecosystem", { as: "secret" });
    expect(statsSchema.parse(answer.body).period_days).toBe(30);
  });
});

describe("GET analytics/aube", () => {
  test("says how users fare in Aube", async () => {
    const user_id = crypto.randomUUID();
    const job = `Métier ${user_id}`;
    const event = (event_type: string, minutesAgo: number, payload = {}) => ({
      user_id,
      event_type,
      app_source: "aube",
      payload,
      timestamp: new Date(Date.now() - minutesAgo * 60_000).toISOString(),
    });
    await publish([
      event("exploration_commencée", 60),
      event("métier_choisi", 30, { métier: job }),
      event("feedback.submitted", 10, { satisfaction: 4 }),
    ]);
    const metrics = await ask("aube", freshDays());
    expect(metrics.parcours_complétés).toBeGreaterThan(0);
    expect(metrics.métiers_populaires.length).toBeGreaterThan(0);
    expect(metrics.satisfaction_moyenne).not.toBeNull();
    expect(metrics.temps_moyen_parcours).not.toBeNull();
  });
});

describe("GET analytics/nudges", () => {
  test("lists the arms of the experiments", async () => {
    const letter = { event_type: "letter.generated", app_source: "letters" };
    await publish([{ user_id: crypto.randomUUID(), ...letter }]);
    const arms = (await ask("nudges", freshDays()))
      .filter(({ nudge_type }) => nudge_type === "letters_to_cv");
    expect(Math.max(...arms.map(({ sent }) => sent))).toBeGreaterThan(0);
  });
});

describe.each(names)("GET analytics/%s", (name) => {
  test.each(["0", "367", "-1", "1.5", "x", "", "1e2", "0x10", "999999999999999999999"])(
    "refuses %j days",
    async (days) => {
      const answer = await call("GET", `analytics/${name}?days=${encodeURIComponent(days)}`, {
        as: "secret",
      });
      expect(refusalOf(answer)).toMatchObject({
        status: 400,
        code: "invalid_request",
        issues: [{ field: "days", message: "must be a whole number from 1 to 366" }],
      });
    },
  );

  test("takes the longest and the shortest period", async () => {
    await ask(name, 1);
    await ask(name, 366);
  });

  test("is for a secret key alone", async () => {
    const nobody = await call("GET", `analytics/${name}`);
    expect(refusalOf(nobody)).toMatchObject({ status: 401, code: "unauthorized" });
    const user = await call("GET", `analytics/${name}`, { as: await stack.signUp() });
    expect(refusalOf(user)).toMatchObject({ status: 403, code: "forbidden" });
  });

  test("answers 304 to whoever has the answer already", async () => {
    const { tag, again } = await whileRedisAnswers(async () => {
      const path = `analytics/${name}?days=${freshDays()}`;
      const first = await call("GET", path, { as: "secret" });
      const tag = first.headers.get("etag")!;
      expect(first.headers.get("cache-control")).toBe("private, no-cache");
      const headers = { "if-none-match": tag };
      const again = await call("GET", path, { as: "secret", headers });
      expect(again.status).toBe(304);
      return { tag, again };
    });
    expect(again.text).toBe("");
    expect(again.headers.get("etag")).toBe(tag);
  });
});

test("an answer is kept for a minute", async () => {
  const kept = await whileRedisAnswers(async () => {
    const days = freshDays();
    const first = await ask("ecosystem", days);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await ask("ecosystem", days)).generated_at).toBe(first.generated_at);
    return first;
  });
  expect((await ask("ecosystem", freshDays())).generated_at).not.toBe(kept.generated_at);
});
