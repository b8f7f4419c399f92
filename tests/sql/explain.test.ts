import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { event } from "../support/flywheel.ts";

let base: TestDatabase;
let watched: postgres.Sql;
const plans: Plan[] = [];

interface Node {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Cond"?: string;
  Plans?: Node[];
}

interface Plan {
  "Query Text": string;
  Plan: Node;
}

const users = 20_000;
const userOf = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;

beforeAll(async () => {
  base = await testDatabase();
  await fill();
  watched = postgres(base.superuserUrl, { max: 1, onnotice: remember });
  await watched.unsafe(`
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_nested_statements = on;
    set auto_explain.log_format = json;
    set auto_explain.log_level = notice;
  `);
}, 120_000);
afterAll(async () => {
  await watched?.end();
  await base?.[Symbol.asyncDispose]();
});

/** 20,000 users with five folded events each; of them few are due, some have timers, dead letters, nudges. */
async function fill(): Promise<void> {
  const shape = shapeOfWork(reactors);
  await base.admin.begin(async (sql) => {
    await sql.unsafe(`
      alter table public.phoenix_events disable trigger user;
      insert into flywheel.streams (user_id, version, processed_version, counted_version, available_at, wake_at)
      select
        ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 5, 5, 5,
        case when n % 2 = 0 then now() + interval '1 day' end,
        case when n % 2 = 0 then now() + interval '1 day' end
      from generate_series(0, ${users - 1}) as n;
      insert into public.phoenix_events (
        user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash, ai_processing_error
      )
      select
        s.user_id, v, gen_random_uuid(), 'test.happened', 'website', '{}', now(),
        sha256((s.user_id::text || v)::bytea),
        case when s.user_id::text like '%00' and v = 3 then 'it hurts' end
      from flywheel.streams as s, generate_series(1, 5) as v;
      insert into flywheel.states (user_id, shape, state)
      select s.user_id, '${shape}', '{}' from flywheel.streams as s;
      insert into flywheel.fingerprints (user_id, fingerprint, event_id, seen_at)
      select e.user_id, e.event_hash, e.event_id, now() + interval '1 minute' from public.phoenix_events as e;
      insert into public.phoenix_nudges_sent (
        user_id, nudge_id, nudge_type, app_source, target_app, title, message, cta_label, cta_url, expires_at
      )
      select s.user_id, gen_random_uuid(), 't', 'cv', 'cv', 't', 'm', 'c', 'u', now() + interval '1 day'
      from flywheel.streams as s;
      insert into public.phoenix_transitions (
        user_id, transition_id, source_app, target_app, context, status, requested_at, expires_at
      )
      select
        s.user_id, gen_random_uuid(), 'aube', 'cv', '{}',
        case when s.user_id::text like '%0' then 'requested' else 'completed' end,
        now() - interval '1 hour', now() + interval '1 day'
      from flywheel.streams as s;
      insert into flywheel.apps (app, delivery_url) values ('cv', 'http://127.0.0.1:9');
      insert into flywheel.deliveries (
        user_id, delivery_id, app, kind, transition_id, message, created_at, available_at, failed_at
      )
      select
        t.user_id, gen_random_uuid(), 'cv', 'transition', t.transition_id, '{}', now(),
        case when t.user_id::text like '%00' then now() when t.status = 'requested' then now() + interval '1 day' end,
        case when t.user_id::text like '%01' then now() end
      from public.phoenix_transitions as t;
      insert into flywheel.user_activity (user_id, cv_last_at)
      select s.user_id, now() from flywheel.streams as s;
      alter table public.phoenix_events enable trigger user;
    `).simple();
  });
  await base.admin.unsafe("vacuum analyze");
}

function remember(notice: postgres.Notice): void {
  const json = /plan:\s*(\{[\s\S]*\})\s*$/.exec(notice.message ?? "")?.[1];
  if (json) plans.push(JSON.parse(json) as Plan);
}

