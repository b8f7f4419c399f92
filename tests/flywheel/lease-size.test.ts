import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { shapeOf } from "../../shared/domain/fold.ts";
import { lease, readStream } from "../../shared/flywheel/lease.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { counting, drain, event, pass, publish, storyOf } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());
beforeEach(() => base.admin`update flywheel.settings set linger = '0', lease_bytes = 16384`);

/** Leases a new user with these payloads: returns how many events were leased, and the user's story once all are folded. */
async function leasedOf(payloads: readonly Record<string, unknown>[]) {
  const user = crypto.randomUUID();
  for (const payload of payloads) await publish(database, event(user, { payload }));
  const leased = await lease(database, shapeOf([counting]));
  const stream = readStream(leased!.streams[0]!);
  expect(stream).toMatchObject({ user_id: user, behind: payloads.length });
  // A worker that does not come back.
  await pass(base.admin, "1 minute");
  await drain(database, [counting]);
  return { leased: stream.events.length, story: await storyOf(base.admin, user) };
}

describe("A lease, which has to fit into one function's memory,", () => {
  test("takes small events by their number", async () => {
    const { leased } = await leasedOf(Array.from({ length: 100 }, (_, n) => ({ n })));
    expect(leased).toBe(100);
  });

  test("takes ever fewer events of a backlog at which workers die", async () => {
    const user = crypto.randomUUID();
    await publish(database, Array.from({ length: 100 }, (_, n) => event(user, { payload: { n } })));
    const sizes: number[] = [];
    for (let worker = 0; worker < 4; worker++) {
      const leased = await lease(database, shapeOf([counting]));
      sizes.push(readStream(leased!.streams[0]!).events.length);
      await pass(base.admin, "1 minute");
    }
    expect(sizes).toEqual([100, 12, 1, 1]);
    await drain(database, [counting]);
  });

  test("takes few large events at once, and the others after them", async () => {
    const large = () => ({ text: randomBytes(4_500).toString("base64") });
    const { leased, story } = await leasedOf(Array.from({ length: 9 }, large));
    expect(leased).toBe(3);
    expect(story).toMatchObject({ processed: 9, state: { counting: { count: 9 } } });
  });

  test("takes one event however large it is", async () => {
    const huge = () => ({ text: randomBytes(700_000).toString("base64") });
    const { leased, story } = await leasedOf([huge(), huge()]);
    expect(leased).toBe(1);
    expect(story).toMatchObject({ processed: 2, state: { counting: { count: 2 } } });
  });

  test.each([
    ["however long it is", "x".repeat(1_000_000)],
    ["so small that it looks like others", "x".repeat(100_000)],
    ["and longer still as text", "\u0001".repeat(150_000)],
  ])("is not deceived by what is small only while it is compressed, %s", async (_, text) => {
    await base.admin`update flywheel.settings set lease_bytes = 4096`;
    const { leased, story } = await leasedOf(Array.from({ length: 8 }, (_, n) => ({ n, text })));
    expect(leased).toBeLessThan(5);
    expect(story).toMatchObject({ processed: 8, state: { counting: { count: 8 } } });
  });

  test("takes no more users than fit, and leaves the others as they were", async () => {
    const users = Array.from({ length: 45 }, () => crypto.randomUUID());
    const payload = { text: "\u0001".repeat(150_000) };
    for (const user of users) await publish(database, event(user, { payload }));
    const leased = await lease(database, shapeOf([counting]));
    const characters = leased!.streams.reduce((sum, { length }) => sum + length, 0);
    expect(characters).toBeGreaterThan(30 * 1024 * 1024);
    expect(characters).toBeLessThan(32 * 1024 * 1024);
    const taken = leased!.streams.map((text) => readStream(text).user_id);
    expect(new Set(leased!.users)).toEqual(new Set(taken));
    const others = users.filter((user) => !taken.includes(user));
    const [left] = await base.admin`
      select
        count(*)::int as users, max(attempts) as attempts, bool_and(available_at <= now()) as are_due,
        bool_or(lease_token is not null) as is_leased
      from flywheel.streams where user_id = any (${others})
    `;
    expect(left).toEqual({ users: others.length, attempts: 0, are_due: true, is_leased: false });
    await pass(base.admin, "1 minute");
    expect((await drain(database, [counting])).processed).toBe(45);
  });
});
