import postgres from "postgres";
import { processQueue } from "../../shared/flywheel/process.ts";
import { atWork, drain } from "./drain.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, type Measure } from "./harness/measure.ts";
import { newEvents, newStreams, newUsers, type PublishedEvent } from "./harness/workload.ts";
import { publish } from "./publish.ts";

/** What an event takes: bytes written ahead, bytes kept, and statements. */
export const footprint: Suite = {
  name: "footprint",
  measures: [],
  async measure(bench) {
    bench.progress("footprint");
    await bench.reset();
    const bytes = await measureBytes(bench);
    await bench.reset();
    const statements = await measureStatements(bench);
    await bench.reset();
    return [...bytes, ...statements];
  },
};

async function measureBytes(bench: Bench): Promise<Measure[]> {
  const { admin, sizes, stack } = bench;
  const walOf = async (work: () => Promise<unknown>) => {
    const [before] = await admin`select pg_current_wal_lsn() as at`;
    await work();
    const [row] = await admin<{ bytes: number }[]>`
      select (pg_current_wal_lsn() - ${before!.at}::pg_lsn)::float8 as bytes
    `;
    return row!.bytes / sizes.events;
  };
  const published = await walOf(() =>
    publish(bench, { ...sizes, url: stack.env.DB_URL, calls: "of many users" })
  );
  const drained = await walOf(() => drain(bench));
  const [kept] = await admin<{ log: number; all: number }[]>`
    select
      pg_total_relation_size('public.phoenix_events')::float8 as log,
      (
        select sum(pg_total_relation_size(c.oid))::float8
        from pg_class as c
        where c.relkind = 'r' and c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
      ) as all
  `;
  return [
    figure("publish_wal", published, "bytes/event", "lower"),
    figure("drain_wal", drained, "bytes/event", "lower"),
    figure(
      "phoenix_events_size",
      kept!.log / sizes.events,
      "bytes/event",
      "lower",
    ),
    figure("store_size", kept!.all / sizes.events, "bytes/event", "lower"),
  ];
}

/**
 * Statements a batch: those that are sent, each a round trip, and those that run inside the database's functions. The batch's
 * size must not matter.
 */
async function measureStatements(bench: Bench): Promise<Measure[]> {
  let sent = 0;
  let run = 0;
  const database = postgres(bench.stack.env.SUPERUSER_DB_URL, {
    max: 1,
    debug: () => sent++,
    // auto_explain tells of each statement, those within functions included.
    onnotice: ({ message }) => run += message?.startsWith("duration:") ? 1 : 0,
  });
  const counted = async (work: () => Promise<unknown>) => {
    sent = 0;
    run = 0;
    await work();
    return { sent, run };
  };
  const send = (events: PublishedEvent[]) =>
    database`select flywheel.publish(${JSON.stringify({ events })}::text::jsonb)`;
  const work = () => processQueue(database, { log: () => {} });
  const [settings] = await bench.admin<{ lease_users: number }[]>`
    select lease_users from flywheel.settings
  `;
  const backlog = async (batches: number) => {
    const users = newUsers(batches * settings!.lease_users);
    for (const user of users.values()) await send(newEvents(1, [user]));
  };
  try {
    await database`select pg_backend_pid()`;
    await database`load 'auto_explain'`;
    await database.unsafe(`
      set auto_explain.log_level = notice;
      set auto_explain.log_min_duration = 0;
      set auto_explain.log_nested_statements = on;
    `);
    // What the first calls do only once.
    await send(newEvents(1, newUsers(1)));
    const one = await counted(() => send(newEvents(1, newUsers(1))));
    const many = await counted(() => send(newStreams(1, newUsers(500)).flat()));
    await atWork(bench, work);
    await backlog(1);
    const single = await atWork(bench, () => counted(work));
    await backlog(2);
    const double = await atWork(bench, () => counted(work));
    return [
      figure("publish_one_statements", one.run, "statements/batch", "lower"),
      figure("publish_statements", many.run, "statements/batch", "lower"),
      figure("publish_round_trips", many.sent, "queries/batch", "lower"),
      figure(
        "drain_statements",
        double.run - single.run,
        "statements/batch",
        "lower",
      ),
      figure(
        "drain_round_trips",
        double.sent - single.sent,
        "queries/batch",
        "lower",
      ),
    ];
  } finally {
    await database.end();
  }
}
