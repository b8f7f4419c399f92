import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, oneWorker, publish } from "../support/flywheel.ts";
import { workerClock } from "../support/worker-clock.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
  await base.admin`update flywheel.settings set linger = '0', prune_rows = 40`;
});
afterAll(() => base[Symbol.asyncDispose]());

/** Publishes 100 events without and 10 with a time, all of them older than the window, and 5 of just now. */
async function fill(): Promise<void> {
  const user = crypto.randomUUID();
  const sent = (from: number, count: number, more = {}) =>
    Array.from({ length: count }, (_, n) => event(user, { payload: { n: from + n }, ...more }));
  const database = base.connect();
  await publish(database, [
    ...sent(0, 100),
    ...sent(100, 10, { timestamp: "2025-03-01T10:00:00Z" }),
  ]);
  await base.admin`update flywheel.fingerprints set seen_at = seen_at - interval '5 minutes'`;
  await publish(database, sent(200, 5));
}

async function remembered(): Promise<number> {
  const [row] = await base.admin<{ count: number }[]>`
    select count(*)::int as count from flywheel.fingerprints
  `;
  return row!.count;
}

test("pruning deletes, in bounded pieces, what is older than the window and counts no more", async () => {
  await fill();
  const pieces: number[] = [];
  for (let pruned = -1; pruned !== 0;) {
    [{ pruned }] = await base.admin`select flywheel.prune() as pruned` as [{ pruned: number }];
    pieces.push(pruned);
  }
  expect(pieces).toEqual([40, 40, 20, 0]);
  expect(await remembered()).toBe(5);
});

test("a worker prunes when nothing is due, at most once in the interval", async () => {
  await base.admin`delete from flywheel.fingerprints`;
  await base.admin`update flywheel.pruning set pruned_at = '-infinity'`;
  await fill();
  const database = base.connect();
  await drain(database, []);
  expect(await remembered()).toBe(5);

  await base.admin`update flywheel.fingerprints set seen_at = seen_at - interval '5 minutes'`;
  await drain(database, []);
  expect(await remembered()).toBe(5);

  await base.admin`update flywheel.pruning set pruned_at = pruned_at - interval '1 minute'`;
  await drain(database, []);
  expect(await remembered()).toBe(0);
});

test("a worker whose time is over while something is still due has pruned a piece all the same", async () => {
  await base.admin`delete from flywheel.fingerprints`;
  await fill();
  await base.admin`update flywheel.pruning set pruned_at = '-infinity'`;
  using clock = workerClock();
  let folded = 0;
  const long: Reactor = {
    name: "long",
    version: 1,
    initial: {},
    react(state) {
      folded++;
      clock.advance(3_600_000);
      return { state };
    },
  };
  await oneWorker(base.connect(), [long]);
  expect(folded).toBeGreaterThan(0);
  expect(await remembered()).toBe(105 - 40);
});

test("pruning waits for nobody, and publications do not wait for it", async () => {
  await fill();
  await base.admin`update flywheel.pruning set pruned_at = '-infinity'`;
  const database = base.connect();
  const user = crypto.randomUUID();
  await base.admin.begin(async (sql) => {
    await sql`select flywheel.prune()`;
    const [row] = await database<{ pruned: number }[]>`
      select set_config('lock_timeout', '2s', true), flywheel.tend() as pruned
    `;
    expect(row!.pruned, "another worker is at it").toBe(false);
    await publish(database, event(user));
  });
});
