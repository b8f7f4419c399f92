import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { minute } from "../../shared/domain/duration.ts";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { reprocess, reprocessRequest } from "../../shared/flywheel/replay.ts";
import {
  listTransitions,
  requestTransition,
  stepTransition,
  type Transition,
  transitionRequest,
  transitionsQuery,
} from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, publish, storyOf } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`
    update flywheel.settings
    set linger = '0', reactor_settings = '{"transitions": {"lifetime_days": 1}}'
  `;
});
afterAll(() => base[Symbol.asyncDispose]());

const context = { métier_choisi: "Coach" };

function ask(user_id: string, more: object = {}, as: Database = database): Promise<Transition> {
  return requestTransition(
    as,
    user_id,
    transitionRequest.parse({ target_app: "cv", context, ...more }),
  );
}

describe("a transition that is asked for again", () => {
  test("by several connections at the same time is one", async () => {
    const user_id = crypto.randomUUID();
    // Whose stream is there already, so that making it does not hold anybody up.
    await publish(database, event(user_id));
    const connections = Array.from({ length: 6 }, () => base.connectOnce());
    await Promise.all(connections.map((each) => each`select 1`));
    const asked = await Promise.all(connections.map((each) => ask(user_id, {}, each)));
    expect(new Set(asked.map(({ transition_id }) => transition_id)).size).toBe(1);
  });

  test("is the same once its app was notified", async () => {
    const user_id = crypto.randomUUID();
    const { transition_id } = await ask(user_id);
    await base.admin`
      update public.phoenix_transitions set status = 'notified', notified_at = now()
      where transition_id = ${transition_id}
    `;
    expect(await ask(user_id)).toMatchObject({ transition_id, status: "notified" });
  });

  test("is a new one once it was rejected", async () => {
    const user_id = crypto.randomUUID();
    const { transition_id } = await ask(user_id);
    await stepTransition(database, user_id, transition_id, "rejected", undefined);
    const again = await ask(user_id);
    expect(again.status).toBe("requested");
    expect(again.transition_id).not.toBe(transition_id);
  });

  test("is another one where the user comes from another app", async () => {
    const user_id = crypto.randomUUID();
    const { transition_id } = await ask(user_id);
    const other = await ask(user_id, { source_app: "letters" });
    expect(other.source_app).toBe("letters");
    expect(other.transition_id).not.toBe(transition_id);
  });
});

test("a transition carries what the flywheel knows, remembered or not, and lasts as long as the settings say", async () => {
  const user_id = crypto.randomUUID();
  const chosen = { métier: "Designer UX" };
  await publish(
    database,
    event(user_id, { event_type: "métier_choisi", app_source: "aube", payload: chosen }),
  );
  await drain(database, reactors);
  const said = { autre: "dit à la main" };
  const transition = await ask(user_id, { context: said });
  expect(transition.context).toMatchObject({ métier_choisi: "Designer UX", ...said });
  expect(Number(transition.expires_at) - Number(transition.requested_at)).toBe(24 * 3600 * 1000);

  for (
    const undo of [
      () => base.admin`update flywheel.states set shape = 'profile@0' where user_id = ${user_id}`,
      () => base.admin`select flywheel.reprocess(${user_id})`,
    ]
  ) {
    await undo();
    const again = await ask(user_id, { context: said });
    expect(again, "it is the same").toEqual(transition);
  }
});

test("a transition waits for a millisecond at least, and settings that say less count as not made", async () => {
  const lifetimes = async (lifetime_days: number) => {
    const said = JSON.stringify({ transitions: { lifetime_days } });
    await base.admin`update flywheel.settings set reactor_settings = ${said}::text::jsonb`;
    const { requested_at, expires_at } = await ask(crypto.randomUUID());
    return Number(expires_at) - Number(requested_at);
  };
  try {
    expect(await lifetimes(1 / 86_400_000)).toBe(1);
    expect(await lifetimes(1e-9)).toBe(1);
  } finally {
    await lifetimes(1);
  }
});

