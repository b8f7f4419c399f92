import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import { applySchemaFiles } from "../../supabase/local/postgres/schema-files.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, publish } from "../support/flywheel.ts";
import { testStack } from "../support/stack.ts";

const roles = ["anon", "authenticated", "phoenix_analyst", "service_role"] as const;
type Role = (typeof roles)[number];

const me = "00000000-0000-4000-8000-000000000001";
const other = "00000000-0000-4000-8000-000000000002";
/** When nothing is lately any more. */
const longAgo = new Date(Date.now() - 40 * 86_400_000).toISOString();

const views = [
  "phoenix_ecosystem_analytics",
  "phoenix_nudge_experiments",
  "phoenix_nudge_opportunities",
  "phoenix_user_journey",
];
const functions = [
  "get_aube_funnel",
  "get_aube_metrics",
  "get_phoenix_ecosystem_stats",
  "get_phoenix_kpis",
  "get_phoenix_nudge_experiments",
  "get_phoenix_retention",
];

/** What a server with a secret key may call, in schema flywheel. */
const operations = [
  "answer_delivery",
  "commit",
  "configure_app",
  "enter",
  "erase_user",
  "export_user",
  "extend",
  "fail_delivery",
  "global_context",
  "lease",
  "lease_deliveries",
  "lease_withdrawals",
  "leave",
  "mark_attempted",
  "mark_nudge",
  "mark_published",
  "mark_withdrawn",
  "mend_waits",
  "merge_rollups",
  "pending_events",
  "postpone",
  "prune",
  "publish",
  "publish_timely",
  "publish_timely_streams",
  "publish_together",
  "queue_status",
  "read_state",
  "read_stream",
  "rebuild_rollups",
  "refold",
  "replay_progress",
  "reprocess",
  "request_transition",
  "ring",
  "settings_changed_at",
  "settings_history",
  "step_transition",
  "stop_replays",
  "tend",
  "verify_activity",
  "verify_rollups",
];

const sqlFolder = fileURLToPath(new URL("../../sql/", import.meta.url));

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
  const database = base.connect();
  await publish(database, [
    ...[me, other].flatMap((user_id) => [
      { user_id, event_type: "letter.generated", app_source: "letters", payload: { secret: "x" } },
      { user_id, event_type: "cv.generated", app_source: "cv", payload: {}, timestamp: longAgo },
    ]),
    { user_id: other, event_type: "exploration_commencée", app_source: "aube", payload: {} },
  ]);
  await drain(database, reactors);
  // As if the flywheel had nudged nobody yet.
  await base.admin`update public.phoenix_nudges_sent set sent_at = now() - interval '60 days'`;
});
afterAll(() => base[Symbol.asyncDispose]());

/** Runs a query as a role, signed in as `me` where that means anything. */
function as(role: Role, query: string): Promise<Record<string, unknown>[]> {
  return base.superuser.begin("read only", async (sql: postgres.TransactionSql) => {
    const claims = JSON.stringify({ sub: me, role });
    await sql`
      select set_config('request.jwt.claims', ${claims}, true), set_config('role', ${role}, true)
    `;
    return [...await sql.unsafe(query)];
  }) as Promise<Record<string, unknown>[]>;
}

/** Who may do what with our schema, and with the tables, views and functions of ours and of public. */
const grants = async (sql: postgres.Sql) => [
  ...await sql`
    select o.name, g.grantee::regrole::text as role, g.privilege_type as verb, g.is_grantable
    from (
      select c.relnamespace as schema, c.oid::regclass::text as name, c.relacl as acl
      from pg_class as c
      where c.relkind in ('r', 'p', 'v', 'm', 'f')
      union all
      select p.pronamespace, p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner))
      from pg_proc as p
      union all
      select n.oid, 'schema ' || n.nspname, n.nspacl
      from pg_namespace as n
      where n.nspname = 'flywheel'
    ) as o
    cross join lateral aclexplode(o.acl) as g
    where o.schema in ('public'::regnamespace, 'flywheel'::regnamespace)
    order by 1, 2, 3
  `,
];

