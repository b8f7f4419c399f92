import postgres from "postgres";
import { processQueue } from "../../shared/flywheel/process.ts";
import { createPublisher } from "../../shared/flywheel/publish.ts";
import type { Database } from "../../shared/platform/database.ts";
import { untilEmpty } from "./drain.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, type Measure } from "./harness/measure.ts";
import { withSettings } from "./harness/with-settings.ts";
import { batches, newEvents, newUsers, type PublishedEvent } from "./harness/workload.ts";

/** What an event takes: bytes written ahead, bytes kept, and statements. */
export const footprint: Suite = {
  name: "footprint",
  measures: [],
  async measure(bench) {
    bench.progress("footprint");
    await bench.reset();
    const measures = [...await measureBytes(bench), ...await measureStatements(bench)];
    await bench.reset();
    return measures;
  },
};

async function measureBytes(bench: Bench): Promise<Measure[]> {
  const { admin, sizes: { events, users, batch } } = bench;
  const bodies = batches(newEvents(events, newUsers(users)), batch);
  const published = await walOf(bench, async () => {
    for (const body of bodies) await publish(admin, body);
  });
  const drained = await walOf(bench, () => drain(bench, admin));
  const [kept] = await admin<{ log: number; store: number }[]>`
    select
      pg_total_relation_size('public.phoenix_events')::float8 as log,
      (
        select sum(pg_total_relation_size(c.oid))::float8
        from pg_class as c
        where c.relkind = 'r' and c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
      ) as store
  `;
  return [
    figure("publish_wal", published / events, "bytes/event", "lower"),
    figure("drain_wal", drained / events, "bytes/event", "lower"),
    figure("phoenix_events_size", kept!.log / events, "bytes/event", "lower"),
    figure("store_size", kept!.store / events, "bytes/event", "lower"),
  ];
}

/** Bytes that a piece of work writes ahead. */
async function walOf({ admin }: Bench, work: () => Promise<unknown>): Promise<number> {
  const [before] = await admin<{ at: string }[]>`select pg_current_wal_insert_lsn()::text as at`;
  await work();
  const [after] = await admin<{ bytes: number }[]>`
    select (pg_current_wal_insert_lsn() - ${before!.at}::pg_lsn)::float8 as bytes
  `;
  return after!.bytes;
}

/**
 * Statements a batch: those that are sent, each a round trip, and those that run inside the database's functions. How many events
 * there are must not matter.
 */
async function measureStatements(bench: Bench): Promise<Measure[]> {
  const counts = { sent: 0, run: 0 };
  await using stack = new AsyncDisposableStack();
  const database = postgres(bench.stack.env.SUPERUSER_DB_URL, {
    max: 1,
    debug: () => counts.sent++,
    // auto_explain tells of each statement, those within functions included.
    onnotice: ({ message }) => counts.run += message?.startsWith("duration:") ? 1 : 0,
  });
  stack.defer(() => database.end());
  await database`load 'auto_explain'`;
  await database.unsafe(`
    set auto_explain.log_level = notice;
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_nested_statements = on;
  `);
  const counted = async (work: () => Promise<unknown>) => {
    const before = { ...counts };
    await work();
    return { sent: counts.sent - before.sent, run: counts.run - before.run };
  };

  // Nothing rings: a ring is rare, and would count here or there.
  return await withSettings(bench, { ...untilEmpty, ring_interval: "10 seconds" }, async () => {
    const [settings] = await bench.admin<{ lease_users: number }[]>`
      select lease_users from flywheel.settings
    `;
    const backlog = (leases: number) =>
      publish(
        database,
        newUsers(leases * settings!.lease_users).flatMap((user) => newEvents(1, [user])),
      );
    await publish(database, newEvents(1, newUsers(1)));
    await drain(bench, database);
    const one = await counted(() => publish(database, newEvents(1, newUsers(1))));
    const many = await counted(() => publish(database, newEvents(500, newUsers(100))));
    await drain(bench, database);
    await backlog(1);
    const single = await counted(() => drain(bench, database));
    await backlog(2);
    const double = await counted(() => drain(bench, database));
    return [
      figure("publish_one_statements", one.run, "statements/batch", "lower"),
      figure("publish_statements", many.run, "statements/batch", "lower"),
      figure("publish_round_trips", many.sent, "queries/batch", "lower"),
      figure("drain_statements", double.run - single.run, "statements/batch", "lower"),
      figure("drain_round_trips", double.sent - single.sent, "queries/batch", "lower"),
    ];
  });
}

function publish(database: Database, events: PublishedEvent[]): Promise<unknown> {
  const value = { events };
  return createPublisher(database)({ text: JSON.stringify(value), value }, undefined);
}

function drain(bench: Bench, database: Database): Promise<unknown> {
  return withSettings(bench, untilEmpty, () => processQueue(database, { log: () => {} }));
}