test("a transition carries what its user has just said, though nobody has folded it yet", async () => {
  const user_id = crypto.randomUUID();
  const say = (fields: object) =>
    publish(database, event(user_id, { app_source: "aube", ...fields }));
  await say({ event_type: "compétences_révélées", payload: { compétences: ["Python"] } });
  await drain(database, reactors);
  await say({
    event_type: "métier_choisi",
    payload: { métier: "Data Scientist", score_ia_résistance: 0.72 },
  });
  expect((await ask(user_id, { context: { note: "à la main" } })).context).toEqual({
    métier_choisi: "Data Scientist",
    transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
    ia_resistance_score: 0.72,
    compétences_à_valoriser: ["Python"],
    note: "à la main",
  });
});

/** A connection on which something happens whenever a transition's profile is read and nothing is written yet. */
function interrupted(between: () => Promise<unknown>): Database {
  return new Proxy(database, {
    apply(target, _, args) {
      const isRequest = String(args[0]?.raw).includes("flywheel.request_transition");
      const query = () => Reflect.apply(target, undefined, args);
      return isRequest ? between().then(query) : query();
    },
  });
}

/** Something that is done a number of times, and then no more. */
function times(count: number, act: (time: number) => Promise<unknown>): () => Promise<unknown> {
  let time = 0;
  return async () => time < count ? await act(time++) : undefined;
}

test("where a user is erased after their profile was read, the transition carries nothing of before", async () => {
  const user_id = crypto.randomUUID();
  await publish(database, event(user_id, choosing));
  await drain(database, reactors);
  const erase = times(1, () => base.admin`select flywheel.erase_user(${user_id}, 'a test')`);
  const said = { note: "à la main" };
  expect((await ask(user_id, { context: said }, interrupted(erase))).context).toEqual(said);
  const told = await base
    .admin`select event_type from public.phoenix_events where user_id = ${user_id}`;
  expect(told).toEqual([{ event_type: "transition_écosystème" }]);
});

test("where a user is being erased when a transition is asked for, it carries nothing of before", async () => {
  const user_id = crypto.randomUUID();
  await publish(database, event(user_id, choosing));
  await drain(database, reactors);
  let asking: Promise<Transition> | undefined;
  const said = { note: "à la main" };
  await base.admin.begin(async (sql) => {
    await sql`select flywheel.erase_user(${user_id}, 'a test')`;
    asking = ask(user_id, { context: said });
    await lockWait(base, "request_transition");
  });
  expect((await asking)!.context).toEqual(said);
});

test("a transition carries the job that was chosen while it was being asked for, and undoes nothing", async () => {
  const user_id = crypto.randomUUID();
  const choose = (métier: string) =>
    publish(database, event(user_id, { ...choosing, payload: { métier } }));
  await choose("Coach");
  const jobs = ["Data Scientist", "Designer UX"];
  const { context } = await ask(
    user_id,
    { context: {} },
    interrupted(times(2, (time) => choose(jobs[time]!))),
  );
  expect(context).toMatchObject({ métier_choisi: "Designer UX" });
});

test("no transition is opened for a user who chooses another job at every try, and the caller is told so", async () => {
  const user_id = crypto.randomUUID();
  let n = 0;
  const goOn = () =>
    publish(database, event(user_id, { ...choosing, payload: { métier: `Coach ${n++}` } }));
  const asking = ask(user_id, {}, interrupted(goOn));
  await expect(asking).rejects.toMatchObject({ code: "PT409", detail: "overtaken" });
  expect(await rowsOf(user_id)).toEqual([]);
});

test("a transition is asked for at once, whatever is published meanwhile that says nothing of its user", async () => {
  const user_id = crypto.randomUUID();
  let n = 0;
  const goOn = () => publish(database, event(user_id, { payload: { n: n++ } }));
  await goOn();
  const { transition_id } = await ask(user_id, {}, interrupted(goOn));
  expect(n).toBe(2);
  expect(await rowsOf(user_id)).toEqual([{ transition_id, status: "requested" }]);
});

