import type postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { day } from "../../shared/domain/duration.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { defaultSettings, inMs, settings } from "../../shared/domain/settings.ts";
import { lease, readStream } from "../../shared/flywheel/lease.ts";
import { queueStatus } from "../../shared/flywheel/queue.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { alarm, drain, event, pass, publish } from "../support/flywheel.ts";
import { isSoak } from "../support/soak.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

interface Column {
  name: string;
  type: string;
  comment: string | null;
}

const columns = () =>
  base.admin<Column[]>`
    select
      a.attname as name,
      a.atttypid::regtype::text as type,
      col_description(a.attrelid, a.attnum) as comment
    from pg_attribute as a
    where a.attrelid = 'flywheel.settings'::regclass and a.attnum > 0 and not a.attisdropped
  `;

test("every setting says what it is", async () => {
  for (const { name, comment } of await columns()) expect(comment, name).toMatch(/^[A-Z].{15,}/);
});

test("there is one row, with a value for each, and no second one", async () => {
  const rows = await base.admin`select * from flywheel.settings`;
  expect(rows).toHaveLength(1);
  expect(Object.values(rows[0]!)).not.toContain(null);
  await expect(base.admin`insert into flywheel.settings default values`).rejects
    .toMatchObject({ code: "23505" });
  await expect(base.admin`insert into flywheel.settings (only_row) values (false)`).rejects
    .toMatchObject({ code: "23514" });
});

describe("nonsense is refused", () => {
  const nonsense: Record<string, string[]> = {
    interval: ["'-1 second'", "'100 years'", "null"],
    integer: ["-1", "1000000000", "null"],
    "double precision": ["-0.1", "'NaN'", "null"],
    jsonb: ["'[]'", "'1'", "null"],
    text: ["''", "'1; 2'", "null"],
  };

  test("in every setting", async () => {
    for (const { name, type } of await columns()) {
      if (name === "only_row") continue;
      const values = nonsense[type];
      expect(values, `${name} is of type ${type}`).toBeDefined();
      for (const value of values!) {
        const statement = `update flywheel.settings set ${name} = ${value}`;
        await expect(base.admin.unsafe(statement), statement).rejects.toMatchObject({
          code: expect.stringMatching(/^23/),
        });
      }
    }
  });

  test.each([
    "backoff_base = '1 hour', backoff_max = '1 second'",
    "linger = '2 seconds', work_budget = '2 seconds'",
  ])("where two settings contradict each other: %s", async (both) => {
    await expect(base.admin.unsafe(`update flywheel.settings set ${both}`))
      .rejects.toMatchObject({ code: "23514" });
  });
});

test("an analyst's lately is the reactors', and 30 days where those would not allow what is said", async () => {
  const said = [
    "7",
    "0.5",
    "366",
    String(1 / day),
    "366.5",
    "0",
    "-1",
    "5e-9",
    "1e-400",
    '"7"',
    "null",
    "true",
    "[7]",
  ];
  for (const days of said) {
    const reactor_settings = `{"nudges":{"recent_days":${days}}}`;
    const { nudges } = settings.safeParse(JSON.parse(reactor_settings)).data ?? defaultSettings;
    const [lately] = await base.admin.begin(async (sql) => {
      await sql`update flywheel.settings set reactor_settings = ${reactor_settings}::text::jsonb`;
      const rows =
        await sql`select extract(epoch from flywheel.recent_time())::float8 * 1000 as ms`;
      await sql`rollback`;
      return rows;
    });
    expect(lately!.ms, days).toBeCloseTo(inMs(nudges.recent_days), 0);
  }
});

