import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { lease, readStream } from "../../shared/flywheel/lease.ts";
import { queueStatus } from "../../shared/flywheel/queue.ts";
import { reprocess, reprocessRequest } from "../../shared/flywheel/replay.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import {
  counting,
  drain,
  event,
  foldingOf,
  nudgeAt,
  pass,
  publish,
  storyOf,
} from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

beforeEach(async () => {
  await base.admin`
    update flywheel.settings set linger = '0', max_attempts = 4, lease_users = 100, backoff_base = '10 seconds'
  `;
  await drain(database, [counting]);
});

/** A reactor that does something odd at an event whose payload says `odd`, and sees nothing otherwise. */
function stumbling(odd: (at: number) => unknown): Reactor {
  return {
    name: "stumbling",
    version: 1,
    initial: {},
    react: (state, { payload, received_at }) =>
      (payload as { odd?: boolean }).odd ? odd(received_at) as never : { state },
  };
}

const throwing = stumbling(() => {
  throw new Error("it hurts");
});

/** A user with a sound event, an odd one and another sound one. */
async function oddUser(): Promise<string> {
  const user = crypto.randomUUID();
  await publish(database, [
    event(user, { payload: { n: 1 } }),
    event(user, { payload: { n: 2, odd: true } }),
    event(user, { payload: { n: 3 } }),
  ]);
  return user;
}

async function soundUsers(count: number): Promise<string[]> {
  const users = Array.from({ length: count }, () => crypto.randomUUID());
  await publish(database, users.map((user) => event(user)));
  return users;
}

/** Drains until everything is folded or set aside, as if each wait were over at once. */
async function drainThroughWaits(reactors: readonly Reactor[]): Promise<void> {
  for (let run = 0; run < 20; run++) {
    await drain(database, reactors);
    await pass(base.admin, "1 hour");
  }
}

describe("an event at which a reactor throws", () => {
  test("waits longer after each attempt, within the jitter, and then is set aside", async () => {
    const user = await oddUser();
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 4; attempt++) {
      const { failed } = await drain(database, [counting, throwing]);
      expect(failed).toBe(1);
      const [stream] = await base.admin<{ wait: number | null; processed: number }[]>`
        select
          extract(epoch from available_at - clock_timestamp())::float as wait,
          processed_version::int as processed
        from flywheel.streams where user_id = ${user}
      `;
      if (attempt < 4) expect(stream!.processed, "what came before is kept").toBe(1);
      else expect(stream!).toEqual({ wait: null, processed: 3 });
      if (stream!.wait !== null) waits.push(stream!.wait);
      await pass(base.admin, "1 hour");
    }
    expect(waits).toHaveLength(3);
    waits.forEach((wait, index) => {
      const whole = 10 * 2 ** index;
      expect(wait).toBeLessThanOrEqual(whole);
      // The jitter's 20 %, and a slow machine's time between the commit and the look.
      expect(wait).toBeGreaterThan(whole * 0.8 - 5);
    });
  });

  test("does not lose the other reactors' effects, and the user goes on", async () => {
    const user = await oddUser();
    await drainThroughWaits([throwing, counting]);
    const story = await storyOf(base.admin, user);
    expect(story).toMatchObject({
      processed: 3,
      attempts: 0,
      state: { counting: { count: 3, versions: [1, 2, 3] } },
      events: [
        { ai_processing_error: null },
        { ai_processing_error: "stumbling: it hurts" },
        { ai_processing_error: null },
      ],
    });
    expect(new Set(story.causes)).toEqual(new Set(story.events.map(({ event_id }) => event_id)));
    expect(story.causes).toHaveLength(3);
  });

  test("keeps nobody else waiting", async () => {
    await oddUser();
    const others = await soundUsers(20);
    await drain(database, [counting, throwing]);
    for (const other of others) {
      expect(await storyOf(base.admin, other)).toMatchObject({ processed: 1 });
    }
  });

  test("does not hurry because more events arrive, and these follow it in order", async () => {
    const user = await oddUser();
    await drain(database, [counting, throwing]);
    await publish(database, event(user, { payload: { n: 4 } }));
    await drain(database, [counting, throwing]);
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 1, attempts: 1 });
    await drainThroughWaits([counting, throwing]);
    expect(await storyOf(base.admin, user)).toMatchObject({
      processed: 4,
      state: { counting: { versions: [1, 2, 3, 4] } },
    });
  });

  test("is found by a query, counted by queue-status, and healed by a replay once the cause is gone", async () => {
    const before = await queueStatus(database);
    const [user, other] = [await oddUser(), await oddUser()];
    const [sound] = await soundUsers(1);
    await drainThroughWaits([counting, throwing]);
    const dead = await base.admin`
      select user_id, version::int from phoenix_events
      where ai_processing_error is not null and user_id in (${user}, ${other})
    `;
    expect(new Set(dead.map(({ user_id }) => user_id))).toEqual(new Set([user, other]));
    expect(dead.map(({ version }) => version)).toEqual([2, 2]);
    expect(await queueStatus(database)).toMatchObject({
      status: "idle",
      pending_events: 0,
      dead_letters: before.dead_letters + 2,
    });

    const fixed = [counting, stumbling((at) => ({ state: {}, effects: [nudgeAt(at)] }))];
    const request = reprocessRequest.parse({ only_failed: true });
    const { users } = await reprocess(database, request);
    expect(users).toBe(before.dead_letters + 2);
    expect(await queueStatus(database)).toMatchObject({ status: "backlogged" });
    await drain(database, fixed);
    expect(await queueStatus(database)).toMatchObject({ status: "idle", dead_letters: 0 });
    for (const healed of [user, other]) {
      const story = await storyOf(base.admin, healed);
      expect(story.events.map((each) => each.ai_processing_error)).toEqual([null, null, null]);
      expect(story.state).toMatchObject({ counting: { versions: [1, 2, 3] } });
      expect(story.causes, "both reactors make the same effect of it").toHaveLength(3);
    }
    expect(await storyOf(base.admin, sound!)).toMatchObject({ processed: 1 });
  });
});