const denied = /permission denied/;

test.each(["by the migrations", "by its own file"])(
  "the analysts' role, as it is made %s, logs nobody in and has no power but its grants; its maker may grant and assume it, and does not inherit it",
  async (made) => {
    const role = made === "by the migrations" ? "phoenix_analyst" : "phoenix_other_analyst";
    const [found] = await base.admin.begin(async (sql) => {
      if (role !== "phoenix_analyst") {
        const text = await Deno.readTextFile(`${sqlFolder}analytics/phoenix_analyst.sql`);
        await sql.unsafe(text.replaceAll("phoenix_analyst", role)).simple();
      }
      const rows = await sql`
        select
          array(
            select a.key from jsonb_each_text(to_jsonb(r)) as a where a.key ~ '^rol' and a.value = 'true' order by 1
          ) as can,
          array(select m.roleid::regrole::text from pg_auth_members as m where m.member = r.oid) as member_of,
          (
            select to_jsonb(array[bool_or(m.admin_option), bool_or(m.set_option), bool_or(m.inherit_option)])
            from pg_auth_members as m
            where m.roleid = r.oid and m.member = current_user::regrole
          ) as maker_grants_assumes_inherits,
          exists (
            select from pg_namespace as n
            cross join lateral aclexplode(n.nspacl) as g
            where n.nspname = 'public' and g.grantee = r.oid and g.privilege_type = 'USAGE'
          ) as may_use_public
        from pg_roles as r
        where r.rolname = ${role}
      `;
      await sql`rollback`;
      return rows;
    });
    expect(found).toEqual({
      can: ["rolinherit"],
      member_of: [],
      maker_grants_assumes_inherits: [true, true, false],
      may_use_public: true,
    });
  },
);