describe("a change is in force from the next call, without a deploy", () => {
  test("of a publication's size", async () => {
    const database = base.connect();
    const two = () => [event(crypto.randomUUID()), event(crypto.randomUUID())];
    expect((await publish(database, two())).accepted).toBe(2);
    // As an operator does it, with a secret key's role.
    await database`update flywheel.settings set max_batch_events = 1`;
    await expect(publish(database, two())).rejects.toMatchObject({ detail: "too_many_events" });
    await database`update flywheel.settings set max_batch_events = default`;
    expect((await publish(database, two())).accepted).toBe(2);
  });

  test("of how many users and events a worker takes", async () => {
    const database = base.connect();
    await base.admin`update flywheel.settings set linger = '0', lease_users = 2, lease_events = 3`;
    const events = Array.from({ length: 5 }, () => crypto.randomUUID()).flatMap((user) =>
      [1, 2, 3, 4].map((n) => event(user, { payload: { n } }))
    );
    await drain(database, []);
    await publish(database, events);
    const leased = await lease(database, "");
    const taken = leased!.streams.map(readStream).map((
      { events, behind },
    ) => [events.length, behind]);
    expect(taken).toEqual([[3, 4], [3, 4]]);
  });

  test("of how long a worker waits after a failure", async () => {
    await base.admin`
      update flywheel.settings
      set backoff_base = '10 seconds', backoff_max = '1 minute', backoff_jitter = 0.5
    `;
    // However many there were: 2 to the 59th times 10 seconds is more than an interval holds.
    for (const attempts of [1, 2, 3, 4, 5, 6, 60]) {
      const [row] = await base.admin<{ least: number; most: number; kinds: number }[]>`
        select min(b.seconds) as least, max(b.seconds) as most, count(distinct b.seconds)::int as kinds
        from (
          select extract(epoch from flywheel.backoff(${attempts}))::float as seconds
          from generate_series(1, 200)
        ) as b
      `;
      const whole = Math.min(60, 10 * 2 ** (attempts - 1));
      expect(row!.most).toBeLessThanOrEqual(whole);
      expect(row!.least).toBeGreaterThanOrEqual(whole / 2);
      expect(row!.kinds, "not in step").toBeGreaterThan(100);
    }
  });

  test.each(["backoff_max", "lease_time"])(
    "of the longest wait, by %s, also for what waits already",
    async (name) => {
      const database = base.connect();
      await base.admin`
      update flywheel.settings
      set linger = '0', backoff_base = '1 hour', backoff_max = '1 hour', lease_time = '1 hour'
    `;
      const failing: Reactor<object> = {
        name: "failing",
        version: 1,
        initial: {},
        react: () => {
          throw new Error("It fails.");
        },
      };
      const [waiting, timed] = [crypto.randomUUID(), crypto.randomUUID()];
      await publish(database, event(timed, { payload: { delay: 3_000_000 } }));
      await drain(database, [alarm]);
      await publish(database, event(waiting));
      if (name === "lease_time") await base.admin`select flywheel.lease('')`;
      else await drain(database, [failing]);
      const waits = () =>
        base.admin<{ available_at: Date; seconds: number }[]>`
        select s.available_at, extract(epoch from s.available_at - now())::float as seconds
        from flywheel.streams as s
        where s.user_id in (${waiting}, ${timed})
        order by s.user_id = ${timed}
      `;
      const [, timer] = await waits();
      const pending = await queueStatus(database);
      expect(pending.pending_users).toBeGreaterThanOrEqual(1);

      // As an operator does it, with a secret key's role.
      await database`
      update flywheel.settings
      set backoff_base = '1 second', backoff_max = '1 minute', lease_time = '30 seconds'
    `;
      const [wait, other] = await waits();
      expect(wait!.seconds).toBeLessThanOrEqual(60);
      expect(other!.available_at, "which is a timer's").toEqual(timer!.available_at);
      expect((await queueStatus(database)).pending_users).toBe(pending.pending_users);
    },
  );
});