describe("a reaction that cannot be written", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const refused = (at: number) => ({
    state: {},
    effects: [{ ...nudgeAt(at), nudge_type: "letters_to_cv", title: "Refusé" }],
  });
  // Random, so that no compression makes it fit into an index.
  const endless = Array.from({ length: 500 }, () => crypto.randomUUID()).join("");
  const tooLarge = (at: number) => ({
    state: {},
    effects: [{
      kind: "transition",
      source_app: "aube",
      target_app: endless,
      context: {},
      expires_at: at + 86_400_000,
    }],
  });
  const telling = (payload: Record<string, unknown>, event_type = "test.told") => ({
    state: {},
    effects: [{ kind: "event", event_type, app_source: "flywheel", payload, subject: "it" }],
  });

  beforeAll(() =>
    base.admin`
      alter table public.phoenix_nudges_sent add constraint refused_here check (title <> 'Refusé')
    `
  );

  test.each<[string, (at: number) => unknown, RegExp]>([
    ["nothing", () => undefined, /^stumbling: returned no reaction$/],
    ["a state that is undefined", () => ({ state: undefined }), /^stumbling: returned no state$/],
    ["a cycle", () => ({ state: cyclic }), /^stumbling: .*itself$/],
    ["a bigint", () => ({ state: { n: 1n } }), /^stumbling: .*bigint$/],
    ["half a character", () => ({ state: { text: "\ud83d" } }), /^stumbling: .*half a character$/],
    ["NUL", () => ({ state: { text: "\0" } }), /^stumbling: .*NUL$/],
    ["what throws when it is written", () => ({
      state: {
        toJSON() {
          throw new Error("not me");
        },
      },
    }), /^stumbling: .*function$/],
    ["NUL in a name", () => ({ state: { "a\0b": 1 } }), /^stumbling: .*NUL$/],
    ["NUL, deep within", () => ({ state: { a: [{ b: ["\0"] }] } }), /^stumbling: .*NUL$/],
    ["an event with a bigint", () => telling({ n: 1n }), /^stumbling: .*bigint$/],
    ["an event with a cycle", () => telling(cyclic), /^stumbling: .*itself$/],
    ["an event with NUL", () => telling({ text: "\0" }), /^stumbling: .*NUL$/],
    [
      "an event with half a character",
      () => telling({ text: "\ud83d" }),
      /^stumbling: .*half a character$/,
    ],
    ["an event whose type is no name", () => telling({}, 'a"b'), /^stumbling: .*event_type/s],
    ["an effect that the database refuses", refused, /violates check constraint/],
    ["an effect that is too large for the database", tooLarge, /^index row requires/],
  ])("fails its own event alone: %s", async (_, odd, error) => {
    const user = await oddUser();
    const others = await soundUsers(5);
    const reactors = [counting, stumbling(odd)];
    await drain(database, reactors);
    for (const other of others) {
      expect(await storyOf(base.admin, other)).toMatchObject({ processed: 1, attempts: 0 });
    }
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 1, attempts: 1 });

    await drainThroughWaits(reactors);
    const story = await storyOf(base.admin, user);
    expect(story.processed).toBe(3);
    expect(story.events.map((each) => each.ai_processing_error)).toEqual([
      null,
      expect.stringMatching(error),
      null,
    ]);
  });

  test("does not cost the other reactors' effects of that event, where it is the state that cannot be", async () => {
    const user = await oddUser();
    await drainThroughWaits([stumbling(() => ({ state: { n: 1n } })), counting]);
    const story = await storyOf(base.admin, user);
    expect(story.state).toMatchObject({ counting: { versions: [1, 2, 3] } });
    expect(story.causes).toHaveLength(3);
  });
});