test("a transition that is asked for is the latest, though the clock was set back since the one before", async () => {
  const user_id = crypto.randomUUID();
  const { transition_id } = await ask(user_id);
  await base.admin`
    update public.phoenix_transitions set requested_at = requested_at + interval '1 hour' where transition_id = ${transition_id}
  `;
  const again = await ask(user_id, { context: { métier_choisi: "Data Scientist" } });
  expect(await rowsOf(user_id)).toEqual([
    { transition_id, status: "expired" },
    { transition_id: again.transition_id, status: "requested" },
  ]);
});

const choosing = { event_type: "métier_choisi", app_source: "aube", payload: { métier: "Coach" } };

const rowsOf = (user_id: string, target_app = "cv") =>
  base.admin`
    select transition_id, status from public.phoenix_transitions
    where user_id = ${user_id} and target_app = ${target_app}
    order by requested_at
  `;

test.each(["accepted", "rejected"] as const)(
  "a choice that is folded late does not ask an app again that has %s since",
  async (step) => {
    const user_id = crypto.randomUUID();
    await publish(database, event(user_id, choosing));
    const { transition_id } = await ask(user_id);
    await stepTransition(database, user_id, transition_id, step, undefined);
    await drain(database, reactors);
    expect(await rowsOf(user_id)).toEqual([{ transition_id, status: step }]);
  },
);

/** The jobs that were handed over to cv, as the list of transitions has them: newest first. */
async function jobsIn(user_id: string): Promise<unknown[]> {
  const query = transitionsQuery.parse({ target_app: "cv", limit: 200 });
  const { transitions } = await listTransitions(database, user_id, query);
  return transitions.map(({ context }) => (context as Record<string, unknown>).métier_choisi);
}

test("jobs chosen in one publication are handed over and listed in their order, and stay so however often they are folded", async () => {
  const user_id = crypto.randomUUID();
  const jobs = Array.from({ length: 12 }, (_, n) => `Métier ${n}`);
  await publish(
    database,
    jobs.map((métier) => event(user_id, { ...choosing, payload: { métier } })),
  );
  for (let times = 0; times < 2; times++) {
    await drain(database, reactors);
    expect(await jobsIn(user_id)).toEqual(jobs.toReversed());
    expect((await rowsOf(user_id)).at(-1)).toMatchObject({ status: "requested" });
    await base.admin`select flywheel.reprocess(${user_id})`;
  }
});

test("of two jobs chosen in one publication the last is handed over", async () => {
  const user_id = crypto.randomUUID();
  const jobs = ["Coach", "Data Scientist"];
  await publish(
    database,
    jobs.map((métier) => event(user_id, { ...choosing, payload: { métier } })),
  );
  await drain(database, reactors);
  expect(await jobsIn(user_id)).toEqual(jobs.toReversed());
  const handedOver = await base.admin`
    select context ->> 'métier_choisi' as job, status, reason from public.phoenix_transitions
    where user_id = ${user_id} and target_app = 'cv'
    order by status
  `;
  expect(handedOver).toEqual([
    { job: "Coach", status: "expired", reason: "superseded" },
    { job: "Data Scientist", status: "requested", reason: null },
  ]);
});