describe("a longest wait that is lowered", () => {
  let own: TestDatabase;

  beforeAll(async () => {
    own = await testDatabase();
  });
  afterAll(() => own[Symbol.asyncDispose]());

  beforeEach(async () => {
    await own.admin`delete from flywheel.streams`;
    await own.admin`
      update flywheel.settings
      set backoff_base = '1 hour', backoff_max = '1 hour', backoff_jitter = 0, lease_time = '1 hour', max_attempts = 5
    `;
  });

  const shorter = "backoff_base = '1 second', backoff_max = '1 second', lease_time = '2 seconds'";
  const lower = (sql: postgres.ISql = own.admin) =>
    sql.unsafe(`update flywheel.settings set ${shorter}`);

  /** Somebody with a backlog that has been leased; it is due where it is not to wait. */
  async function leasedUser(isDue = false): Promise<{ user: string; token: string }> {
    const [user, token] = [crypto.randomUUID(), crypto.randomUUID()];
    const wait = isDue ? "0" : "1 hour";
    await own.admin`
      insert into flywheel.streams (user_id, version, available_at, pending_since, lease_token, attempts)
      values (${user}, 1, clock_timestamp() + ${wait}::interval, clock_timestamp(), ${token}, 1)
    `;
    return { user, token };
  }

  interface Writer {
    /** The function's name. */
    name: string;
    write: (sql: postgres.ISql, user: string, token: string) => PromiseLike<unknown>;
  }

  /** Whatever has a stream wait by the settings. */
  const writers: Writer[] = [
    { name: "lease", write: (sql) => sql`select flywheel.lease('')` },
    {
      name: "extend",
      write: (sql, user, token) => sql`select flywheel.extend(${token}, ${[user]})`,
    },
    {
      name: "postpone",
      write: (sql, user, token) => sql`select flywheel.postpone(${token}, ${[user]})`,
    },
    {
      name: "commit",
      write(sql, user, token) {
        const results = JSON.stringify([{ user_id: user, version: 0, failed: true }]);
        return sql`select flywheel.commit(${token}, '', ${results}::text::jsonb, '{}', '{}')`;
      },
    },
  ];

  /** Begins something: once this returns, it is done, or waits for a lock. */
  async function begun(what: PromiseLike<unknown>, query: string) {
    let isDone = false;
    const done = Promise.resolve(what).then(() => void (isDone = true));
    // Whoever awaits it below is told.
    done.catch(() => {});
    await eventually(async () =>
      isDone || (await own.superuser`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like ${`%${query}%`}
      `).length > 0
    );
    return { done, isDone };
  }

  /** Does something while somebody else has a user's stream. */
  const whileHeld = <T>(user: string, act: () => Promise<T>) =>
    own.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${user} for no key update`;
      return await act();
    });

  /** How many backlogs there are, and how many of them wait longer than the settings allow, or are not counted. */
  const standing = async () => {
    const [row] = await own.admin<{ users: number; counted: number; late: number }[]>`
      select
        count(*)::int as users,
        (flywheel.queue_status() ->> 'pending_users')::int as counted,
        (count(*) filter (
          where s.available_at > clock_timestamp() + (select greatest(o.lease_time, o.backoff_max) from flywheel.settings as o)
        ))::int as late
      from flywheel.streams as s
      where s.version > s.processed_version
    `;
    return row!;
  };

  test.each(writers)("holds for $name under way", async ({ name, write }) => {
    const { user, token } = await leasedUser(name === "lease");
    const { done } = await own.connectOnce().begin(async (sql) => {
      await write(sql, user, token);
      return await begun(lower(), "update flywheel.settings");
    });
    await done;
    expect(await standing()).toEqual({ users: 1, counted: 1, late: 0 });
  });

  test.each(writers.filter(({ name }) => name !== "lease"))(
    "holds for $name that waits for its stream",
    async ({ name, write }) => {
      const { user, token } = await leasedUser();
      const all = await whileHeld(user, async () => [
        await begun(write(own.connect(), user, token), `flywheel.${name}(`),
        await begun(lower(), "update flywheel.settings"),
      ]);
      await Promise.all(all.map(({ done }) => done));
      expect(await standing()).toEqual({ users: 1, counted: 1, late: 0 });
    },
  );

  test.each(writers)("holds for $name that begins meanwhile", async ({ name, write }) => {
    const { user: other } = await leasedUser();
    const { user, token } = await leasedUser(name === "lease");
    const all = await whileHeld(other, async () => [
      await begun(lower(), "update flywheel.settings"),
      await begun(write(own.connect(), user, token), `flywheel.${name}(`),
    ]);
    await Promise.all(all.map(({ done }) => done));
    expect(await standing()).toEqual({ users: 2, counted: 2, late: 0 });
  });

  test("holds whatever workers do meanwhile, and nobody deadlocks", async () => {
    const users = Array.from({ length: 40 }, () => crypto.randomUUID());
    const until = performance.now() + (isSoak ? 60_000 : 3_000);
    const whileTime = async (act: () => Promise<unknown>) => {
      while (performance.now() < until) await act();
    };
    const batch = () => users.filter(() => Math.random() < 0.5).toSorted(() => Math.random() - 0.5);
    const publishing = [1, 2].map(() => {
      const database = own.connect();
      return whileTime(() =>
        publish(database, batch().map((user) => event(user, { payload: { at: Math.random() } })))
      );
    });
    const working = [1, 2, 3, 4].map(() => {
      const database = own.connect();
      return whileTime(async () => {
        const leased = await lease(database, "");
        if (!leased) return;
        const { token, users } = leased;
        await database`select flywheel.extend(${token}, ${users})`;
        const results = JSON.stringify(
          users.slice(1).map((user_id) => ({ user_id, version: 0, failed: true })),
        );
        await database`select flywheel.commit(${token}, '', ${results}::text::jsonb, '{}', '{}')`;
        await database`select flywheel.postpone(${token}, ${users})`;
      });
    });
    const passing = whileTime(() => pass(own.admin, "1 hour"));
    let lowered = 0;
    const amiss: unknown[] = [];
    const lowering = whileTime(async () => {
      await own.admin`
        update flywheel.settings set backoff_max = '1 hour', lease_time = '1 hour', lease_users = 10
      `;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      await lower();
      lowered++;
      const { users, counted, late } = await standing();
      if (counted !== users || late > 0) amiss.push({ users, counted, late });
    });
    const mending = whileTime(async () => {
      await own.admin`update flywheel.doorbell set latest_at = now() + interval '1 hour'`;
      await own.admin`select flywheel.tend()`;
    });
    await Promise.all([...publishing, ...working, passing, lowering, mending]);
    expect(amiss).toEqual([]);
    const [row] = await own.superuser`
      select deadlocks::int from pg_stat_database where datname = current_database()
    `;
    expect(row!.deadlocks).toBe(0);
    expect(lowered).toBeGreaterThan(0);
  });

  test.each(["is leased", "has failed"])(
    "holds for whoever %s at a timer, and publishes only then",
    async (what) => {
      const user = crypto.randomUUID();
      await own.admin`
        insert into flywheel.streams (user_id, version, processed_version, available_at, wake_at)
        values (${user}, 1, 1, clock_timestamp(), clock_timestamp())
      `;
      const { token } = (await lease(own.connect(), ""))!;
      if (what === "has failed") {
        const results = JSON.stringify([{ user_id: user, version: 1, failed: true }]);
        await own.admin`select flywheel.commit(${token}, '', ${results}::text::jsonb, '{}', '{}')`;
      }
      await lower();
      await publish(own.connect(), event(user));
      expect(await standing()).toEqual({ users: 1, counted: 1, late: 0 });
    },
  );

  test("holds nobody up before it is committed", async () => {
    const writing = own.connect();
    const first = await leasedUser(true);
    const others = await Promise.all(writers.slice(1).map(() => leasedUser()));
    const users = [first, ...others];
    await own.connectOnce().begin(async (sql) => {
      await lower(sql);
      for (const [place, { name, write }] of writers.entries()) {
        const { user, token } = users[place]!;
        const { isDone } = await begun(write(writing, user, token), `flywheel.${name}(`);
        expect(isDone, name).toBe(true);
      }
    });
    expect(await standing()).toEqual({ users: 4, counted: 4, late: 0 });
  });

  test("and raised again in the same transaction counts as it is committed", async () => {
    await leasedUser();
    const wait = async () => {
      const [row] = await own.admin<{ minutes: number }[]>`
        select round(extract(epoch from available_at - now()) / 60)::int as minutes from flywheel.streams
      `;
      return row!.minutes;
    };
    for (const [raised, minutes] of [["1 day", 60], ["1 hour", 60], ["20 minutes", 20]] as const) {
      await own.admin.begin(async (sql) => {
        await lower(sql);
        await sql`update flywheel.settings set backoff_max = ${raised}`;
      });
      expect(await wait(), raised).toBe(minutes);
    }
  });
});
