import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { processQueue } from "../../shared/flywheel/process.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { alarm, drain, event, pass, publish, storyOf } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base
    .admin`update flywheel.settings set linger = '0', backoff_base = '10 seconds', max_attempts = 3`;
});
afterAll(() => base[Symbol.asyncDispose]());

const reactors: readonly Reactor[] = [alarm as Reactor];
const shape = shapeOfWork(reactors);

beforeEach(() => drain(database, reactors));

const set = (user: string, delay: number | "never") =>
  publish(database, event(user, { payload: { delay } }));
const hour = 3_600_000;

/** As if a user's story had begun two hours earlier: what is due in an hour is overdue by one. */
async function travel(user: string): Promise<void> {
  await base.admin.begin(async (sql) => {
    await sql`update public.phoenix_events set received_at = received_at - interval '2 hours' where user_id = ${user}`;
    await sql`
      update flywheel.streams
      set available_at = available_at - interval '2 hours', wake_at = wake_at - interval '2 hours'
      where user_id = ${user}
    `;
    await sql`
      update flywheel.states
      set state = jsonb_set(
        state::jsonb, '{alarm,due}', to_jsonb((state #>> '{alarm,due}')::bigint - ${
      2 * hour
    }::bigint)
      )
      where user_id = ${user} and state #> '{alarm,due}' is not null
    `;
  });
}

async function ringsOf(user: string) {
  const { state, causes } = await storyOf(base.admin, user);
  return {
    rang: (state.alarm as { rang: number[] } | undefined)?.rang.length ?? 0,
    nudges: causes.length,
  };
}

/** When a worker should look at a stream, in milliseconds after its last event was received; null for never. */
async function lookAfter(user: string): Promise<number | null> {
  const [row] = await base.admin<{ after: number | null }[]>`
    select round(extract(epoch from available_at - date_trunc('milliseconds', e.received_at)) * 1000)::float as after
    from flywheel.streams as s
    join public.phoenix_events as e on e.user_id = s.user_id and e.version = s.version
    where s.user_id = ${user}
  `;
  return row!.after;
}

describe("a timer", () => {
  test("stands on the stream, fires once when it is due, and not before", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, reactors);
    expect(await ringsOf(user)).toEqual({ rang: 0, nudges: 0 });
    expect(await lookAfter(user)).toBe(hour);
    await travel(user);
    for (let sweep = 0; sweep < 3; sweep++) await drain(database, reactors);
    expect(await ringsOf(user)).toEqual({ rang: 1, nudges: 1 });
    expect(await lookAfter(user), "nothing more to look at").toBeNull();
  });

  test("makes its effect at the time it was set for, however late the sweep comes", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, reactors);
    await travel(user);
    await drain(database, reactors);
    const [row] = await base.admin`
      select
        n.causation_id,
        round(extract(epoch from n.sent_at - date_trunc('milliseconds', e.received_at)) * 1000)::float as after
      from public.phoenix_nudges_sent as n join public.phoenix_events as e using (user_id)
      where user_id = ${user}
    `;
    expect(row).toEqual({ causation_id: null, after: hour });
  });

  test("fires even where nobody had folded its event when it came due", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await travel(user);
    await drain(database, reactors);
    expect(await ringsOf(user)).toEqual({ rang: 1, nudges: 1 });
  });

  test("comes before an event that was received after it was due, and after one that was received before", async () => {
    const [calledOff, tooLate] = [crypto.randomUUID(), crypto.randomUUID()];
    await set(calledOff, hour);
    await set(tooLate, hour);
    await travel(tooLate);
    await set(calledOff, "never");
    await set(tooLate, "never");
    await drain(database, reactors);
    expect(await ringsOf(calledOff)).toEqual({ rang: 0, nudges: 0 });
    expect(await ringsOf(tooLate)).toEqual({ rang: 1, nudges: 1 });
  });

  test("that was called off leaves nothing to look at", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, reactors);
    expect(await lookAfter(user)).toBe(hour);
    await set(user, "never");
    await drain(database, reactors);
    expect(await lookAfter(user)).toBeNull();
  });

  test.each([1, 2])("still stands when a publication of %i is a duplicate", async (count) => {
    const user = crypto.randomUUID();
    const publication = Array.from(
      { length: count },
      (_, n) => event(user, { payload: { delay: hour, n } }),
    );
    await publish(database, publication);
    await drain(database, reactors);
    expect(await publish(database, publication)).toMatchObject({ duplicates: count });
    expect(await lookAfter(user)).toBe(hour);
  });

  test("still stands when the short way of publishing finds a known event_id and its caller dies", async () => {
    const [user, event_id] = [crypto.randomUUID(), crypto.randomUUID()];
    const at = (minute: number) => `2026-03-01T10:0${minute}:00.000Z`;
    await publish(database, event(user, { event_id, timestamp: at(1), payload: { delay: hour } }));
    await drain(database, reactors);
    // Without what its caller would call then, which sets the stream right as well.
    const again = [[user, event_id, "test.happened", "website", {}, at(2)]];
    const [row] = await database`
      select flywheel.publish_timely(${JSON.stringify(again)}) as published
    `;
    expect(row!.published).toBe(false);
    expect(await lookAfter(user)).toBe(hour);
  });
});