function nodesOf(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

const large = [
  "phoenix_events",
  "streams",
  "states",
  "fingerprints",
  "phoenix_nudges_sent",
  "phoenix_transitions",
  "deliveries",
  "user_activity",
];

/** Runs statements and gives back how each statement within them was executed. */
async function explained(run: (sql: postgres.Sql) => Promise<unknown>): Promise<Plan[]> {
  plans.length = 0;
  await run(watched);
  expect(plans.length, "plans were seen").toBeGreaterThan(0);
  return [...plans];
}

/** Where a large table, or an index of it, was read from end to end. */
function scansIn(seen: readonly Plan[]): string[] {
  return seen.flatMap((plan) =>
    nodesOf(plan.Plan)
      .filter((node) => large.includes(node["Relation Name"] ?? ""))
      .filter((node) =>
        node["Node Type"] === "Seq Scan" ||
        (/Index.* Scan/.test(node["Node Type"]) && node["Index Cond"] === undefined)
      )
      .map((node) => `${node["Node Type"]} of ${node["Relation Name"]} in: ${plan["Query Text"]}`)
  );
}

function expectNoScan(seen: readonly Plan[]): void {
  expect(scansIn(seen)).toEqual([]);
}

const batch = (from: number, more = {}) =>
  JSON.stringify({
    events: Array.from({ length: 100 }, (_, n) =>
      event(userOf(from + (n % 50)), { payload: { from, n }, ...more })),
  });

describe("no hot query reads a large table from end to end:", () => {
  test("the test sees one when there is one", async () => {
    const seen = await explained((sql) =>
      sql`select count(*) from flywheel.states where state = '[]'`
    );
    expect(scansIn(seen)).toEqual([expect.stringMatching(/^Seq Scan of states/)]);
  });

  test("publishing", async () => {
    expectNoScan(await explained((sql) => sql`select flywheel.publish(${batch(0)}::text::jsonb)`));
    expectNoScan(
      await explained((sql) =>
        sql`select flywheel.publish(${
          batch(100, { timestamp: "2025-03-01T10:00:00Z" })
        }::text::jsonb)`
      ),
    );
    const ids = JSON.parse(batch(200)) as { events: Record<string, unknown>[] };
    for (const each of ids.events) each.event_id = crypto.randomUUID();
    expectNoScan(
      await explained((sql) => sql`select flywheel.publish(${JSON.stringify(ids)}::text::jsonb)`),
    );
    const again = JSON.stringify({ events: [ids.events[0], ids.events[0]], expected_version: 0 });
    expectNoScan(await explained((sql) => sql`select flywheel.publish(${again}::text::jsonb)`));
  });

  test("leasing, extending and committing", async () => {
    const shape = shapeOfWork(reactors);
    let leased: { token: string; streams: { user_id: string; version: number; behind: number }[] };
    expectNoScan(
      await explained(async (sql) => {
        const [row] = await sql`select flywheel.lease(${shape})`;
        leased = row!.lease;
      }),
    );
    expect(leased!.streams.length).toBeGreaterThan(50);
    const ids = leased!.streams.map(({ user_id }) => user_id);
    expectNoScan(await explained((sql) => sql`select flywheel.extend(${leased!.token}, ${ids})`));
    const results = leased!.streams.map(({ user_id, version, behind }) => ({
      user_id,
      version: version + behind,
      state: {},
      wake_at: null,
      failed: false,
    }));
    const effects = {
      set_aside: [{ user_id: ids[0], version: 6, error: "it hurts" }],
      nudge: ids.map((user_id) => ({
        user_id,
        effect_id: crypto.randomUUID(),
        nudge_type: "t",
        app_source: "cv",
        target_app: "cv",
        variant: "default",
        title: "t",
        message: "m",
        cta_label: "c",
        cta_url: "u",
        at: Date.now(),
        expires_at: Date.now() + 1000,
      })),
    };
    expectNoScan(
      await explained((sql) =>
        sql`
          select flywheel.commit(
            ${leased!.token}, ${shape}, ${JSON.stringify(results)}::text::jsonb, ${
          JSON.stringify(effects)
        }::text::jsonb
          )
        `
      ),
    );
  });

  test("looking for work where there is none but timers to come", async () => {
    const seen = await explained(async (sql) => {
      await sql`select flywheel.lease('')`;
      await sql`update flywheel.streams set available_at = null where available_at <= now() + interval '1 hour'`;
      await sql`select flywheel.lease('')`;
      await sql`select flywheel.enter()`;
      await sql`select flywheel.stay(gen_random_uuid())`;
      await sql`select flywheel.leave(gen_random_uuid(), 0)`;
    });
    expectNoScan(seen);
  });

  test("pruning and rewinding", async () => {
    expectNoScan(await explained((sql) => sql`select flywheel.tend()`));
    await base
      .admin`update flywheel.fingerprints set seen_at = now() - interval '1 hour' where user_id < ${
      userOf(200)
    }`;
    await base.admin`update flywheel.pruning set pruned_at = '-infinity'`;
    expectNoScan(await explained((sql) => sql`select flywheel.tend()`));
    expectNoScan(await explained((sql) => sql`select flywheel.reprocess(${userOf(3000)})`));
    await base.admin`insert into flywheel.replays (only_failed) values (false)`;
    expectNoScan(await explained((sql) => sql`select flywheel.rewind()`));
  });

  test("reading a stream and listing nudges", async () => {
    const user = userOf(5000);
    expectNoScan(
      await explained(async (sql) => {
        await sql`select * from flywheel.read_stream(${user}, 2, false, 10)`;
        await sql`select * from flywheel.read_stream(${user}, null, true, 10)`;
        await sql`select * from public.phoenix_events where user_id = ${user} and version < 4 order by version desc limit 3`;
        await sql`
          select * from public.phoenix_nudges_sent
          where user_id = ${user}
            and shown_at is null and clicked_at is null and dismissed_at is null and cancelled_at is null
            and expires_at > now()
          order by sent_at
        `;
      }),
    );
  });

  test("delivering, polling and a transition's steps", async () => {
    const [transition] = await base.admin`
      select user_id, transition_id from public.phoenix_transitions where user_id = ${userOf(16)}
    `;
    const { transition_id } = transition!;
    expectNoScan(
      await explained(async (sql) => {
        const [row] = await sql`select flywheel.lease_deliveries() as leased`;
        const { deliveries } = row!.leased;
        expect(deliveries.length).toBeGreaterThan(1);
        await sql`select flywheel.mark_published(${JSON.stringify(deliveries)}::text::jsonb)`;
        const [{ user_id, delivery_id }] = deliveries;
        await sql`select flywheel.fail_delivery(${user_id}, ${delivery_id}, 'no answer')`;
        await sql`select flywheel.answer_delivery(${user_id}, ${delivery_id}, 'accepted', null)`;
        await sql`select flywheel.step_transition(null, ${transition_id}, 'accepted', null)`;
        await sql`select flywheel.request_transition(${user_id}, 'aube', 'cv', '{}', '1 day')`;
        await sql`
          select * from public.phoenix_transitions
          where target_app = 'cv' and status = 'requested'
          order by requested_at desc, transition_id desc
          limit 50
        `;
        await sql`
          select * from public.phoenix_transitions
          where user_id = ${user_id}
          order by requested_at desc, transition_id desc
          limit 50
        `;
      }),
    );
  });

  test("a step of a nudge, the queue's status, an erasure", async () => {
    const [nudge] = await base.admin`
      select user_id, nudge_id from public.phoenix_nudges_sent where user_id = ${userOf(6000)}
    `;
    expectNoScan(
      await explained((sql) =>
        sql`select * from flywheel.mark_nudge(${nudge!.user_id}, ${nudge!.nudge_id}, 'clicked')`
      ),
    );
    // It counts what stands in a partial index, which holds no more than what is under way.
    const status = scansIn(await explained((sql) => sql`select flywheel.queue_status()`));
    expect(status.filter((scan) => scan.startsWith("Seq Scan"))).toEqual([]);
    expectNoScan(
      await explained((sql) => sql`select flywheel.erase_user(${userOf(7000)}, 'a test')`),
    );
  });
});
