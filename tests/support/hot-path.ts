import type postgres from "postgres";
import { lease, readStream } from "../../shared/flywheel/lease.ts";
import { listTransitions, transitionsQuery } from "../../shared/flywheel/transitions.ts";
import { shape, userOf } from "./large-store.ts";
import { event } from "./flywheel.ts";

/** Something that is done in a store; `user` gives the id of the user of a number. In a small store a user has several numbers. */
type Act = (sql: postgres.Sql, user: (n: number) => string) => Promise<void>;

const json = JSON.stringify;

/** Runs what the test itself has to look up or to set, without telling how it is executed. */
async function unwatched<T>(sql: postgres.Sql, run: () => Promise<T>): Promise<T> {
  await sql`set auto_explain.log_min_duration = -1`;
  const done = await run();
  await sql`set auto_explain.log_min_duration = 0`;
  return done;
}

function batch(user: (n: number) => string, from: number, more = {}) {
  return {
    events: Array.from(
      { length: 100 },
      (_, n) => event(user(from + (n % 50)), { payload: { from, n }, ...more }),
    ),
  };
}

const publishing: Act = async (sql, user) => {
  const publish = (body: unknown) => sql`select flywheel.publish(${json(body)})`;
  await publish(batch(user, 0));
  await publish(batch(user, 100, { timestamp: "2025-03-01T10:00:00Z" }));
  const { events } = batch(user, 200);
  const named = events.map((each) => ({ ...each, event_id: crypto.randomUUID() }));
  await publish({ events: named });
  await publish({ events: named.map((each) => ({ ...each, event_id: crypto.randomUUID() })) });
  await publish({ events: [named[0], named[0]], expected_version: 0 });
  const several = [300, 350, 400].map((from) => json(batch(user, from)));
  await sql`
    select flywheel.publish_together(
      ${`[${several.join()}]`}, ${several.map(({ length }) => length)}, ${several.map(() => null)}
    )
  `;
};

const publishingInOrder: Act = async (sql) => {
  const users = Array.from({ length: 100 }, () => crypto.randomUUID());
  for (const hour of [10, 11]) {
    const plain = (user: string, minute: number) => [
      user,
      crypto.randomUUID(),
      "test.happened",
      "website",
      {},
      `2025-03-01T${hour}:${minute}:00.000Z`,
    ];
    const [one, other, ...others] = users;
    const many = json(others.map((user) => plain(user, 10)));
    const published = [
      await sql`select flywheel.publish_timely(${json([plain(one!, 10)])}) as done`,
      await sql`select flywheel.publish_timely(${
        json([plain(other!, 10), plain(other!, 20)])
      }) as done`,
      await sql`select flywheel.publish_timely_streams(${many}) as done`,
    ];
    if (!published.every(([row]) => row!.done)) throw new Error("it was not published");
  }
};

interface Leased {
  token: string;
  leased_at: number;
  streams: { user_id: string; version: number; behind: number }[];
}

async function leaseOf(sql: postgres.Sql, of: string): Promise<Leased | undefined> {
  const leased = await lease(sql, of);
  return leased && { ...leased, streams: leased.streams.map(readStream) };
}

/** Leases and commits effects of every kind: `counted` by the worker or by the database; `ahead` what is told is folded already. */
function committing({ counted, ahead }: { counted: boolean; ahead: boolean }): Act {
  return async (sql, user) => {
    const body = batch(user, counted ? 300 : 400, { metadata: { counted, ahead } });
    await sql`select flywheel.publish(${json(body)})`;
    const leased = (await leaseOf(sql, shape))!;
    if (leased.streams.length < 15) throw new Error("hardly anybody was leased");
    const users = leased.streams.map(({ user_id }) => user_id);
    await sql`select flywheel.extend(${leased.token}, ${users})`;

    const told = 2;
    const results = leased.streams.map(({ user_id, version, behind }, n) => ({
      user_id,
      version: version + behind + (ahead ? told : 0),
      wake_at: n % 2 ? new Date(Date.now() + 86_400_000) : null,
      failed: false,
      late: n % 3 === 0,
      ...(ahead && { ahead: told }),
    }));
    const effects = await unwatched(sql, () => effectsOf(sql, users, { ahead }));
    const states = Object.fromEntries(users.map((user_id) => [user_id, { n: user_id }]));
    const [row] = await sql<{ commit: { users: string[]; nudges: number; transitions: number } }[]>`
      select flywheel.commit(
        ${leased.token}, ${shape}, ${json(results)}::text::jsonb, ${json(states)}::text::json,
        ${json(effects)}::text::jsonb, ${counted ? "[]" : null}, ${leased.leased_at}
      )
    `;
    const { commit } = row!;
    if (
      commit.users.length < users.length || commit.nudges < users.length || commit.transitions === 0
    ) throw new Error(`it was not committed whole: ${json(commit)}`);
  };
}