describe("what is granted", () => {
  test("on every table and view, verb by verb", async () => {
    const granted = await base.admin<{ role: Role; verb: string; relation: string }[]>`
      select r.role, v.verb, format('%s.%s', c.relnamespace::regnamespace, c.relname) as relation
      from pg_class as c
      cross join unnest(${roles as unknown as string[]}::text[]) as r (role)
      cross join unnest(
        array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger', 'maintain']
      ) as v (verb)
      where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
        and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_table_privilege(r.role, c.oid, v.verb)
      order by 1, 2, 3
    `;
    const of = (role: Role) =>
      granted.filter((each) => each.role === role).map(({ verb, relation }) =>
        `${verb} ${relation}`
      );

    const behindViews = [
      "flywheel.current_rollups",
      "flywheel.event_rollups",
      "flywheel.pending_rollups",
      "flywheel.rollup_increments",
      "flywheel.rollups",
      "flywheel.user_activity",
    ];
    const select = (names: string[]) => names.map((name) => `select ${name}`).sort();
    const publicViews = views.map((name) => `public.${name}`);

    expect(of("anon")).toEqual([]);
    expect(of("phoenix_analyst").sort()).toEqual(select([...behindViews, ...publicViews]));
    expect(of("authenticated").sort()).toEqual(select([
      ...behindViews,
      ...publicViews,
      "public.phoenix_events",
      "public.phoenix_nudges_sent",
      "public.phoenix_transitions",
    ]));
    const all = await base.admin<{ name: string }[]>`
      select format('%s.%s', relnamespace::regnamespace, relname) as name
      from pg_class
      where relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
        and relkind in ('r', 'p', 'v', 'm', 'f')
    `;
    expect(of("service_role").sort()).toEqual([
      ...select(all.map(({ name }) => name)),
      "update flywheel.settings",
    ]);
  });

  test("on single columns", async () => {
    const granted = await base.admin<
      { role: Role; verb: string; relation: string; columns: string }[]
    >`
      select
        r.role, v.verb, format('%s.%s', c.relnamespace::regnamespace, c.relname) as relation,
        string_agg(a.attname, ' ' order by a.attnum) as columns
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      cross join unnest(${roles as unknown as string[]}::text[]) as r (role)
      cross join unnest(array['select', 'insert', 'update', 'references']) as v (verb)
      where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
        and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and not has_table_privilege(r.role, c.oid, v.verb)
        and has_column_privilege(r.role, c.oid, a.attnum, v.verb)
      group by 1, 2, 3
      order by 1, 2, 3
    `;
    expect([...granted]).toEqual([
      {
        role: "phoenix_analyst",
        verb: "select",
        relation: "public.phoenix_events",
        columns: "user_id version event_type app_source timestamp received_at",
      },
      {
        role: "phoenix_analyst",
        verb: "select",
        relation: "public.phoenix_nudges_sent",
        columns:
          "user_id nudge_id nudge_type app_source target_app variant sent_at shown_at clicked_at dismissed_at " +
          "converted_at cancelled_at expired_at expires_at success held_out status",
      },
    ]);
  });

  test("on every function", async () => {
    const granted = await base.admin<{ role: Role; name: string }[]>`
      select r.role, format('%s.%s', p.pronamespace::regnamespace, p.proname) as name
      from pg_proc as p
      cross join unnest(${roles as unknown as string[]}::text[]) as r (role)
      where p.pronamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
        and has_function_privilege(r.role, p.oid, 'execute')
      order by 1, 2
    `;
    const of = (role: Role) => granted.filter((each) => each.role === role).map(({ name }) => name);
    const behindViews = [
      "flywheel.is_held_out",
      "flywheel.nudge_experiments",
      "flywheel.recent_time",
      "flywheel.two_proportion_p_value",
    ];
    const forAnalysts = functions.map((name) => `public.${name}`);

    expect(of("anon")).toEqual([]);
    expect(of("phoenix_analyst")).toEqual([...behindViews, ...forAnalysts]);
    expect(of("authenticated")).toEqual([...behindViews, "public.publish_events"]);
    expect(of("service_role").sort()).toEqual([
      ...operations.map((name) => `flywheel.${name}`),
      ...behindViews,
      ...forAnalysts,
      "public.publish_events",
    ].sort());
  });

  test("is the same in a project that grants everybody all on whatever is made in it", async () => {
    await using generous = await testStack().emptyDatabase();
    const owner = postgres(generous.url, { max: 1, onnotice() {} });
    try {
      for (const objects of ["schemas", "tables", "functions"]) {
        await owner.unsafe(
          `alter default privileges grant all on ${objects} to public, anon, authenticated, service_role`,
        );
      }
      await applySchemaFiles(owner, `${sqlFolder}install.sql`);
      expect(await grants(owner)).toEqual(await grants(base.admin));
    } finally {
      await owner.end();
    }
  });

  test("on rows: to analysts everybody's, to users their own, and of nudges what is not held out", async () => {
    const policies = await base.admin<Record<string, string>[]>`
      select format('%s.%s', schemaname, tablename) as relation, roles::text[] as roles, cmd, permissive, qual, with_check
      from pg_policies
      where schemaname in ('public', 'flywheel')
      order by 1, 2
    `;
    const own = "(user_id = ( SELECT auth.uid() AS uid))";
    const to = (role: Role, relation: string, qual: string) => ({
      relation,
      roles: [role],
      cmd: "SELECT",
      permissive: "PERMISSIVE",
      qual,
      with_check: null,
    });
    expect([...policies]).toEqual([
      to("phoenix_analyst", "flywheel.rollup_increments", "true"),
      to("phoenix_analyst", "flywheel.rollups", "true"),
      to("authenticated", "flywheel.user_activity", own),
      to("phoenix_analyst", "flywheel.user_activity", "true"),
      to("authenticated", "public.phoenix_events", own),
      to("phoenix_analyst", "public.phoenix_events", "true"),
      to("authenticated", "public.phoenix_nudges_sent", `(${own} AND (NOT held_out))`),
      to("phoenix_analyst", "public.phoenix_nudges_sent", "true"),
      to("authenticated", "public.phoenix_transitions", own),
    ]);
  });

  test("on schema flywheel to nobody but service_role", async () => {
    for (const role of roles) {
      const [row] = await base
        .admin`select has_schema_privilege(${role}, 'flywheel', 'usage') as may`;
      expect(row!.may, role).toBe(role === "service_role");
    }
  });
});