test("a nudge that two reactors make alike of one event is written once, and so is its cancellation", async () => {
  const user = crypto.randomUUID();
  await publish(database, event(user));
  const twin = { ...counting, name: "twin" };
  const idOf = foldingOf(user).idOf;
  const ending: Reactor = {
    name: "ending",
    version: 1,
    initial: {},
    react: (state, { event_id, received_at }) => {
      const cause = { event_id, correlation_id: null, at: received_at };
      const nudge_id = idOf(cause, nudgeAt(received_at));
      return { state, effects: [{ kind: "nudge_change", nudge_id, change: "cancelled" }] };
    },
  };
  const done = await drain(database, [counting as Reactor, twin as Reactor, ending]);
  expect(done).toMatchObject({ processed: 1, nudges: 1, failed: 0 });
  const nudges = await base.admin`
    select status from public.phoenix_nudges_sent where user_id = ${user}
  `;
  expect([...nudges]).toEqual([{ status: "cancelled" }]);
});

test("a payload that the catalogue refuses, published past it, is set aside at once, with what is wrong", async () => {
  const user = crypto.randomUUID();
  const events = [
    { user_id: user, event_type: "mood.logged", app_source: "rise", payload: { mood_score: 99 } },
    { user_id: user, event_type: "test.happened", app_source: "rise", payload: {} },
    // The name of the field is cut where half a character would be left.
    {
      user_id: user,
      event_type: "cv.generated",
      app_source: "cv",
      payload: { [`score_${"😀".repeat(120)}`]: 5 },
    },
  ];
  await database`select flywheel.publish(${JSON.stringify({ events })})`;
  await drain(database, [counting]);
  const story = await storyOf(base.admin, user);
  expect(story.processed).toBe(3);
  expect(story.events[2]!.ai_processing_error).toMatch(
    /^refused: payload\["score_(😀)+\ufffd?… must be /u,
  );
  expect(story.events[0]!.ai_processing_error).toMatch(/^refused: .*mood_score must be /);
  expect(story.events[1]!.ai_processing_error).toBeNull();
});

describe("an event that fails", () => {
  const delay = async (user: string) => {
    const [stream] = await base.admin<{ attempts: number; available_at: Date }[]>`
      select attempts, available_at from flywheel.streams where user_id = ${user}
    `;
    return stream!;
  };
  const failingAt = (...versions: number[]): Reactor => ({
    name: "failing",
    version: 1,
    initial: {},
    react(state, { version }) {
      if (versions.includes(version)) throw new Error("it hurts");
      return { state: state as object };
    },
  });

  test("begins its attempts anew, whatever the one before it took", async () => {
    const user = crypto.randomUUID();
    await publish(database, [1, 2].map((n) => event(user, { payload: { n } })));
    await drain(database, [failingAt(1, 2)]);
    await pass(base.admin, "1 hour");
    await drain(database, [failingAt(2)]);
    const { attempts, available_at } = await delay(user);
    expect(attempts).toBe(1);
    // The first wait; the second is twice as long.
    expect(Number(available_at) - Date.now()).toBeLessThan(11_000);
  });

  test("waits though somebody looks at the user's pages, and has all its attempts in a replay", async () => {
    const user = crypto.randomUUID();
    await publish(database, event(user));
    await drain(database, [failingAt(1)]);
    const before = await delay(user);
    expect(before.attempts).toBe(1);
    await database`select flywheel.refold(${user})`;
    expect(await delay(user)).toEqual(before);
    await reprocess(database, reprocessRequest.parse({ user_id: user }));
    expect((await delay(user)).attempts).toBe(0);
  });
});

test("a stream whose events are not in the log waits ever longer, and keeps nobody busy", async () => {
  const [user] = await soundUsers(1) as [string];
  await drain(database, [counting]);
  await base.admin`
    update flywheel.streams set version = version + 1, available_at = now() where user_id = ${user}
  `;
  const [before] = await base.admin`select clock_timestamp()::text as at`;
  expect(await drain(database, [counting])).toMatchObject({ processed: 0, failed: 1 });
  const [stream] = await base.admin`
    select attempts, available_at > ${before!.at}::text::timestamptz + interval '5 seconds' as waits
    from flywheel.streams where user_id = ${user}
  `;
  expect(stream).toEqual({ attempts: 1, waits: true });
  await base.admin`select flywheel.erase_user(${user}, 'a test')`;
});

test.each([2, 5])(
  "an event whose effects the database cannot write is set aside, and nobody else waits for its user, with %i attempts",
  async (max_attempts) => {
    const odd = await oddUser();
    const sound = await soundUsers(5);
    await base.admin`update flywheel.settings set max_attempts = ${max_attempts}`;
    await base.admin.unsafe(`
      create function flywheel.outage() returns trigger language plpgsql as $$
      begin
        raise exception 'a damaged page' using errcode = 'XX001';
      end
      $$;
      create trigger outage before insert on public.phoenix_nudges_sent for each row
      when (new.user_id = '${odd}') execute function flywheel.outage();
    `);
    const inviting: Reactor = {
      ...stumbling((at) => ({ state: {}, effects: [nudgeAt(at)] })),
      name: "inviting",
    };
    for (let run = 0; run < 40; run++) {
      await drain(database, [inviting]).catch(() => {});
      await pass(base.admin, "1 hour");
    }
    await base.admin`drop function flywheel.outage() cascade`;
    const { processed, events } = await storyOf(base.admin, odd);
    expect(processed).toBe(3);
    expect(events.map(({ ai_processing_error }) => ai_processing_error))
      .toEqual([null, expect.stringContaining("a damaged page"), null]);
    for (const user of sound) expect((await storyOf(base.admin, user)).processed).toBe(1);
  },
);

test("what workers died over is tried again by new reactors, and is not blamed on the first event", async () => {
  const user = crypto.randomUUID();
  await publish(database, [1, 2].map((n) => event(user, { payload: { n } })));
  await drain(database, [counting]);
  await publish(database, event(user, { payload: { n: 3 } }));
  const leases = async (reactor: Reactor, times: number) => {
    const attempts: number[] = [];
    while (attempts.length < times) {
      const leased = await lease(database, shapeOfWork([reactor]));
      const streams = leased!.streams.map(readStream);
      attempts.push(
        ...streams.filter((each) => each.user_id === user).map((each) => each.attempts),
      );
      await pass(base.admin, "1 hour");
    }
    return attempts;
  };
  expect(await leases(counting, 5)).toEqual([1, 2, 3, 4, 5]);
  const mended: Reactor<never> = { ...counting, version: 2 } as never;
  // Those who die over the first event with these count anew, and all the same.
  expect(await leases(mended, 2)).toEqual([1, 2]);
  await drain(database, [mended]);
  const { events, state } = await storyOf(base.admin, user);
  expect(events.map(({ ai_processing_error }) => ai_processing_error)).toEqual([null, null, null]);
  expect(state).toMatchObject({ counting: { count: 3 } });
});
