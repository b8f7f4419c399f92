import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { processQueue } from "../../shared/flywheel/process.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, nudgeAt, publish, storyOf } from "../support/flywheel.ts";
import { isSoak } from "../support/soak.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
  await base.admin`
    update flywheel.settings set linger = '0', max_workers = 64, lease_users = 10, replay_users = 5, prune_interval = '0'
  `;
});
afterAll(() => base[Symbol.asyncDispose]());

const seconds = isSoak ? 60 : 12;

test(
  "16 publishers, 8 workers and a replay on 50 users never deadlock, and nothing is lost or twice",
  async () => {
    const users = Array.from({ length: 50 }, () => crypto.randomUUID());
    const until = performance.now() + seconds * 1000;
    const accepted = new Map(users.map((user) => [user, 0]));
    const random = (below: number) => Math.floor(Math.random() * below);

    const publishers = Array.from({ length: 16 }, async (_, by) => {
      const own = base.connect();
      for (let n = 0; performance.now() < until; n++) {
        // Users in any order, some twice; every fifth batch has two events of one id, which go one by one.
        const chosen = Array.from({ length: 1 + random(20) }, () => users[random(50)]!);
        const events = chosen.map((user, place) => event(user, { payload: { by, n, place } }));
        if (n % 5 === 0) {
          const event_id = crypto.randomUUID();
          events.push({ ...events[0]!, event_id, payload: { by, n, place: "first" } });
          events.unshift({ ...events.at(-1)! });
          chosen.push(chosen[0]!);
          chosen.unshift(chosen[0]!);
        }
        const { results } = await publish(own, events);
        results.forEach(({ status }, place) => {
          const user = chosen[place]!;
          if (status === "accepted") accepted.set(user, accepted.get(user)! + 1);
        });
      }
    });
    const workers = Array.from({ length: 8 }, async () => {
      const own = base.connect();
      while (performance.now() < until) {
        await processQueue(own, { log: () => {}, reactors: [counts] });
      }
    });
    const operator = (async () => {
      while (performance.now() < until) {
        await base.admin`select flywheel.reprocess()`;
        await base
          .admin`update flywheel.fingerprints set seen_at = seen_at - interval '1 hour' where random() < 0.1`;
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    })();
    await Promise.all([...publishers, ...workers, operator]);
    await drain(base.connect(), [counts]);

    const [row] = await base.superuser`
    select deadlocks::int from pg_stat_database where datname = current_database()
  `;
    expect(row!.deadlocks).toBe(0);
    let total = 0;
    for (const user of users) {
      const { version, processed, state, events, causes } = await storyOf(base.admin, user);
      expect(version).toBe(accepted.get(user));
      expect(events.map((each) => each.version)).toEqual(events.map((_, place) => place + 1));
      expect({ processed, state }).toEqual({
        processed: version,
        state: { counting: { count: version } },
      });
      expect(causes.toSorted()).toEqual(events.map(({ event_id }) => event_id).toSorted());
      total += version;
    }
    expect(total, "there was something to fight over").toBeGreaterThan(seconds * 100);
  },
  (seconds + 60) * 1000,
);

/** Counts alone, since a list of versions would grow with every event. */
const counts: Reactor = {
  name: "counting",
  version: 1,
  initial: { count: 0 },
  react: (state, { received_at }) => ({
    state: { count: (state as { count: number }).count + 1 },
    effects: [nudgeAt(received_at)],
  }),
};