describe("an analyst", () => {
  test.each(views)("reads %s of everybody", async (view) => {
    const rows = await as("phoenix_analyst", `select * from public.${view}`);
    expect(rows).toEqual([...await base.superuser.unsafe(`select * from public.${view}`)]);
    if (view !== "phoenix_nudge_experiments") expect(rows.length).toBeGreaterThan(1);
  });

  test.each(functions)("calls %s", async (name) => {
    expect(await as("phoenix_analyst", `select * from public.${name}()`)).toHaveLength(
      (await as("service_role", `select * from public.${name}()`)).length,
    );
  });

  test.each([
    "select payload from public.phoenix_events",
    "select metadata from public.phoenix_events",
    "select correlation_id, session_id from public.phoenix_events",
    "select ai_processing_error from public.phoenix_events",
    "select * from public.phoenix_events",
    "select message from public.phoenix_nudges_sent",
    "select * from public.phoenix_transitions",
    "select email from auth.users",
    "select * from flywheel.rollups",
    "select flywheel.verify_rollups()",
    "select public.publish_events('{}')",
  ])("may not %s", async (query) => {
    await expect(as("phoenix_analyst", query)).rejects.toThrow(denied);
  });

  test("learns nothing of other figures by a function that a query brings along", async () => {
    const user_id = crypto.randomUUID();
    const database = base.connect();
    await publish(
      database,
      [1, 2].map((hours) => ({
        user_id,
        event_type: "métier_choisi",
        app_source: "aube",
        payload: { métier: "my own words" },
        timestamp: new Date(Date.now() - hours * 3_600_000).toISOString(),
      })),
    );
    // Committed, and not merged yet.
    const shape = shapeOfWork(reactors);
    await work(database, reactors, shape, (await lease(database, shape))!);
    const seen: string[] = [];
    const analyst = postgres(base.superuserUrl, {
      max: 1,
      onnotice: ({ message }) => seen.push(message!),
    });
    try {
      await analyst.unsafe(`
        set role phoenix_analyst;
        create function pg_temp.spy(key text) returns boolean language plpgsql immutable cost 0.000001
        as $$ begin raise notice '%', key; return true; end $$;
      `);
      await analyst`select count(*) from public.phoenix_ecosystem_analytics where pg_temp.spy(event_type)`;
    } finally {
      await analyst.end();
      await drain(database, reactors);
    }
    expect(new Set(seen)).toContain("métier_choisi");
    expect(new Set(seen)).not.toContain("my own words");
  });

  test("counts a habit's days by hours, in whatever time zone", async () => {
    const zones = ["UTC", "Europe/Paris", "America/New_York", "Australia/Sydney"];
    const seen = await base.superuser.begin(async (sql) => {
      // So long ago that the clocks were changed once or twice since.
      await sql`update flywheel.settings set reactor_settings = '{"nudges":{"recent_days":250}}'`;
      await sql`
        insert into flywheel.user_activity (user_id, letters_last_at)
        values (gen_random_uuid(), now() - interval '6000 hours 30 minutes')
      `;
      const answers: unknown[] = [];
      for (const zone of zones) {
        await sql`select set_config('timezone', ${zone}, true)`;
        answers.push(
          ...await sql`select count(*)::int as opportunities from public.phoenix_nudge_opportunities`,
        );
      }
      await sql`rollback`;
      return answers;
    });
    expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBe(1);
  });

  test("may not write anything", async () => {
    const tables = await base.admin<{ name: string }[]>`
      select format('%s.%s', relnamespace::regnamespace, relname) as name
      from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
    `;
    for (const { name } of tables) {
      for (
        const query of [
          `delete from ${name}`,
          `update ${name} set user_id = null`,
          `insert into ${name} default values`,
        ]
      ) {
        // Not in a transaction that is read-only: that would be refused whatever is granted.
        const attempt = base.superuser.begin(async (sql) => {
          await sql`select set_config('role', 'phoenix_analyst', true)`;
          await sql.unsafe(query);
        });
        await expect(attempt, query).rejects.toThrow(
          /permission denied|cannot (insert|update|delete)|does not exist/,
        );
      }
    }
  });
});