async function effectsOf(
  sql: postgres.Sql,
  users: readonly string[],
  { ahead }: { ahead: boolean },
): Promise<Record<string, unknown[]>> {
  const known = new Map(
    (await sql<{ user_id: string; nudge_id: string }[]>`
      select distinct on (user_id) user_id, nudge_id from public.phoenix_nudges_sent where user_id = any (${users})
    `).map(({ user_id, nudge_id }) => [user_id, nudge_id]),
  );
  const open = await sql`
    select user_id, transition_id from public.phoenix_transitions
    where user_id = any (${users}) and status in ('requested', 'notified')
  `;
  const at = Date.now();
  const caused = (user_id: string, effect_id: string = crypto.randomUUID()) => ({
    user_id,
    effect_id,
    causation_id: crypto.randomUUID(),
    correlation_id: null,
    at,
  });
  const nudge = (user_id: string, effect_id?: string) => ({
    ...caused(user_id, effect_id),
    nudge_type: "t",
    app_source: "cv",
    target_app: "cv",
    variant: "default",
    title: "t",
    message: "m",
    cta_label: "c",
    cta_url: "u",
    expires_at: at + 60_000,
  });
  const event = (user_id: string, payload: Record<string, unknown>) => ({
    ...caused(user_id),
    event_type: "test.told",
    app_source: "flywheel",
    payload,
    subject: "it",
  });
  const unheard = () => crypto.randomUUID();
  return {
    nudge: users.flatMap((user_id, n) => [
      nudge(user_id),
      ...n % 2 ? [{ ...nudge(user_id, known.get(user_id)), converted_at: at }] : [],
    ]),
    nudge_change: users.map((user_id) => ({
      ...caused(user_id),
      nudge_id: known.get(user_id),
      change: "cancelled",
    })),
    event: users.flatMap((user_id) => [
      event(user_id, {}),
      event(user_id, { nudge_id: known.get(user_id) }),
      ...ahead ? [] : [event(user_id, { nudge_id: unheard() })],
    ]),
    transition: users.filter((_, n) => n % 2).map((user_id) => ({
      ...caused(user_id),
      source_app: "aube",
      target_app: "letters",
      context: {},
      expires_at: at + 60_000,
    })),
    expiry: open.map(({ user_id, transition_id }) => ({ ...caused(user_id), transition_id })),
    activity: users.map((user_id) => ({ user_id, cv: [at * 1000], letters: [at * 1000] })),
    set_aside: users.slice(0, 10).map((user_id) => ({ user_id, version: 6, error: "it hurts" })),
  };
}

const looking: Act = async (sql) => {
  await leaseOf(sql, "");
  await unwatched(
    sql,
    () =>
      sql`update flywheel.streams set available_at = null where available_at <= now() + interval '1 hour'`,
  );
  await leaseOf(sql, "");
  await sql`select flywheel.enter()`;
  await sql`select flywheel.leave(gen_random_uuid(), 0)`;
  await sql`select flywheel.pending_events()`;
};

