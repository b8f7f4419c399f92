import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { nudges } from "../../shared/domain/reactors/nudges.ts";
import { markNudge, pendingNudges } from "../../shared/flywheel/nudges.ts";
import { reprocess, reprocessRequest } from "../../shared/flywheel/replay.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { drain, event, publish, setReactors } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`update flywheel.settings set linger = '0'`;
});
afterAll(() => base[Symbol.asyncDispose]());

const set = (nudges: Record<string, unknown>) => setReactors(database, { nudges });

beforeEach(() => set({ holdout: 0 }));

const letter = { event_type: "letter.generated", app_source: "letters", correlation_id: "visit-1" };
const upload = { event_type: "cv.uploaded", app_source: "cv" };

/** Somebody who has written a letter. */
async function writer(): Promise<string> {
  const user = crypto.randomUUID();
  await happens(user, letter);
  return user;
}

async function happens(user: string, fields: Record<string, unknown>): Promise<string> {
  const { results } = await publish(database, event(user, fields));
  await drain(database, reactors);
  return results[0]!.event_id!;
}

/** As if a writer's letter had been received, and the settings changed, two days earlier: the time of a nudge for one day is over. */
async function travel(user: string): Promise<void> {
  await base.admin.begin(async (sql) => {
    await sql`update public.phoenix_events set received_at = received_at - interval '2 days' where user_id = ${user}`;
    const [{ was, is } = {}] = await sql`
      update public.phoenix_nudges_sent
      set sent_at = sent_at - interval '2 days', expires_at = expires_at - interval '2 days'
      where user_id = ${user}
      returning
        floor(extract(epoch from expires_at + interval '2 days') * 1000)::text as was,
        floor(extract(epoch from expires_at) * 1000)::text as is
    `;
    await sql`
      update flywheel.states set state = replace(state::text, ${was}, ${is})::json where user_id = ${user}
    `;
    await sql`
      update flywheel.streams
      set available_at = available_at - interval '2 days', wake_at = wake_at - interval '2 days'
      where user_id = ${user}
    `;
    await sql`update flywheel.settings_changes set changed_at = changed_at - interval '2 days'`;
  });
}

const nudgesOf = (user: string, type = "%") =>
  base.admin<Record<string, unknown>[]>`
    select * from public.phoenix_nudges_sent where user_id = ${user} and nudge_type like ${type} order by sent_at`;

const toldOf = (user: string) =>
  base.admin<Record<string, unknown>[]>`
    select event_type, app_source, payload, causation_id, correlation_id, ai_processing_error
    from public.phoenix_events
    where user_id = ${user} and event_type like 'nudge.%'
    order by version`;

