/** What users do who are unlike others is counted as the log says all the same, and bounded. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { isActivity } from "../../shared/domain/events/activity.ts";
import { eventTypes } from "../../shared/domain/events/catalogue.ts";
import { nudges } from "../../shared/domain/reactors/nudges.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import {
  drain,
  type Event,
  event as eventOf,
  publish,
  publishText,
  tell,
} from "../support/flywheel.ts";
import { spillReads, watch } from "../support/plans.ts";
import { mergeAll, publishUnchecked, userOf, wrong } from "../support/rollups.ts";

let base: TestDatabase;
let database: Database;

beforeEach(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterEach(() => base[Symbol.asyncDispose]());

const day = 86_400_000;
const now = Date.now();

test("a year of a user who does much in it is counted without being read again for each of its events", async () => {
  const user = crypto.randomUUID();
  await base.superuser`
    insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
    select
      ${user}, n, gen_random_uuid(), 'cv.generated', (array['aube', 'cv', 'letters'])[1 + n % 3], '{}',
      now() - interval '1 hour' * n, sha256(n::text::bytea)
    from generate_series(1, 4000) as n
  `;
  await using watched = await watch(base.superuserUrl);
  await watched.sql`set work_mem = '64kB'`;
  const plans = await watched.explained((sql) =>
    sql`select flywheel.figures(array[${user}::uuid], '{4000}')`
  );
  expect(spillReads(plans)).toBeLessThan(4000);
});

test("of what happened at one moment that counts last which was told last, and it took no time", async () => {
  const timestamp = new Date(now - day).toISOString();
  const chosen = (métier: string) => ({ event_type: "métier_choisi", payload: { métier } });
  await publishUnchecked(
    database,
    [{ event_type: "exploration_commencée" }, chosen("Coach"), chosen("Boulanger")]
      .map((fields) => eventOf(userOf(0), { ...fields, timestamp })),
  );
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const counted = await database`
    select figure, key, count::int, total::int from flywheel.current_rollups
    where figure in ('exploration_time', 'job') order by figure
  `;
  expect([...counted]).toEqual([
    { figure: "exploration_time", key: "", count: 1, total: 0 },
    { figure: "job", key: "Boulanger", count: 1, total: 0 },
  ]);
});

test("of a choice and a beginning at one moment that came first which was told first, early, late and anew", async () => {
  const timestamp = new Date(now - day).toISOString();
  const chosen = { event_type: "métier_choisi", payload: { métier: "Coach" } };
  const begun = { event_type: "exploration_commencée" };
  const tellOf = async (index: number, ...told: Event[]) => {
    for (const each of told) {
      await publishUnchecked(database, [eventOf(userOf(index), { timestamp, ...each })]);
      await drain(database, [nudges]);
    }
  };
  await tellOf(0, chosen, begun);
  await tellOf(1, begun, chosen, { ...begun, payload: { again: true } });
  await tellOf(2, chosen, { ...begun, timestamp: new Date(now).toISOString() }, begun);
  const times = () =>
    database`
    select count::int, total::int from flywheel.current_rollups where figure = 'exploration_time'
  `;
  const check = async (expected: object[]) => {
    expect(await wrong(database)).toEqual([]);
    await mergeAll(database);
    expect([...await times()]).toEqual(expected);
  };
  await check([]);
  await tellOf(0, { ...chosen, payload: { métier: "Boulanger" } });
  await check([{ count: 1, total: 0 }]);
  await tellOf(0, { ...begun, payload: { again: true } });
  await check([]);
});

test("what is just right in a payload and what is just wrong is so to the worker and to the log", async () => {
  const said = (event_type: string, key: string, ...values: unknown[]) =>
    values.map((value) =>
      eventOf(crypto.randomUUID(), { app_source: "aube", event_type, payload: { [key]: value } })
    );
  const right = [
    ...said("feedback.submitted", "satisfaction", 1, 5),
    ...said("subscription.activated", "amount_eur", 0, 1_000_000),
    ...said("métier_choisi", "métier", "C", "🎓".repeat(100)),
  ];
  const wrongly = [
    ...said("feedback.submitted", "satisfaction", 0.99, 5.01),
    ...said("subscription.activated", "amount_eur", -0.01, 1_000_001),
    ...said("métier_choisi", "métier", "", "🎓".repeat(101)),
  ];
  await publishUnchecked(database, [...right, ...wrongly]);
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const counted = await database`
    select figure, sum(count)::int as count from flywheel.current_rollups
    where figure in ('satisfaction', 'job') or figure = 'revenue' and key = '1'
    group by figure order by figure
  `;
  expect([...counted]).toEqual(
    ["job", "revenue", "satisfaction"].map((figure) => ({ figure, count: 2 })),
  );
});

test("each type of event is an activity in CV to the log exactly where it is one to the reactors", async () => {
  await publishUnchecked(
    database,
    eventTypes.map((event_type) => eventOf(crypto.randomUUID(), { app_source: "cv", event_type })),
  );
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const active = await database`
    select e.event_type from flywheel.user_activity join public.phoenix_events as e using (user_id)
    where e.app_source = 'cv'
  `;
  expect(active.map(({ event_type }) => event_type).sort()).toEqual(
    eventTypes.filter(isActivity).sort(),
  );
});

test("who is in the app on the thirtieth day after they took its transition has returned", async () => {
  const at = (days: number) => new Date(now - days * day).toISOString();
  await tell(
    base.admin,
    // What nobody asked for is not taken.
    [["a", "requested"], ["a", "accepted"], ["b", "accepted"]].map(([transition_id, status]) =>
      eventOf(userOf(0), {
        event_type: "transition_écosystème",
        payload: { transition_id, status, target_app: "cv" },
        timestamp: at(40),
      })
    ),
  );
  await publishUnchecked(database, [eventOf(userOf(0), { app_source: "cv", timestamp: at(10) })]);
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const counted = await database`
    select key, count::int from flywheel.current_rollups where figure = 'transition_return' order by key
  `;
  expect([...counted]).toEqual([{ key: "returned", count: 1 }, { key: "taken", count: 1 }]);
});

test("a transition that was accepted before it was asked for, by a clock that was set back, took no time that is known", async () => {
  const at = (minutes: number) => new Date(now - day + minutes * 60_000).toISOString();
  await tell(
    base.admin,
    ([["a", "requested", 10], ["a", "accepted", 0], ["b", "requested", 10], [
      "b",
      "accepted",
      30,
    ]] as const)
      .map(([transition_id, status, minutes]) =>
        eventOf(userOf(0), {
          event_type: "transition_écosystème",
          payload: { transition_id, status, target_app: "cv" },
          timestamp: at(minutes),
        })
      ),
  );
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const [kpis] = await database`
    select k.kpis -> 'transition_rate' as rate, k.kpis -> 'avg_transition_minutes' as minutes
    from (select get_phoenix_kpis(30) as kpis) as k
  `;
  expect(kpis).toEqual({ rate: 1, minutes: 20 });
});

test("a user of very many words on very many days is counted in pieces, and can be erased", async () => {
  const user = crypto.randomUUID();
  await publish(database, eventOf(user));
  await base.superuser`
    insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
    select
      ${user}, n, gen_random_uuid(), 'test.t' || n, 'aube', '{}', now() - interval '1 day' * (1 + n / 200),
      sha256(n::text::bytea)
    from generate_series(2, 15000) as n
  `;
  await base.admin`
    update flywheel.streams set version = 15000, processed_version = 15000, counted_version = 15000, available_at = null
  `;
  await base.admin`select flywheel.rebuild_rollups()`;
  expect(await wrong(database)).toEqual([]);
  await base.admin`select flywheel.erase_user(${user}, 'asked for')`;
  const pieces = await base.admin`
    select json_array_length(increments::json) as cells from flywheel.rollup_increments
  `;
  expect(Math.max(...pieces.map(({ cells }) => cells))).toBeLessThanOrEqual(10_000);
  expect(pieces.reduce((sum, { cells }) => sum + cells, 0)).toBeGreaterThan(15_000);
  await mergeAll(database);
  expect(await database`select * from flywheel.rollups`).toEqual([]);
});

test.each(["1e-350", "-1e-350", "2.47031e-324", "1e-310", "1e-5"])(
  "an amount of %s is counted as it reads, and stands in nobody's way",
  async (amount) => {
    const user = crypto.randomUUID();
    const paid = (text: string) =>
      publishText(
        database,
        `{"user_id":"${user}","event_type":"subscription.activated","app_source":"aube","payload":{"amount_eur":${text}}}`,
      );
    await publish(database, eventOf(user, { app_source: "aube" }));
    expect((await paid(amount)).accepted).toBe(1);
    await drain(database, [nudges]);
    expect(await wrong(database)).toEqual([]);
    await database`select flywheel.erase_user(${user}, 'a test')`;
    expect(await database`select from public.phoenix_events where user_id = ${user}`).toEqual([]);
    expect(await wrong(database)).toEqual([]);
  },
);

test("what says nothing in a payload is as blank to the database as to JavaScript", async () => {
  const blank = await base.admin`
    select n from generate_series(1, 65535) as n
    where n not between 55296 and 57343 and not flywheel.says(to_jsonb(chr(n)))
  `;
  const points = Array.from({ length: 65_535 }, (_, index) => index + 1);
  expect(blank.map(({ n }) => n)).toEqual(
    points.filter((point) => String.fromCharCode(point).trim() === ""),
  );
  const [said] = await base.admin`
    select array_agg(flywheel.says(value) order by n) as values
    from jsonb_array_elements('["", " \\t", " a ", null, 0, false, [], {}]') with ordinality as a (value, n)
  `;
  expect(said!.values).toEqual([false, false, true, false, true, true, true, true]);
});

test("what was paid before the first day of 1970 is counted on its day", async () => {
  const user = crypto.randomUUID();
  const more = {
    app_source: "cv",
    event_type: "subscription.activated",
    payload: { amount_eur: 5 },
  };
  await publish(
    database,
    eventOf(user, { app_source: "cv", timestamp: "1970-01-01T10:00:00.000Z" }),
  );
  await drain(database, [nudges]);
  await publish(database, eventOf(user, { ...more, timestamp: "1969-12-01T10:00:00.000Z" }));
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
});

test("what happened before 1900 counts in 1900, for everybody and for its user", async () => {
  const user = crypto.randomUUID();
  await publishUnchecked(
    database,
    ["0001-01-01T00:00:00.000Z", "1899-12-31T23:59:59.999Z", "1900-01-01T00:00:01.000Z"]
      .map((timestamp) => eventOf(user, { timestamp })),
  );
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const seenBy = (role: string) =>
    base.admin.begin(async (sql) => {
      const claims = JSON.stringify({ sub: user, role });
      await sql`select set_config('role', ${role}, true), set_config('request.jwt.claims', ${claims}, true)`;
      return await sql`
        select date::text, event_count::integer, avg_time_between_events::text as between
        from public.phoenix_ecosystem_analytics
      `;
    });
  const figures = [{ date: "1900-01-01", event_count: 3, between: "00:00:00.5" }];
  expect(await seenBy("phoenix_analyst")).toEqual(figures);
  expect(await seenBy("authenticated")).toEqual(figures);
});

test("what was paid longer than any period before its user came back is left out, early, late and anew", async () => {
  const user = crypto.randomUUID();
  const at = (days: number) => new Date(now - days * day).toISOString();
  const used = (app_source: string, days: number) =>
    eventOf(user, { app_source, event_type: "page.vue", timestamp: at(days) });
  const paid = (days: number) =>
    eventOf(user, {
      app_source: "website",
      event_type: "subscription.activated",
      payload: { amount_eur: 5 },
      timestamp: at(days),
    });
  const revenue = async (...events: Event[]) => {
    for (const each of events) {
      await publish(database, each);
      await drain(database, [nudges]);
      expect(await wrong(database)).toEqual([]);
    }
    const rows = await database`
      select ((${at(0)}::timestamptz at time zone 'UTC')::date - day)::int as days, key, count::int
      from flywheel.current_rollups
      where figure = 'revenue' order by key, day`;
    return rows.map(({ days, key, count }) => `${key}: ${count} ${days} days ago`);
  };
  const first = [used("cv", 900), paid(800), paid(450), paid(400)];
  expect(await revenue(...first)).toEqual(["1: 2 900 days ago"]);
  const found = ["1: 1 450 days ago", "1: 1 400 days ago"];
  expect(await revenue(used("cv", 100))).toEqual(found);
  expect(await revenue(used("letters", 34))).toEqual([...found, "2: 1 400 days ago"]);
  const late = ["1: 1 800 days ago", ...found];
  expect(await revenue(used("cv", 790))).toEqual([...late, "2: 1 400 days ago"]);
  await database`select flywheel.reprocess(${user})`;
  expect(await revenue(paid(1))).toEqual([
    ...late,
    "1: 1 34 days ago",
    "2: 1 400 days ago",
    "2: 1 100 days ago",
  ]);
  await database`select flywheel.erase_user(${user}, 'asked for')`;
  await mergeAll(database);
  expect(await database`select * from flywheel.rollups`).toEqual([]);
});

test("a user of more apps and types than are remembered is counted as the log says, early, late and anew", async () => {
  const user = crypto.randomUUID();
  const today = Math.floor(now / day) * day;
  const many = (first: number, daysAgo: number) =>
    Array.from({ length: 130 }, (_, index) =>
      eventOf(user, {
        app_source: `app-${first + index}`,
        event_type: `test.happened_${first + index}`,
        timestamp: new Date(today - daysAgo * day + index).toISOString(),
      }));
  for (
    const events of [
      many(0, 5),
      many(100, 5),
      many(200, 4),
      many(0, 4),
      [eventOf(user, { app_source: "letters", event_type: "letter.generated" })],
      many(300, 6),
    ]
  ) {
    await publish(database, events);
    await drain(database, [nudges]);
    expect(await wrong(database)).toEqual([]);
  }
  const [{ apps } = {}] = await database`
    select count(distinct app_source)::int as apps from flywheel.current_rollups where app_source <> ''
  `;
  expect(apps).toBe(101);
  // The flywheel is no such app, however late it comes.
  await tell(base.admin, [eventOf(user, { timestamp: new Date(today).toISOString() })]);
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  await database`select flywheel.reprocess(${user})`;
  await drain(database, [nudges]);
  await publish(database, many(400, 0));
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
});

test("one user's types beyond what a day has are one, early, late and anew: nobody makes the rollups long", async () => {
  const user = crypto.randomUUID();
  const today = Math.floor(now / day) * day;
  const types = (first: number, count: number, at: number) =>
    Array.from({ length: count }, (_, index) =>
      eventOf(user, {
        app_source: "cv",
        event_type: `test.happened_${first + index}`,
        timestamp: new Date(today - day + at + index).toISOString(),
      }));
  const counted = () =>
    database`
      select
        figure, key, sum(count)::int as count, sum(users)::int as users, sum(total)::bigint::int as total
      from flywheel.current_rollups
      where figure in ('event', 'first_event') and (key = 'other' or key like 'test.happened_0')
      group by figure, key
      having sum(count) <> 0
      order by figure, key
    `;
  const names = async () => {
    const [row] = await database`
      select count(*)::int as names
      from (
        select from flywheel.current_rollups where figure = 'event' group by day, app_source, key having sum(count) > 0
      ) as n
    `;
    return row!.names;
  };

  await publish(database, types(0, 400, 1000));
  await publish(database, types(0, 400, 2000));
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  expect(await names()).toBe(201);
  expect(await counted()).toEqual([
    { figure: "event", key: "other", count: 400, users: 0, total: 400_000 },
    { figure: "event", key: "test.happened_0", count: 2, users: 1, total: 601_000 },
    { figure: "first_event", key: "test.happened_0", count: 1, users: 0, total: 0 },
  ]);

  // What came first and is told last is beyond the others of its day, and the first that the user did.
  await publish(database, types(400, 1, 500));
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  expect(await names()).toBe(201);
  expect(await counted()).toEqual([
    { figure: "event", key: "other", count: 401, users: 0, total: 400_000 },
    { figure: "event", key: "test.happened_0", count: 2, users: 1, total: 1_101_000 },
    { figure: "first_event", key: "other", count: 1, users: 0, total: 0 },
  ]);

  await database`select flywheel.reprocess(${user})`;
  await drain(database, [nudges]);
  await publish(database, types(0, 1, 3000));
  await publish(database, types(500, 10, 4000));
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  expect(await names()).toBe(201);

  await database`select flywheel.erase_user(${user}, 'a test')`;
  await mergeAll(database);
  expect(await database`select * from flywheel.rollups`).toEqual([]);
});

test("nor does one user's transitions to apps of any name", async () => {
  const user = crypto.randomUUID();
  await publish(
    database,
    Array.from({ length: 50 }, (_, index) =>
      eventOf(user, {
        app_source: "aube",
        event_type: "transition_écosystème",
        payload: { target_app: `app-${index}`, status: "accepted" },
        timestamp: new Date(Math.floor(now / day) * day - day + index).toISOString(),
      })),
  );
  await drain(database, [nudges]);
  expect(await wrong(database)).toEqual([]);
  const taken = await database`
    select app_source, sum(count)::int as count from flywheel.current_rollups where figure = 'transition' group by app_source
  `;
  expect(taken).toEqual([{ app_source: "", count: 50 }]);
});
