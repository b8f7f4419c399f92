import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, publish } from "../support/flywheel.ts";
import { hasReceiptLog, receiptLog } from "../support/receipt-log.ts";
import * as straightforward from "../support/straightforward.ts";

// The log comes with the project's data, not with the project.
describe.skipIf(!hasReceiptLog)("of the receipt log", () => {
  let base: TestDatabase;

  beforeAll(async () => {
    base = await testDatabase();
    const database = base.connect();
    const events = await receiptLog();
    for (let first = 0; first < events.length; first += 500) {
      await publish(database, events.slice(first, first + 500));
    }
    await drain(database, reactors);
  });
  afterAll(() => base[Symbol.asyncDispose]());

  test("phoenix_user_journey gives the published 116 variants, the commonest of 713 users", async () => {
    const variants = await base.admin<{ users: number }[]>`
      select count(*)::integer as users
      from (
        select string_agg(event_type, ' → ' order by "timestamp", step) as variant
        from (
          select *, row_number() over (partition by user_id) as step from public.phoenix_user_journey
        ) as journey
        group by user_id
      ) as variant
      group by variant
      order by users desc
    `;
    expect(variants.length).toBe(116);
    expect(variants[0]!.users).toBe(713);
    expect(variants.reduce((sum, { users }) => sum + users, 0)).toBe(1434);
  });

  test("each event of phoenix_user_journey knows the one before and the one after", async () => {
    const [journey] = await base.admin`
      select
        count(*)::integer as events,
        count(*) filter (where previous_app is null)::integer as firsts,
        count(*) filter (where next_app is null)::integer as lasts,
        count(*) filter (where time_since_last_event >= '0')::integer as gaps
      from public.phoenix_user_journey
    `;
    expect(journey).toEqual({ events: 8577, firsts: 1434, lasts: 1434, gaps: 8577 - 1434 });
  });

  test("phoenix_ecosystem_analytics adds up to the whole log, day by day", async () => {
    const ours = await base.admin`
      select
        date::text, app_source, event_type, event_count::integer, unique_users::integer,
        (extract(epoch from avg_time_between_events) * 1000000)::bigint::text as micros_between
      from public.phoenix_ecosystem_analytics
      order by 1, 2, 3
    `;
    expect([...ours]).toEqual([...await base.admin.unsafe(straightforward.ecosystemAnalytics)]);
    expect(ours.reduce((sum, { event_count }) => sum + event_count, 0)).toBe(8577);
  });

  test("rollups that were lost are rebuilt from the log, and what was damaged is found and mended", async () => {
    const { admin } = base;
    const verify = async () => [...await admin`select * from flywheel.verify_rollups()`];
    const sums = () =>
      admin`select * from flywheel.rollups where count <> 0 order by figure, day, app_source, key`;
    expect(await verify()).toEqual([]);
    const before = [...await sums()];

    await admin`truncate flywheel.rollups`;
    expect((await verify()).length).toBe(before.length);
    const [rebuilt] = await admin<{ count: number }[]>`select flywheel.rebuild_rollups() as count`;
    expect(rebuilt!.count).toBe(before.length);
    expect([...await sums()]).toEqual(before);

    await admin`update flywheel.rollups set count = count + 1, total = total - 1 where figure = 'event' and day = '2011-03-01'`;
    const damaged = await verify();
    expect(damaged.length).toBeGreaterThan(0);
    expect(damaged.every(({ figure, count }) => figure === "event" && Number(count) === -1)).toBe(
      true,
    );
    await admin`select flywheel.rebuild_rollups()`;
    expect(await verify()).toEqual([]);
    expect([...await sums()]).toEqual(before);
  });
});
