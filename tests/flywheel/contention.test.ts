import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { reactors as everyReactor } from "../../shared/domain/reactors/all.ts";
import { markNudge, pendingNudges } from "../../shared/flywheel/nudges.ts";
import {
  requestTransition,
  stepTransition,
  transitionRequest,
} from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
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
const users = Array.from({ length: 50 }, () => crypto.randomUUID());

/** Counts alone: a list of versions would grow with every event. */
const tally: Reactor<{ count: number }> = {
  name: "tally",
  version: 1,
  initial: { count: 0 },
  react: ({ count }, { received_at }) => ({
    state: { count: count + 1 },
    effects: [nudgeAt(received_at)],
  }),
};
const reactors: readonly Reactor[] = [...everyReactor, tally as Reactor];

const happenings = [
  { event_type: "test.happened", app_source: "website" },
  { event_type: "letter.generated", app_source: "letters" },
  { event_type: "cv.uploaded", app_source: "cv" },
  { event_type: "exploration_commencée", app_source: "aube" },
];

const random = (below: number) => Math.floor(Math.random() * below);
const anyOf = <T>(list: readonly T[]): T => list[random(list.length)]!;
let until = 0;
const isTime = () => performance.now() < until;

/** Batches of users in any order, some twice; in every fifth an event comes twice under one id, so that it goes one by one. */
async function publishAll(database: Database, by: number): Promise<number> {
  let accepted = 0;
  for (let n = 0; isTime(); n++) {
    const events = Array.from(
      { length: 1 + random(20) },
      (_, place) => event(anyOf(users), { ...anyOf(happenings), payload: { by, n, place } }),
    );
    if (n % 5 === 0) {
      const twice = event(anyOf(users), { event_id: crypto.randomUUID(), payload: { by, n } });
      events.unshift(twice);
      events.push(twice);
    }
    const answer = await publish(database, events);
    expect(answer.rejected).toBe(0);
    accepted += answer.accepted;
  }
  return accepted;
}

/** Follows nudges and asks for transitions, as apps do. */
async function beAnApp(database: Database): Promise<void> {
  const request = transitionRequest.parse({ target_app: "letters" });
  while (isTime()) {
    const user = anyOf(users);
    const [nudge] = await pendingNudges(database, user);
    if (nudge) await markNudge(database, user, nudge.nudge_id, "clicked");
    const { transition_id } = await requestTransition(database, user, request);
    await stepTransition(database, user, transition_id, "accepted", undefined);
  }
}

/** Has everybody folded anew again and again, old fingerprints pruned, and waits shortened. */
async function operate(): Promise<void> {
  while (isTime()) {
    await base.admin`select flywheel.reprocess()`;
    // Without waiting for anybody: this test's own update must not be what deadlocks.
    await base.admin`
      update flywheel.fingerprints as f set seen_at = f.seen_at - interval '1 hour'
      from (
        select o.user_id, o.fingerprint from flywheel.fingerprints as o where random() < 0.1
        for no key update skip locked
      ) as old
      where f.user_id = old.user_id and f.fingerprint = old.fingerprint
    `;
    for (const longest of ["30 seconds", "10 minutes"]) {
      await base.admin`
        update flywheel.settings set lease_time = '30 seconds', backoff_max = ${longest}
      `;
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

test(
  "16 publishers, 8 workers, an app and an operator on 50 users never deadlock, and nothing is lost or written twice",
  async () => {
    until = performance.now() + seconds * 1000;
    const publishing = Array.from({ length: 16 }, (_, by) => publishAll(base.connect(), by));
    const working = Array.from({ length: 8 }, async () => {
      const own = base.connect();
      while (isTime()) await drain(own, reactors);
    });
    await Promise.all([...working, beAnApp(base.connect()), operate()]);
    const accepted = (await Promise.all(publishing)).reduce((sum, count) => sum + count, 0);
    await drain(base.connect(), reactors);

    const [row] = await base.superuser`
    select deadlocks::int from pg_stat_database where datname = current_database()
  `;
    expect(row!.deadlocks).toBe(0);
    let published = 0;
    for (const user of users) {
      const { version, processed, attempts, state, events } = await storyOf(base.admin, user);
      expect(events.map((each) => each.version)).toEqual(events.map((_, place) => place + 1));
      expect(events.filter((each) => each.ai_processing_error !== null)).toEqual([]);
      expect({ version, processed, attempts }).toEqual({
        version: events.length,
        processed: events.length,
        attempts: 0,
      });
      expect(state.tally).toEqual({ count: events.length });
      const effects = await base.admin`
      select causation_id from public.phoenix_nudges_sent
      where user_id = ${user} and nudge_type = 'cv_to_letters' and causation_id is not null
    `;
      expect(effects.map(({ causation_id }) => causation_id).sort())
        .toEqual(events.map(({ event_id }) => event_id).sort());
      published += events.filter(({ app_source }) => app_source !== "flywheel").length;
    }
    expect(published).toBe(accepted);
    expect(accepted, "there was something to fight over").toBeGreaterThan(seconds * 50);
  },
  (seconds + 60) * 1000,
);