describe("the row of a nudge and the log tell the same story:", () => {
  test("cancelled by what it would have led to", async () => {
    const user = await writer();
    const [nudge] = await nudgesOf(user);
    expect(nudge).toMatchObject({ status: "pending", nudge_type: "letters_to_cv" });
    const cause = await happens(user, upload);

    const [cancelled] = await nudgesOf(user);
    expect(cancelled).toMatchObject({ status: "cancelled", cancelled_at: expect.any(Date) });
    expect(await toldOf(user)).toEqual([{
      event_type: "nudge.cancelled",
      app_source: "flywheel",
      payload: {
        nudge_id: nudge!.nudge_id,
        nudge_type: "letters_to_cv",
        target_app: "cv",
        variant: nudge!.variant,
        reason: "cv.uploaded came first",
      },
      causation_id: cause,
      correlation_id: "visit-1",
      ai_processing_error: null,
    }]);
    const pending = await pendingNudges(database, user);
    expect(pending.map(({ nudge_type }) => nudge_type)).toEqual(["ecosystem_to_rise"]);
  });

  test("cancelled by the commit that makes it", async () => {
    const user = crypto.randomUUID();
    await publish(database, [event(user, letter), event(user, upload)]);
    await drain(database, reactors);
    expect(await nudgesOf(user, "letters_to_cv")).toMatchObject([{ status: "cancelled" }]);
    expect(await toldOf(user)).toMatchObject([{ event_type: "nudge.cancelled" }]);
  });

  test("shown, clicked and converted", async () => {
    const user = await writer();
    const [{ nudge_id } = {}] = await pendingNudges(database, user);
    await markNudge(database, user, nudge_id, "shown");
    expect(await markNudge(database, user, nudge_id, "clicked")).toMatchObject({
      status: "clicked",
      success: false,
    });
    const cause = await happens(user, upload);
    expect((await nudgesOf(user))[0]).toMatchObject({ status: "converted", success: true });
    const told = await toldOf(user);
    expect(told.map(({ event_type, causation_id }) => [event_type, causation_id])).toEqual([
      ["nudge.shown", nudge_id],
      ["nudge.clicked", nudge_id],
      ["nudge.converted", cause],
    ]);
    expect(told[2]!.payload).toMatchObject({ event_type: "cv.uploaded" });
  });

  test("expired by a timer, with the nudge as its cause", async () => {
    await set({ holdout: 0, lifetime_days: 1 });
    const user = await writer();
    const [nudge] = await nudgesOf(user);
    await travel(user);
    await drain(database, reactors);
    expect(await nudgesOf(user)).toMatchObject([{ status: "expired" }]);
    expect(await toldOf(user)).toMatchObject([{
      event_type: "nudge.expired",
      payload: { nudge_id: nudge!.nudge_id, reason: "not seen" },
      causation_id: nudge!.nudge_id,
      correlation_id: "visit-1",
    }]);
    expect(await pendingNudges(database, user)).toEqual([]);
    for (const step of ["shown", "clicked", "dismissed"] as const) {
      expect(await markNudge(database, user, String(nudge!.nudge_id), step))
        .toMatchObject({ status: "expired", shown_at: null });
    }
  });

  test("held out: recorded, and hidden from the user to the end", async () => {
    await set({ holdout: 1 });
    const user = await writer();
    const [nudge] = await nudgesOf(user);
    expect(nudge).toMatchObject({ variant: "holdout", held_out: true, status: "held_out" });
    expect(await pendingNudges(database, user)).toEqual([]);
    expect(await markNudge(database, user, String(nudge!.nudge_id), "shown")).toBeUndefined();
    const seen = await base.admin.begin(async (sql) => {
      const claims = JSON.stringify({ sub: user, role: "authenticated" });
      await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`;
      return await sql`select * from public.phoenix_nudges_sent`;
    });
    expect(seen).toEqual([]);

    await happens(user, upload);
    expect((await nudgesOf(user))[0]).toMatchObject({ status: "converted", success: true });
    expect(await toldOf(user), "which the user could read").toEqual([]);
  });
});

describe("a nudge that was seen before it was taken back is not cancelled, and its dismissal counts:", () => {
  const choice = (métier: string) => ({
    event_type: "métier_choisi",
    app_source: "aube",
    payload: { métier },
  });
  const dismissedBy = async (user: string) => {
    const [row] = await base.admin<{ dismissed: unknown }[]>`
      select state::jsonb -> 'nudges' -> 'dismissed' as dismissed from flywheel.states where user_id = ${user}`;
    return row!.dismissed;
  };

  test("where another choice was published already, but not folded", async () => {
    const user = crypto.randomUUID();
    const other = crypto.randomUUID();
    await happens(user, choice("Coach"));
    const [nudge] = await nudgesOf(user, "aube_to_cv");
    await publish(database, [event(user, choice("Boulanger")), event(other, letter)]);
    await markNudge(database, user, String(nudge!.nudge_id), "dismissed");
    await drain(database, reactors);

    expect((await nudgesOf(user, "aube_to_cv"))[0]).toMatchObject({
      status: "dismissed",
      cancelled_at: null,
    });
    const told = await toldOf(user);
    expect(
      told.map(({ event_type, payload }) => [event_type, (payload as typeof nudge)!.nudge_type]),
    )
      .toEqual([["nudge.dismissed", "aube_to_cv"], ["nudge.cancelled", "aube_to_letters"]]);
    expect(await dismissedBy(user)).toEqual({ aube_to_cv: 1 });
    expect(await nudgesOf(other), "who was folded with them").toHaveLength(1);
    const [stream] = await base.admin`
      select attempts, processed_version = version as done from flywheel.streams where user_id = ${user}`;
    expect(stream).toEqual({ attempts: 0, done: true });
    expect(await base.admin`select * from flywheel.verify_rollups()`).toEqual([]);
  });

  test("or its click, by which it converts", async () => {
    const user = crypto.randomUUID();
    await happens(user, choice("Coach"));
    const [nudge] = await nudgesOf(user, "aube_to_cv");
    await publish(database, event(user, choice("Boulanger")));
    await markNudge(database, user, String(nudge!.nudge_id), "clicked");
    await drain(database, reactors);
    await happens(user, { event_type: "cv.generated", app_source: "cv", payload: {} });
    await happens(user, { event_type: "cv.optimized", app_source: "cv", payload: {} });
    expect((await nudgesOf(user, "aube_to_cv"))[0]).toMatchObject({
      nudge_id: nudge!.nudge_id,
      status: "converted",
      cancelled_at: null,
    });
    const told = (await toldOf(user)).filter(({ payload }) =>
      (payload as typeof nudge)!.nudge_id === nudge!.nudge_id
    );
    expect(told.map(({ event_type }) => event_type)).toEqual(["nudge.clicked", "nudge.converted"]);
  });

  test("where the rules in force did not take it back; nor is one that had ended", async () => {
    const user = crypto.randomUUID();
    const rulesBefore = reactors.map((reactor) =>
      reactor.name !== nudges.name ? reactor : {
        ...nudges,
        version: nudges.version - 1,
        react: (...given: Parameters<typeof nudges.react>) => {
          const { state, effects = [] } = nudges.react(...given);
          const open = state.open.map(({ job: _, ...nudge }) => nudge);
          return { state: { ...state, open }, effects };
        },
      }
    );
    for (const métier of ["Coach", "Boulanger"]) {
      await publish(database, event(user, choice(métier)));
      await drain(database, rulesBefore);
    }
    const [cv] = await nudgesOf(user, "aube_to_cv");
    const [letters] = await nudgesOf(user, "aube_to_letters");
    await markNudge(database, user, String(cv!.nudge_id), "dismissed");
    await base.admin`
      update public.phoenix_nudges_sent set expired_at = now() where nudge_id = ${
      String(letters!.nudge_id)
    }`;
    await drain(database, rulesBefore);
    const rows = await nudgesOf(user);
    const told = await toldOf(user);

    await database`select flywheel.refold(${user})`;
    await drain(database, reactors);
    expect(await nudgesOf(user)).toEqual(expect.arrayContaining(rows));
    expect(await toldOf(user)).toEqual(told);
    expect(await dismissedBy(user)).toEqual({ aube_to_cv: 1 });
  });
});

test("a nudge whose time is over cannot be seen, clicked or dismissed, even before its timer rings", async () => {
  const user = await writer();
  const [{ nudge_id } = {}] = await pendingNudges(database, user);
  await base.admin`
    update public.phoenix_nudges_sent
    set sent_at = now() - interval '2 days', expires_at = now() - interval '1 second'
    where nudge_id = ${nudge_id}
  `;
  for (const step of ["shown", "clicked", "dismissed"] as const) {
    expect(await markNudge(database, user, nudge_id, step)).toMatchObject({
      status: "pending",
      shown_at: null,
      clicked_at: null,
      dismissed_at: null,
    });
  }
  expect(await toldOf(user)).toEqual([]);
});

test("the nudges that wait for a user are listed oldest first", async () => {
  const user = crypto.randomUUID();
  // In no order of time, as rows may stand in a table.
  for (const hours_ago of [2, 1, 3]) {
    await base.admin`
      insert into public.phoenix_nudges_sent (
        user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message, cta_label, cta_url, sent_at, expires_at
      )
      values (
        ${user}, gen_random_uuid(), ${`hours_ago_${hours_ago}`}, 'website', 'letters', 'default', '', '', '', '',
        now() - make_interval(hours => ${hours_ago}), now() + interval '1 day'
      )
    `;
  }
  expect((await pendingNudges(database, user)).map(({ nudge_type }) => nudge_type))
    .toEqual(["hours_ago_3", "hours_ago_2", "hours_ago_1"]);
});

test("process-queue does not count a held-out nudge among those it made", async () => {
  await set({ holdout: 1 });
  await publish(database, event(crypto.randomUUID(), letter));
  expect(await drain(database, reactors)).toMatchObject({ processed: 1, nudges: 0 });
});

test("a step of a nudge that has to wait for its user's stream locks nothing meanwhile", async () => {
  const user = await writer();
  const [{ nudge_id } = {}] = await pendingNudges(database, user);
  let marking: Promise<unknown> | undefined;
  await base.admin.begin(async (sql) => {
    await sql`select from flywheel.streams where user_id = ${user} for no key update`;
    marking = markNudge(database, user, nudge_id, "shown");
    await lockWait(base, "mark_nudge");
    await sql`select from public.phoenix_nudges_sent where user_id = ${user} for update nowait`;
  });
  expect(await marking).toMatchObject({ status: "shown" });
});

test("a replay writes and tells nothing a second time, whatever the settings are by then", async () => {
  const user = await writer();
  const [{ nudge_id } = {}] = await pendingNudges(database, user);
  await markNudge(database, user, nudge_id, "clicked");
  await happens(user, upload);
  const stateOf = async () =>
    (await base.admin`select state from flywheel.states where user_id = ${user}`)[0]!.state;
  const before = [await nudgesOf(user), await toldOf(user), await stateOf()];

  await set({ holdout: 1, max_in_period: 50, same_type_days: 0.001 });
  await reprocess(database, reprocessRequest.parse({ user_id: user }));
  await eventually(async () => {
    await drain(database, reactors);
    const [stream] = await base.admin`
      select version = processed_version as done from flywheel.streams where user_id = ${user}`;
    return stream!.done;
  });
  expect([await nudgesOf(user), await toldOf(user), await stateOf()]).toEqual(before);
});

test("a replay before the timer of a nudge has rung writes that it has expired", async () => {
  await set({ holdout: 0, lifetime_days: 1 });
  const user = await writer();
  await travel(user);
  expect(await nudgesOf(user)).toMatchObject([{ status: "pending" }]);
  await reprocess(database, reprocessRequest.parse({ user_id: user }));
  await drain(database, reactors);
  expect(await nudgesOf(user)).toMatchObject([{ status: "expired" }]);
  expect(await toldOf(user)).toMatchObject([{ event_type: "nudge.expired" }]);
});

test("a nudge whose time was over before anybody folded it is neither written nor told of", async () => {
  await set({ holdout: 0, lifetime_days: 0.1 / 86_400 });
  const user = crypto.randomUUID();
  await publish(database, event(user, letter));
  await new Promise((resolve) => setTimeout(resolve, 150));
  await drain(database, reactors);
  await publish(database, event(user, upload));
  await drain(database, reactors);
  const written = (await nudgesOf(user)).map(({ nudge_type }) => nudge_type);
  expect(written).not.toContain("letters_to_cv");
  expect((await toldOf(user)).map(({ payload }) => (payload as { nudge_type: string }).nudge_type))
    .not.toContain("letters_to_cv");
});
