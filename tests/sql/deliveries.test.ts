import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`
    insert into flywheel.apps (app, delivery_url) values ('cv', 'http://127.0.0.1/')
    on conflict (app) do update set delivery_url = excluded.delivery_url
  `;
});
afterAll(() => base[Symbol.asyncDispose]());

/** A user of whom an app is to be told so many things. */
async function userWithDeliveries(count: number): Promise<{ user_id: string; ids: string[] }> {
  const user_id = crypto.randomUUID();
  const ids = Array.from({ length: count }, () => crypto.randomUUID());
  await base.admin`insert into flywheel.streams (user_id) values (${user_id})`;
  for (const delivery_id of ids) {
    await base.admin`
      insert into flywheel.deliveries (user_id, delivery_id, app, kind, message, created_at, available_at)
      values (${user_id}, ${delivery_id}, 'cv', 'notification', '{}', now(), now())
    `;
  }
  return { user_id, ids };
}

test("a user is erased while what they were the subject of is marked as published", async () => {
  const { user_id, ids: [first, second] } = await userWithDeliveries(2);
  const published = JSON.stringify(
    [second, first].map((delivery_id) => ({ user_id, delivery_id })),
  );
  let marking: Promise<unknown> | undefined;
  const erased = await base.admin.begin(async (sql) => {
    // As far as an erasure comes that reads them in this order.
    await sql`select from flywheel.streams where user_id = ${user_id} for update`;
    await sql`select from flywheel.deliveries where delivery_id = ${first!} for update`;
    marking = database`select flywheel.mark_published(${published}::text::jsonb)`.execute();
    await eventually(async () => {
      const waiting = await base.superuser`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%mark_published%'
      `;
      return waiting.length === 1;
    });
    const [row] = await sql`select flywheel.erase_user(${user_id}, 'they asked for it') as rows`;
    return row!.rows;
  });
  await marking;
  expect(erased).toMatchObject({ "flywheel.deliveries": 2 });
});

test("a deliverer that has to wait gives way, and takes what is due later", async () => {
  const { ids } = await userWithDeliveries(2);
  const leaseDeliveries = async () => {
    const [row] = await database<{ leased: { deliveries: { delivery_id: string }[] } | null }[]>`
      select flywheel.lease_deliveries() as leased
    `;
    return row!.leased?.deliveries.map(({ delivery_id }) => delivery_id).sort();
  };
  await base.admin.begin(async (sql) => {
    await sql`lock table flywheel.deliveries in exclusive mode`;
    expect(await leaseDeliveries()).toBeUndefined();
  });
  expect(await leaseDeliveries()).toEqual(ids.sort());
});
