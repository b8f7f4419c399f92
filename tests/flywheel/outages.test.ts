/** What becomes of users where it is not their events that are to blame. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { counting, drain, event, pass, publish, storyOf } from "../support/flywheel.ts";
import { workerClock } from "../support/worker-clock.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

beforeEach(() =>
  base.admin`
    update flywheel.settings set linger = '0', max_attempts = 4, lease_users = 100, backoff_base = '10 seconds'
  `
);

async function newUsers(count: number): Promise<string[]> {
  const users = Array.from({ length: count }, () => crypto.randomUUID());
  await publish(database, users.map((user) => event(user)));
  return users;
}

test.each([
  ["53100", "flywheel.states"],
  ["57014", "flywheel.states"],
  ["XX000", "flywheel.states"],
  // Where only its effects cannot be written, an event is to blame, but for such codes.
  ["53100", "public.phoenix_nudges_sent"],
  ["57014", "public.phoenix_nudges_sent"],
  ["55P03", "public.phoenix_nudges_sent"],
  ["40001", "public.phoenix_nudges_sent"],
  ["40P01", "public.phoenix_nudges_sent"],
  ["58030", "public.phoenix_nudges_sent"],
])(
  "a worker that cannot commit, as for an error %s in %s, uses up nobody's attempts, and all is folded once the cause is gone",
  async (code, table) => {
    await base.admin.unsafe(`
      create function flywheel.outage() returns trigger language plpgsql as $$
      begin
        raise exception 'an outage' using errcode = '${code}';
      end
      $$;
      create trigger outage before insert on ${table} for each statement execute function flywheel.outage();
    `);
    // More users than a lease takes, so that the worker has leased the next ones ahead.
    await base.admin`update flywheel.settings set lease_users = 2`;
    const users = await newUsers(5);
    const isDue = async () =>
      (await base.admin`select from flywheel.streams where available_at <= now() limit 1`).length >
        0;
    for (let round = 0; round < 6; round++) {
      while (await isDue()) {
        await expect(drain(database, [counting])).rejects.toMatchObject({ code });
      }
      await pass(base.admin, "1 hour");
    }
    await base.admin`drop function flywheel.outage() cascade`;
    await drain(database, [counting]);
    const stories = await Promise.all(users.map((user) => storyOf(base.admin, user)));
    expect(stories.map(({ processed }) => processed)).toEqual(users.map(() => 1));
    expect(stories.flatMap(({ events }) => events).filter((each) => each.ai_processing_error))
      .toEqual([]);
  },
);

test("a worker that fails at what it does beside its work puts nobody off for long", async () => {
  await base.admin`alter function flywheel.merge_rollups() rename to missing`;
  await base.admin`update flywheel.settings set lease_users = 2`;
  const users = await newUsers(5);
  using clock = workerClock();
  const slow: Reactor = {
    name: "slow",
    version: 1,
    initial: {},
    react(state) {
      clock.advance(600);
      return { state };
    },
  };
  try {
    await expect(drain(database, [slow])).rejects.toMatchObject({ code: "42883" });
  } finally {
    await base.admin`alter function flywheel.missing() rename to merge_rollups`;
  }
  const [row] = await base.admin`
    select max(attempts) as attempts, max(available_at) < now() + interval '30 seconds' as is_soon
    from flywheel.streams where user_id = any (${users}) and lease_token is not null
  `;
  expect(row).toEqual({ attempts: 1, is_soon: true });
});
