import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { event, publish } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

/** How many rows about a user each table has. */
async function personalRows(user: string): Promise<Record<string, number>> {
  const tables = await base.admin<{ name: string }[]>`
    select format('%I.%I', c.relnamespace::regnamespace, c.relname) as name
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attname = 'user_id'
    where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace) and c.relkind = 'r'
  `;
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await base.admin.unsafe(
      `select count(*)::int as count from ${name} where user_id = $1`,
      [user],
    );
    counts[name] = row!.count;
  }
  return counts;
}

/** A user of whom every table has a row. */
async function somebody(): Promise<string> {
  const user = crypto.randomUUID();
  for (const event_id of [crypto.randomUUID(), crypto.randomUUID()]) {
    await publish(database, event(user, { event_id, payload: { secret: "a diary" } }));
  }
  await base.admin`insert into flywheel.states values (${user}, 'shape', '{}')`;
  await base.admin`
    insert into public.phoenix_nudges_sent (
      user_id, nudge_id, nudge_type, app_source, target_app, title, message, cta_label, cta_url, expires_at
    )
    values (${user}, gen_random_uuid(), 't', 'cv', 'cv', 't', 'm', 'c', 'u', now() + interval '1 day')
  `;
  await base.admin`
    insert into public.phoenix_transitions (user_id, transition_id, source_app, target_app, context, expires_at)
    values (${user}, gen_random_uuid(), 'aube', 'cv', '{}', now() + interval '1 day')
  `;
  await base.admin`
    insert into flywheel.deliveries (user_id, delivery_id, app, kind, message, created_at)
    values (${user}, gen_random_uuid(), 'cv', 'transition', '{}', now())
  `;
  await base.admin`insert into flywheel.user_activity (user_id) values (${user})`;
  await base.admin`insert into flywheel.replays (user_id, only_failed) values (${user}, false)`;
  expect(Object.values(await personalRows(user)), "every table knows them").not.toContain(0);
  return user;
}

/** The audit entries about a user, oldest first. */
const auditOf = (user: string) =>
  base.admin`
    select at, action, by_role, details, subject_hash from flywheel.audit
    where subject_hash = sha256(convert_to(${user}, 'UTF8'))
    order by audit_id
  `;

describe("erasing a user", () => {
  test("deletes every row of theirs in every table, and nobody else's", async () => {
    const [gone, stays] = [await somebody(), await somebody()];
    const before = await personalRows(stays);
    const [row] =
      await database`select flywheel.erase_user(${gone}, 'asked for by letter') as rows`;
    expect(row!.rows).toMatchObject({ "public.phoenix_events": 1, "flywheel.states": 1 });
    expect(new Set(Object.values(await personalRows(gone)))).toEqual(new Set([0]));
    expect(await personalRows(stays)).toEqual(before);
  });

  test("leaves an audit entry that says who did it and why, and not whose data it was", async () => {
    const user = await somebody();
    await database`select flywheel.erase_user(${user}, 'asked for by letter')`;
    const [entry, ...more] = await auditOf(user);
    expect(more).toEqual([]);
    expect(entry).toMatchObject({
      action: "erase_user",
      by_role: "service_role",
      details: { reason: "asked for by letter", rows: { "public.phoenix_events": 1 } },
    });
    const [everything] = await base
      .admin`select string_agg(a::text, ' ') as text from flywheel.audit as a`;
    expect(everything!.text).not.toContain(user);
    expect(everything!.text).not.toContain("diary");
  });

  test("loses no event that the user publishes at that moment: it begins a new stream", async () => {
    const user = await somebody();
    const accepted = new Set<string>();
    let erased = false;
    const publishers = Array.from({ length: 4 }, async (_, index) => {
      const own = base.connect();
      for (let n = 0; !erased || n < 5; n++) {
        const { results } = await publish(own, event(user, { payload: { index, n } }));
        expect(results[0]!.status).toBe("accepted");
        if (erased) accepted.add(results[0]!.event_id!);
      }
    });
    await database`select flywheel.erase_user(${user}, 'a test')`;
    erased = true;
    await Promise.all(publishers);
    const stored = await base.admin`
      select event_id, version::int from public.phoenix_events where user_id = ${user} order by version
    `;
    expect(stored.map(({ version }) => version)).toEqual(stored.map((_, index) => index + 1));
    const ids = new Set(stored.map(({ event_id }) => event_id));
    for (const id of accepted) expect(ids).toContain(id);
  });

  test("waits for a publication that is under way, and leaves nothing of it", async () => {
    const user = await somebody();
    let erasing: Promise<unknown> | undefined;
    await base.connectOnce().begin(async (sql) => {
      await sql`select flywheel.publish(${JSON.stringify(event(user, { payload: { n: 1 } }))})`;
      erasing = database`select flywheel.erase_user(${user}, 'a test')`.execute();
      await lockWait(base, "erase_user");
    });
    await erasing;
    expect(await base.admin`select from public.phoenix_events where user_id = ${user}`).toEqual([]);
  });

  test("holds up a first publication, which has no stream yet to wait for", async () => {
    const user = crypto.randomUUID();
    let published: Promise<unknown> | undefined;
    await base.superuser.begin(async (sql) => {
      await sql`lock table public.phoenix_transitions in share mode`;
      const erasing = database`select flywheel.erase_user(${user}, 'a test')`.execute();
      await lockWait(base, "erase_user");
      published = publish(base.connect(), event(user, { payload: { n: 1 } }));
      await lockWait(base, "publish");
      void erasing;
    });
    expect(await published).toMatchObject({ accepted: 1 });
    await publish(database, event(user, { payload: { n: 2 } }));
    expect(
      await base.admin`
        select e.version::int, s.version::int as head
        from public.phoenix_events as e
        join flywheel.streams as s using (user_id)
        where e.user_id = ${user}
        order by e.version
      `,
    ).toEqual([{ version: 1, head: 2 }, { version: 2, head: 2 }]);
  });

  test("of whom nothing is known deletes nothing", async () => {
    const [row] = await database`
      select flywheel.erase_user(${crypto.randomUUID()}, 'a test') as rows
    `;
    expect(Object.values(row!.rows).every((count) => count === 0)).toBe(true);
  });
});