const rewinding: Act = async (sql, user) => {
  await sql`select flywheel.tend()`;
  await unwatched(sql, async () => {
    await sql`
      update flywheel.fingerprints set seen_at = now() - interval '1 hour' where user_id < ${
      userOf(200)
    }
    `;
    await sql`update flywheel.pruning set pruned_at = '-infinity'`;
    await sql`update flywheel.doorbell set latest_at = now() + interval '1 hour'`;
  });
  // What a clock that was set back has left, and then old fingerprints.
  await sql`select flywheel.tend()`;
  await sql`select flywheel.tend()`;
  await sql`select flywheel.reprocess(${user(3000)})`;
  await sql`insert into flywheel.replays (only_failed) values (false)`;
  await sql`select flywheel.rewind()`;
};

const reading: Act = async (sql, user) => {
  const owner = user(5000);
  await sql`select * from flywheel.read_stream(${owner}, 2, false, 10)`;
  await sql`select * from flywheel.read_stream(${owner}, null, true, 10)`;
  await sql`select flywheel.read_state(${owner})`;
  await sql`
    select * from public.phoenix_events where user_id = ${owner} and version < 4 order by version desc limit 3
  `;
  await sql`
    select * from public.phoenix_nudges_sent
    where user_id = ${owner}
      and shown_at is null and clicked_at is null and dismissed_at is null and cancelled_at is null
      and expires_at > now()
    order by sent_at
  `;
};

const delivering: Act = async (sql, user) => {
  const [transition] = await unwatched(sql, () =>
    sql`
    select user_id, transition_id from public.phoenix_transitions where user_id = ${user(4096)}
  `);
  const { transition_id } = transition!;
  const [row] = await sql`select flywheel.lease_deliveries() as leased`;
  const { deliveries } = row!.leased;
  if (deliveries.length < 2) throw new Error("nothing was to be delivered");
  await sql`select flywheel.mark_published(${json(deliveries)}::text::jsonb)`;
  const [{ user_id, delivery_id }] = deliveries;
  await sql`select flywheel.mark_attempted(${user_id}, ${delivery_id})`;
  await sql`select flywheel.fail_delivery(${user_id}, ${delivery_id}, true, 'no answer')`;
  await sql`select flywheel.answer_delivery(${user_id}, ${delivery_id}, 'accepted', null)`;
  await sql`select flywheel.step_transition(null, ${transition_id}, 'accepted', null)`;
  await sql`
    select flywheel.request_transition(
      ${user_id}, 'aube', 'cv', '{}', '1 day', (flywheel.read_state(${user_id}) ->> 'head')::bigint,
      array['métier_choisi']
    )
  `;
  const before = `2999-01-01T00:00:00.000000Z_${transition_id}`;
  for (const more of [{}, { before }]) {
    const polling = { target_app: "cv", status: "requested" };
    await listTransitions(sql, undefined, transitionsQuery.parse({ ...polling, ...more }));
    await listTransitions(sql, user_id, transitionsQuery.parse(more));
  }
};

const caring: Act = async (sql, user) => {
  const [nudge] = await unwatched(sql, () =>
    sql`
    select user_id, nudge_id from public.phoenix_nudges_sent where user_id = ${user(6000)}
  `);
  await sql`select * from flywheel.mark_nudge(${nudge!.user_id}, ${nudge!.nudge_id}, 'clicked')`;
  await sql`select flywheel.export_user(${user(7000)})`;
  await sql`select flywheel.erase_user(${user(7000)}, 'a test')`;
};

type Named = readonly [what: string, act: Act];

/** What publishers and workers do all the time. Like the others each can be done by itself. */
export const hotPath: readonly Named[] = [
  ["publishing", publishing],
  ["publishing in order, as apps do", publishingInOrder],
  [
    "leasing and committing effects of every kind, counted by the worker",
    committing({ counted: true, ahead: false }),
  ],
  ["the same, counted from the log", committing({ counted: false, ahead: false })],
  ["the same with what it tells folded ahead", committing({ counted: true, ahead: true })],
  ["looking for work where there is none but timers to come", looking],
];

/** What apps and operators do now and then. */
export const besides: readonly Named[] = [
  ["pruning and rewinding", rewinding],
  ["reading a stream and listing nudges", reading],
  ["delivering, polling and a transition's steps", delivering],
  ["a step of a nudge, an export, an erasure", caring],
];