describe("of two jobs the one that is chosen later is handed over, though the first was told of by a clock that is four minutes ahead,", () => {
  const choices = [["Coach", 4 * minute], ["Data Scientist", 0]] as const;
  const choose = (user_id: string, [métier, ahead]: (typeof choices)[number]) =>
    publish(
      database,
      event(user_id, {
        ...choosing,
        payload: { métier },
        timestamp: new Date(Date.now() + ahead).toISOString(),
      }),
    );

  test("by the reactors, one by one and in a replay", async () => {
    const user_id = crypto.randomUUID();
    for (const choice of choices) {
      await choose(user_id, choice);
      await drain(database, reactors);
    }
    const handedOver = () =>
      base.admin`
        select context ->> 'métier_choisi' as job, status from public.phoenix_transitions
        where user_id = ${user_id} and target_app = 'cv'
        order by status
      `;
    const right = [
      { job: "Coach", status: "expired" },
      { job: "Data Scientist", status: "requested" },
    ];
    expect(await handedOver()).toEqual(right);
    const before = await storyOf(base.admin, user_id);
    await reprocess(database, reprocessRequest.parse({ user_id }));
    await drain(database, reactors);
    expect(await handedOver()).toEqual(right);
    expect(await storyOf(base.admin, user_id)).toEqual(before);
    const [log] = await base.admin`
      select "timestamp" > received_at + interval '3 minutes' as is_ahead
      from public.phoenix_events where user_id = ${user_id} and version = 1
    `;
    expect(log, "the log keeps what the publisher said").toEqual({ is_ahead: true });
  });

  test("by who asks before anybody has folded it", async () => {
    const user_id = crypto.randomUUID();
    for (const choice of choices) await choose(user_id, choice);
    const { context } = await ask(user_id, { context: {} });
    expect(context).toMatchObject({ métier_choisi: "Data Scientist" });
  });
});

test("two users whose events have the same event_id have transitions of their own", async () => {
  const users = [crypto.randomUUID(), crypto.randomUUID()];
  const event_id = crypto.randomUUID();
  await publish(database, users.map((user) => event(user, { event_id, ...choosing })));
  await drain(database, reactors);
  const [own, other] = await Promise.all(users.map((user) => rowsOf(user)));
  expect(other![0]!.transition_id).not.toBe(own![0]!.transition_id);
  const id = own![0]!.transition_id;
  await stepTransition(database, undefined, id, "rejected", undefined);
  expect((await rowsOf(users[0]!))[0]!.status).toBe("rejected");
  expect((await rowsOf(users[1]!))[0]!.status).toBe("requested");
});

test("a transition whose time is over can be neither accepted nor asked for as the same, though no worker has come", async () => {
  const user_id = crypto.randomUUID();
  const { transition_id } = await ask(user_id);
  await base.admin`
    update public.phoenix_transitions
    set requested_at = now() - interval '2 days', expires_at = now() - interval '1 day'
    where transition_id = ${transition_id}
  `;
  for (const step of ["accepted", "rejected", "completed"] as const) {
    await expect(stepTransition(database, user_id, transition_id, step, undefined)).rejects
      .toMatchObject({ code: "PT409", detail: "illegal_step" });
  }
  const again = await ask(user_id);
  expect(await rowsOf(user_id)).toEqual([
    { transition_id, status: "expired" },
    { transition_id: again.transition_id, status: "requested" },
  ]);
});

test("of two steps at the same time that exclude each other one is taken", async () => {
  const user_id = crypto.randomUUID();
  const { transition_id } = await ask(user_id);
  let rejecting: Promise<unknown> | undefined;
  await base.admin.begin(async (sql) => {
    await sql`select flywheel.step_transition(${user_id}, ${transition_id}, 'accepted')`;
    rejecting = expect(stepTransition(database, user_id, transition_id, "rejected", undefined))
      .rejects.toMatchObject({ code: "PT409", detail: "illegal_step" });
    await lockWait(base, "step_transition");
  });
  await rejecting;
});

test("a long history that nobody has folded is read piece by piece", async () => {
  const user_id = crypto.randomUUID();
  const pad = "x".repeat(900_000);
  const say = (event_type: string, payload: object) =>
    publish(
      database,
      event(user_id, { event_type, app_source: "aube", payload: { ...payload, pad } }),
    );
  await say("métier_choisi", { métier: "Designer UX" });
  for (let n = 2; n <= 12; n++) await say("compétences_révélées", { compétences: [`la ${n}e`] });
  let reads = 0;
  const watched = postgres(base.url, {
    max: 1,
    debug: (_, statement) => reads += Number(statement.includes("public.phoenix_events")),
  });
  const { context } = await ask(user_id, { context: { note: "à la main" } }, watched);
  await watched.end();
  expect(reads).toBe(3);
  expect(context).toMatchObject({
    métier_choisi: "Designer UX",
    compétences_à_valoriser: ["la 12e"],
  });
});