describe("exporting a user", () => {
  test("takes along every row of theirs, table by table", async () => {
    const user = await somebody();
    const [row] = await database`select flywheel.export_user(${user}) as data`;
    const data = row!.data as Record<string, Record<string, unknown>[]>;
    expect(Object.fromEntries(Object.entries(data).map(([name, rows]) => [name, rows.length])))
      .toEqual(await personalRows(user));
    expect(data["public.phoenix_events"]![0]).toMatchObject({
      user_id: user,
      version: 1,
      event_type: "test.happened",
      payload: { secret: "a diary" },
    });
    expect(await auditOf(user)).toMatchObject([{ action: "export_user" }]);
  });

  test("says so where it is more than one value can hold, and leaves no audit entry", async () => {
    const user = crypto.randomUUID();
    await base.superuser`
      insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
      select
        ${user}, n, gen_random_uuid(), 'note.written', 'website', jsonb_build_object('text', repeat('a', 220000000)), now(),
        sha256(n::text::bytea)
      from generate_series(1, 5) as n
    `;
    await expect(database`select flywheel.export_user(${user})`).rejects.toMatchObject({
      code: "PT413",
      detail: "export_too_large",
    });
    expect(await auditOf(user)).toEqual([]);
    await base.superuser`delete from public.phoenix_events where user_id = ${user}`;
  });

  test("takes along what was there at one moment, whatever comes in meanwhile", async () => {
    const user = await somebody();
    let exporting: Promise<{ data: Record<string, unknown[]> }[]> | undefined;
    await base.superuser.begin(async (sql) => {
      // As slow as any of the tables may be.
      await sql`lock table public.phoenix_events in access exclusive mode`;
      exporting = database<{ data: Record<string, unknown[]> }[]>`
        select flywheel.export_user(${user}) as data
      `.execute();
      await lockWait(base, "export_user");
      await sql`select flywheel.publish(${JSON.stringify(event(user, { payload: { n: 1 } }))})`;
    });
    const [{ data } = { data: {} }] = await exporting!;
    expect(data["public.phoenix_events"]).toHaveLength(data["flywheel.fingerprints"]!.length);
    expect(data["flywheel.streams"]).toMatchObject([
      { version: data["public.phoenix_events"]!.length },
    ]);
  });

  test("gives the rows in the order of their keys, whatever types their columns have", async () => {
    const user = crypto.randomUUID();
    await publish(
      database,
      Array.from({ length: 12 }, (_, n) => event(user, { payload: { n: -n } })),
    );
    await base
      .admin`insert into flywheel.states values (${user}, 'shape', '{ "it": [ "remembers" ] }')`;
    await base.admin`
      create table flywheel."Of a test" (
        user_id uuid, "A number" integer, "a date" date, said json,
        primary key (user_id, "a date", "A number")
      )
    `;
    await base.admin`
      insert into flywheel."Of a test"
      select ${user}::uuid, n, date '2026-01-01' + n % 2, '{}' from generate_series(12, 1, -1) as n
    `;
    try {
      const [row] = await database`select flywheel.export_user(${user}) as data`;
      const data = row!.data as Record<string, Record<string, unknown>[]>;
      const versions = data["public.phoenix_events"]!.map(({ version }) => version);
      expect(versions).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
      expect(data['flywheel."Of a test"']!.map((each) => each["A number"]))
        .toEqual([2, 4, 6, 8, 10, 12, 1, 3, 5, 7, 9, 11]);
      expect(data["flywheel.states"]).toEqual([
        { user_id: user, shape: "shape", state: { it: ["remembers"] } },
      ]);
    } finally {
      await base.admin`drop table flywheel."Of a test"`;
    }
  });
});