describe("a timer survives", () => {
  test("a worker that dies at it, and that worker's late commit", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, reactors);
    await travel(user);
    const dead = (await lease(database, shape))!;
    expect(dead.users).toEqual([user]);
    await drain(database, reactors);
    expect(await ringsOf(user), "leased").toEqual({ rang: 0, nudges: 0 });
    await pass(base.admin, "1 hour");
    await drain(database, reactors);
    expect(await ringsOf(user)).toEqual({ rang: 1, nudges: 1 });
    const { committed } = await work(database, reactors, shape, dead);
    expect(committed.users).toEqual([]);
    expect(await ringsOf(user)).toEqual({ rang: 1, nudges: 1 });
  });

  test("a late commit that no other was ahead of: it counts", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, reactors);
    await travel(user);
    const late = (await lease(database, shape))!;
    await pass(base.admin, "1 hour");
    await work(database, reactors, shape, late);
    await drain(database, reactors);
    expect(await ringsOf(user)).toEqual({ rang: 1, nudges: 1 });
  });

  test("a replay, before and after it fired, and fires once", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, reactors);
    await database`select flywheel.reprocess(${user})`;
    await drain(database, reactors);
    expect(await lookAfter(user)).toBe(hour);
    await travel(user);
    await drain(database, reactors);
    const before = await storyOf(base.admin, user);
    for (let time = 0; time < 2; time++) {
      await database`select flywheel.reprocess(${user})`;
      await drain(database, reactors);
    }
    expect(await storyOf(base.admin, user)).toEqual(before);
    expect(before.causes).toHaveLength(1);
  });
});

describe("a timer that fails", () => {
  const broken: readonly Reactor[] = [{
    ...alarm,
    wake() {
      throw new Error("it hurts");
    },
  } as Reactor];

  test("is tried again, then set aside, and its user goes on at once from then on", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await drain(database, broken);
    await travel(user);
    for (let attempt = 1; attempt <= 3; attempt++) {
      const said: string[] = [];
      await processQueue(database, {
        log: (_, message, fields) => said.push(`${message}: ${fields?.reason}`),
        reactors: broken,
      });
      expect(said).toEqual([
        attempt < 3
          ? "an event or a timer failed: alarm: it hurts"
          : "a timer was set aside: alarm: it hurts",
      ]);
      await pass(base.admin, "1 hour");
    }
    expect(await lookAfter(user)).toBeNull();

    await set(user, "never");
    expect(await drain(database, broken)).toMatchObject({ processed: 1, failed: 0 });
  });

  test("rings after all when a replay comes once it is mended", async () => {
    const user = crypto.randomUUID();
    await set(user, hour);
    await travel(user);
    for (let attempt = 0; attempt < 4; attempt++) {
      await drain(database, broken);
      await pass(base.admin, "1 hour");
    }
    expect(await ringsOf(user)).toEqual({ rang: 0, nudges: 0 });
    await database`select flywheel.reprocess(${user})`;
    await drain(database, reactors);
    expect(await ringsOf(user)).toEqual({ rang: 1, nudges: 1 });
  });
});
