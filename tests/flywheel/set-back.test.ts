import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { lease } from "../../shared/flywheel/lease.ts";
import { queueStatus } from "../../shared/flywheel/queue.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { alarm, drain, event, publish } from "../support/flywheel.ts";
import { workerClock } from "../support/worker-clock.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
beforeEach(async () => {
  await base
    .admin`update flywheel.settings set linger = '0', lease_users = 100, ring_interval = '0'`;
  await drain(database, reactors);
});
afterAll(() => base[Symbol.asyncDispose]());

const reactors = [alarm as Reactor];
const shape = shapeOfWork(reactors);
const hour = 3_600_000;

const set = (user: string, delay: number) => publish(database, event(user, { payload: { delay } }));

/** What a clock writes that is ahead: a user's row, and that it rang. */
async function ahead(user: string, time = "1 hour"): Promise<void> {
  await base.admin`
    update flywheel.streams
    set available_at = available_at + ${time}::text::interval, pending_since = pending_since + ${time}::text::interval
    where user_id = ${user}
  `;
  await rang(time);
}

/** What a ring writes by a clock that is ahead. */
async function rang(time: string): Promise<void> {
  await base.admin`
    update flywheel.doorbell
    set rung_at = now() + ${time}::text::interval, latest_at = now() + ${time}::text::interval
  `;
}

async function streamOf(user: string) {
  const [row] = await base.admin<
    { version: number; processed: number; counted: number; minutes: number | null }[]
  >`
    select
      version::int, processed_version::int as processed, counted_version::int as counted,
      round(extract(epoch from available_at - now()) / 60)::int as minutes
    from flywheel.streams where user_id = ${user}
  `;
  return row!;
}

describe("Once a clock that was ahead is set right,", () => {
  test("the next sweep finds a backlog that waits for that time to come again", async () => {
    const [user, other] = [crypto.randomUUID(), crypto.randomUUID()];
    await publish(database, event(user));
    await ahead(user);
    // Whose ring does not hide what the ones before it noted.
    await publish(database, event(other));
    expect(await drain(database, reactors)).toMatchObject({ processed: 2 });
    const [bell] = await base
      .admin`select latest_at <= clock_timestamp() as is_right from flywheel.doorbell`;
    expect(bell).toEqual({ is_right: true });
  });

  test("so does a worker who always has something to do", async () => {
    const [user, other] = [crypto.randomUUID(), crypto.randomUUID()];
    await base.admin`update flywheel.settings set lease_users = 1`;
    await publish(database, event(user));
    await ahead(user);
    await publish(database, event(other));
    using clock = workerClock();
    let folded = 0;
    const slow: Reactor = {
      name: "slow",
      version: 1,
      initial: {},
      react(state) {
        folded++;
        clock.advance(hour);
        return { state };
      },
    };
    await drain(database, [slow]);
    expect(folded).toBe(1);
    expect(await streamOf(user)).toMatchObject({ processed: 0, minutes: 0 });
  });

  test("it finds what was noted by pruning alone", async () => {
    const user = crypto.randomUUID();
    await publish(database, event(user));
    await ahead(user);
    await rang("0");
    await base.admin`update flywheel.pruning set pruned_at = now() + interval '1 hour'`;
    expect(await drain(database, reactors)).toMatchObject({ processed: 1 });
    const [row] = await base
      .admin`select pruned_at <= clock_timestamp() as is_right from flywheel.pruning`;
    expect(row).toEqual({ is_right: true });
  });

  test("a lease or a wait of then lasts no longer than one of now may, and counts as backlog", async () => {
    const users = [crypto.randomUUID(), crypto.randomUUID()].toSorted();
    const [leased, failed] = users as [string, string];
    await publish(database, users.map((user) => event(user)));
    const { token } = (await lease(database, shape))!;
    const results = JSON.stringify([{ user_id: failed, version: 0, failed: true }]);
    await base.admin`select flywheel.commit(${token}, '', ${results}::text::jsonb, '{}', '{}')`;
    for (const user of users) await ahead(user);
    expect(await queueStatus(database)).toMatchObject({ pending_users: 0 });
    expect(await drain(database, reactors)).toMatchObject({ processed: 0 });
    expect(await queueStatus(database)).toMatchObject({ pending_users: 2 });
    expect([await streamOf(leased), await streamOf(failed)])
      .toMatchObject([{ minutes: 10 }, { minutes: 10 }]);
  });

  test("timers stay as they are, as do leases and waits of now", async () => {
    const [timer, soon, leased] = [1, 2, 3].map(() => crypto.randomUUID()) as [
      string,
      string,
      string,
    ];
    await set(timer, hour);
    await set(soon, hour / 60);
    await drain(database, reactors);
    await publish(database, event(leased));
    await lease(database, shape);
    await rang("2 hours");
    await drain(database, reactors);
    expect([await streamOf(timer), await streamOf(soon), await streamOf(leased)])
      .toMatchObject([{ minutes: 60 }, { minutes: 1 }, { minutes: 1, processed: 0 }]);
    await base.admin`
      update flywheel.streams set lease_token = null, attempts = 0, available_at = now() where user_id = ${leased}
    `;
  });

  test("what is to be counted is counted, though nothing more is heard of its user", async () => {
    const user = crypto.randomUUID();
    await publish(database, event(user));
    await drain(database, reactors);
    await base.admin`
      update flywheel.streams
      set counted_version = 0, available_at = now() + interval '1 hour', wake_at = now() + interval '1 hour'
      where user_id = ${user}
    `;
    await rang("59 minutes");
    await drain(database, reactors);
    expect(await streamOf(user)).toMatchObject({ counted: 1, minutes: null });
  });

  test("so is what is late, once its user goes on", async () => {
    const user = crypto.randomUUID();
    const late = (minutes: number) =>
      publish(database, event(user, { timestamp: `2025-01-01T00:${minutes}:00Z` }));
    await late(30);
    await base.superuser`
      insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
      select ${user}, n, gen_random_uuid(), 'cv.generated', 'cv', '{}', now(), sha256(n::text::bytea)
      from generate_series(2, 2100) as n
    `;
    await base.admin`update flywheel.streams set version = 2100 where user_id = ${user}`;
    await drain(database, reactors);
    await late(20);
    await drain(database, reactors);
    await base.admin`
      update flywheel.streams
      set available_at = available_at + interval '1 day', wake_at = wake_at + interval '1 day'
      where user_id = ${user}
    `;
    await late(10);
    await drain(database, reactors);
    expect(await streamOf(user)).toEqual({
      version: 2102,
      processed: 2102,
      counted: 2100,
      minutes: 0,
    });
  });

  test("a worker gives up on it while somebody holds a stream, and comes back", async () => {
    const user = crypto.randomUUID();
    await publish(database, event(user));
    await ahead(user);
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${user} for no key update`;
      expect(await drain(database, reactors)).toMatchObject({ processed: 0 });
    });
    expect(await drain(database, reactors)).toMatchObject({ processed: 1 });
  });
});