describe("a signed-in user", () => {
  test("sees their own journey alone", async () => {
    const rows = await as("authenticated", "select * from public.phoenix_user_journey");
    expect(new Set(rows.map(({ user_id }) => user_id))).toEqual(new Set([me]));
    expect(
      rows.map(({ event_type, previous_app, next_app }) => [event_type, previous_app, next_app]),
    )
      .toEqual([
        ["cv.generated", null, "letters"],
        ["letter.generated", "cv", null],
      ]);
  });

  test("is told of their own opportunities alone", async () => {
    const rows = await as(
      "authenticated",
      "select user_id, nudge_type from public.phoenix_nudge_opportunities",
    );
    expect(rows).toEqual([{ user_id: me, nudge_type: "letters_to_cv" }]);
  });

  test.each<[string, Record<string, string>, boolean]>([
    ["is held out", {}, true],
    ["of another type is held out", { nudge_type: "cv_to_letters" }, false],
    ["was held out longer ago than lately", { sent_at: longAgo }, false],
    ["of somebody else is held out", { user_id: other }, false],
  ])("is not told by an opportunity that a nudge %s", async (_, nudge, isHidden) => {
    const now = new Date().toISOString();
    const seen = await base.superuser.begin(async (sql) => {
      const { user_id = me, nudge_type = "letters_to_cv", sent_at = now } = nudge;
      await sql`
        insert into public.phoenix_nudges_sent (
          user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message, cta_label, cta_url, sent_at, expires_at
        )
        values (
          ${user_id}, gen_random_uuid(), ${nudge_type}, 'letters', 'cv', 'holdout', '', '', '', '', ${sent_at},
          now() + interval '1 day'
        )
      `;
      const claims = JSON.stringify({ sub: me, role: "authenticated" });
      await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`;
      const rows = await sql`select user_id from public.phoenix_nudge_opportunities`;
      await sql`rollback`;
      return rows;
    });
    expect([...seen]).toEqual(isHidden ? [] : [{ user_id: me }]);
  });

  test("sees in phoenix_ecosystem_analytics their own events, as if there were no others", async () => {
    const rows = await as(
      "authenticated",
      `select app_source, event_type, event_count::integer as events, unique_users::integer as users
      from public.phoenix_ecosystem_analytics where app_source <> 'flywheel' order by app_source`,
    );
    expect(rows).toEqual([
      { app_source: "cv", event_type: "cv.generated", events: 1, users: 1 },
      { app_source: "letters", event_type: "letter.generated", events: 1, users: 1 },
    ]);
  });

  test.each(functions)("may not call %s", async (name) => {
    await expect(as("authenticated", `select public.${name}()`)).rejects.toThrow(denied);
  });

  test("whose token names no user sees nothing", async () => {
    for (const view of views) {
      const rows = await base.superuser.begin(async (sql) => {
        await sql`select set_config('role', 'authenticated', true)`;
        return [...await sql.unsafe(`select * from public.${view}`)];
      });
      expect(rows, view).toEqual([]);
    }
  });
});

describe("an anonymous caller", () => {
  test.each([...views, "phoenix_events", "phoenix_nudges_sent"])(
    "may not read %s",
    async (name) => {
      await expect(as("anon", `select * from public.${name}`)).rejects.toThrow(denied);
    },
  );

  test.each(functions)("may not call %s", async (name) => {
    await expect(as("anon", `select public.${name}()`)).rejects.toThrow(denied);
  });
});

test("every view runs with its caller's rights", async () => {
  const definers = await base.admin`
    select relname
    from pg_class
    where relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
      and relkind = 'v'
      and not coalesce(reloptions @> array['security_invoker=true'], false)
  `;
  expect([...definers]).toEqual([]);
});
