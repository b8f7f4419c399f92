import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answeredQueries, exampleEvents, firstQueries } from "../support/analytics-example.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, publish, tell } from "../support/flywheel.ts";
import { awayFromMidnight } from "../support/midnight.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
  await awayFromMidnight();
  const database = base.connect();
  const isTold = ({ app_source }: { app_source: string }) => app_source === "flywheel";
  const events = exampleEvents();
  expect(events).toHaveLength(38);
  const published = await publish(database, events.filter((event) => !isTold(event)));
  expect(published.rejected).toBe(0);
  await tell(base.admin, events.filter(isTold));
  // The example has no nudges and transitions but its own.
  await drain(database, []);
});
afterAll(() => base[Symbol.asyncDispose]());

/** What an analyst is told, as JSON: the one value, or rows. */
async function ask(query: string): Promise<unknown> {
  const rows = await base.admin.begin("read only", async (sql) => {
    await sql`set local role phoenix_analyst`;
    const [row] = await sql.unsafe(
      `select coalesce(jsonb_agg(to_jsonb(q)), '[]') as rows from (${query}) as q`,
    );
    return row!.rows as Record<string, unknown>[];
  });
  const [only] = rows;
  const values = Object.values(only ?? {});
  return rows.length === 1 && values.length === 1 ? values[0] : rows;
}

test("the page asks for every key performance indicator, view and function", () => {
  const asked = answeredQueries.map(({ query }) => query).join("\n");
  for (
    const name of [
      "get_phoenix_kpis",
      "get_aube_metrics",
      "get_aube_funnel",
      "get_phoenix_retention",
      "get_phoenix_ecosystem_stats",
      "phoenix_ecosystem_analytics",
      "phoenix_user_journey",
      "phoenix_nudge_opportunities",
    ]
  ) expect(asked).toContain(name);
});

test.each(answeredQueries)("the example gives the page's answer: $query", async (example) => {
  expect(await ask(example.query)).toEqual(example.answer);
});

test.each(firstQueries)("an analyst may begin with: %s", async (query) => {
  expect(await ask(query)).toBeTruthy();
});

test("a login made as the page says is all that an analyst needs", async () => {
  const name = `analyst_${crypto.randomUUID().slice(0, 8)}`;
  const password = crypto.randomUUID();
  await base.superuser.unsafe(
    `create role ${name} login password '${password}' in role phoenix_analyst`,
  );
  const login = postgres(Object.assign(new URL(base.url), { username: name, password }).href, {
    max: 1,
  });
  try {
    for (const query of firstQueries) {
      expect((await login.unsafe(query)).length, query).toBeGreaterThan(0);
    }
    await expect(login`select payload from public.phoenix_events`).rejects.toThrow(
      /permission denied/,
    );
  } finally {
    await login.end();
    await base.superuser.unsafe(`drop role ${name}`);
  }
});

test("the experiment's example is what the z-test says", async () => {
  const [row] = await base.admin<{ p: number }[]>`
    select flywheel.two_proportion_p_value(12, 99, 5, 83) as p
  `;
  expect(row!.p.toFixed(3)).toBe("0.159");
});

test.each([
  ["get_phoenix_kpis", "transition_rate"],
  ["get_phoenix_kpis", "avg_transition_minutes"],
  ["get_phoenix_kpis", "cross_app_retention_30d"],
  ["get_phoenix_kpis", "cross_sell_revenue_uplift"],
  ["get_aube_metrics", "satisfaction_moyenne"],
  ["get_aube_metrics", "métiers_populaires"],
])("the database itself says what %s means by %s", async (name, kpi) => {
  const [row] = await base.admin<{ comment: string }[]>`
    select obj_description(${`public.${name}(integer)`}::regprocedure, 'pg_proc') as comment
  `;
  expect(row!.comment).toMatch(new RegExp(`${kpi}: \\S+`));
});
