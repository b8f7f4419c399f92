import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { publishAll, queueStatus, settled } from "../support/backlog.ts";
import { eventually } from "../support/eventually.ts";
import { functionsOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import type { TestUser } from "../support/stack.ts";

const letter = { event_type: "letter.generated", app_source: "phoenix_letters" };

async function nudgesOf(stack: OwnStack, user: TestUser): Promise<string[]> {
  const answer = await functionsOf(stack.env)("GET", "nudges", { as: user });
  return z.array(z.looseObject({ nudge_type: z.string() })).parse(answer.body)
    .map(({ nudge_type }) => nudge_type);
}

const nudged = (stack: OwnStack, user: TestUser) =>
  eventually(async () => (await nudgesOf(stack, user)).length > 0);

describe("With the doorbell alone", () => {
  let stack: OwnStack;

  beforeAll(async () => {
    stack = await ownStack({ without: ["qstash"] });
  });

  afterAll(() => stack?.[Symbol.asyncDispose]());

  test("an app publishes and the user sees a nudge, without anyone asking", async () => {
    const user = await stack.signUp();
    const { error } = await user.client.functions.invoke("events", { body: letter });
    expect(error).toBeNull();
    await nudged(stack, user);
    expect(await nudgesOf(stack, user)).toEqual(["letters_to_cv"]);
  });

  test("and so they do where the app publishes through rpc", async () => {
    const user = await stack.signUp();
    const { error } = await user.client.rpc("publish_events", { events: letter });
    expect(error).toBeNull();
    await nudged(stack, user);
  });

  test("three CV events without a letter invite to Letters", async () => {
    const user = await stack.signUp();
    const types = ["cv.uploaded", "cv.optimized", "cv.generated"];
    await user.client.functions.invoke("events", {
      body: { events: types.map((event_type) => ({ event_type, app_source: "cv" })) },
    });
    await nudged(stack, user);
    expect(await nudgesOf(stack, user)).toEqual(["cv_to_letters"]);
  });

  test("a user gets a nudge of a type once a day, however much they do", async () => {
    const user_id = crypto.randomUUID();
    for (let visit = 1; visit <= 3; visit++) {
      const events = Array.from({ length: 20 }, (_, n) => ({
        ...letter,
        user_id,
        payload: { letter_id: `${visit}-${n}` },
      }));
      expect(await publishAll(stack, events)).toBe(20);
      await settled(stack);
    }
    const { data } = await stack.service().from("phoenix_nudges_sent").select("nudge_type")
      .eq("user_id", user_id).order("nudge_type");
    expect(data).toEqual([{ nudge_type: "letters_to_cv" }, { nudge_type: "letters_to_rise" }]);
  });

  test("a burst by many users at once is handled whole", async () => {
    // On a busy machine a publication may be written long after a ring that was to tell of it.
    const sql = stack.adminSql({ max: 1 });
    await sql`update flywheel.settings set linger = '2 seconds'`;
    await sql.end();
    const users = Array.from({ length: 60 }, () => crypto.randomUUID());
    const sent = await Promise.all(
      users.map((user_id) => publishAll(stack, [{ ...letter, user_id }])),
    );
    expect(sent).toEqual(users.map(() => 1));
    await settled(stack);
    const { count } = await stack.service().from("phoenix_nudges_sent")
      .select("*", { count: "exact", head: true }).in("user_id", users);
    expect(count).toBe(60);
  });
});

describe("With the sweep alone, on a clock where a minute takes a second,", () => {
  let stack: OwnStack;

  beforeAll(async () => {
    stack = await ownStack({ sweep: true, serviceEnv: { qstash: { QSTASH_TIME_SCALE: "60" } } });
    const sql = stack.adminSql({ max: 1 });
    await sql`
      select vault.update_secret(id, 'http://127.0.0.1:9/nowhere')
      from vault.secrets where name = 'phoenix_doorbell_url'`;
    await sql.end();
  });

  afterAll(() => stack?.[Symbol.asyncDispose]());

  test("the backlog that a broken doorbell leaves is handled", async () => {
    const user = await stack.signUp();
    const { error } = await user.client.functions.invoke("events", { body: letter });
    expect(error).toBeNull();
    await nudged(stack, user);
  });

  test("apps publish while the functions are stopped, and once they are back the backlog is handled", async () => {
    const functions = stack.stack.service("functions");
    const users = await Promise.all([stack.signUp(), stack.signUp()]);
    await functions.stop();
    for (const { client } of users) {
      const { data, error } = await client.rpc("publish_events", {
        events: { events: [letter, { ...letter, event_type: "job_offer.analyzed" }] },
      });
      expect(error).toBeNull();
      expect(data).toMatchObject({ accepted: 2 });
      const stored = await client.from("phoenix_events").select("version").order("version");
      expect(stored.data).toEqual([{ version: 1 }, { version: 2 }]);
      expect((await client.from("phoenix_nudges_sent").select()).data).toEqual([]);
    }
    await functions.start();
    for (const user of users) await nudged(stack, user);
    await settled(stack);
  });
});

describe("Of several workers", () => {
  let stack: OwnStack;
  let sql: ReturnType<OwnStack["adminSql"]>;

  beforeAll(async () => {
    stack = await ownStack({ without: ["qstash"] });
    sql = stack.adminSql({ max: 2 });
  });

  afterAll(async () => {
    await sql?.end();
    await stack?.[Symbol.asyncDispose]();
  });

  /** Leaves a backlog that nobody has been told of. */
  async function publishUnheard(events: readonly Record<string, unknown>[]): Promise<void> {
    const net = stack.stack.service("net");
    await net.stop();
    expect(await publishAll(stack, events)).toBe(events.length);
    await sql`delete from net.http_request_queue`;
    await net.start();
  }

  const workOnce = async () => {
    const answer = await functionsOf(stack.env)("POST", "events/process-queue", { as: "secret" });
    expect(answer.status, answer.text).toBe(200);
    return z.looseObject({
      processed: z.int(),
      nudges: z.int(),
      failed: z.int(),
      remaining: z.int(),
      duration_ms: z.int(),
    }).parse(answer.body);
  };

  test("no two handle a user twice: versions, totals and nudges are exact", async () => {
    const users = Array.from({ length: 40 }, () => crypto.randomUUID());
    const before = (await queueStatus(stack)).processed_total;
    await sql`update flywheel.settings set lease_users = 3, lease_events = 4`;
    await publishUnheard(
      Array.from({ length: 10 }, (_, n) => n).flatMap((n) =>
        users.map((user_id) => ({ ...letter, user_id, payload: { letter_id: n } }))
      ),
    );

    const answers = await Promise.all(Array.from({ length: 8 }, workOnce));
    await settled(stack);
    // A worker adds to the total when it leaves.
    const handled = async () => (await queueStatus(stack)).processed_total - before;
    await eventually(async () => await handled() >= 400);
    expect(await handled()).toBe(400);
    expect(answers.filter(({ processed }) => processed > 0).length).toBeGreaterThan(1);

    const streams = await sql`
      select version::int, processed_version::int, attempts
      from flywheel.streams where user_id = any (${users})`;
    expect(streams).toHaveLength(40);
    for (const stream of streams) {
      expect(stream).toEqual({ version: 10, processed_version: 10, attempts: 0 });
    }
    const [nudges] = await sql`
      select count(*)::int as nudges, count(distinct user_id)::int as users
      from public.phoenix_nudges_sent where user_id = any (${users})`;
    expect(nudges, "one to CV and one to Rise each").toEqual({ nudges: 80, users: 40 });
    expect(stack.lines.filter(({ text }) => text.includes("leases had ended"))).toEqual([]);
  });

  test("none keeps callers waiting, whatever the commits wait for", async () => {
    const users = Array.from({ length: 12 }, () => crypto.randomUUID());
    await sql`update flywheel.settings set lease_users = 1`;
    await publishUnheard(users.map((user_id) => ({ ...letter, user_id })));
    let working: Promise<unknown> | undefined;
    await sql.begin(async (other) => {
      await other`lock table public.phoenix_nudges_sent in share mode`;
      working = Promise.all(Array.from({ length: 6 }, workOnce));
      await eventually(async () => {
        const [waiting] = await sql`
          select count(*)::int as commits from pg_stat_activity
          where wait_event_type = 'Lock' and query ~ 'flywheel.commit'
        `;
        return waiting!.commits === 2;
      });
      expect(await publishAll(stack, [{ ...letter, user_id: crypto.randomUUID() }])).toBe(1);
      expect((await queueStatus(stack)).pending_events).toBe(13);
    });
    await working;
    await settled(stack);
  });

  test("one whose time is over hands on to the next, until nothing remains", async () => {
    // A commit takes 20 ms at least, so that the second is over before the last of 100 users.
    await sql`
      update flywheel.settings
      set work_budget = '1 second', max_workers = 1, lease_users = 1, lease_events = 100`;
    await sql`
      create function flywheel.take_long() returns trigger language plpgsql as
      $$ begin perform pg_sleep(0.02); return new; end $$`;
    await sql`
      create trigger take_long before insert or update on flywheel.states
      for each row execute function flywheel.take_long()`;
    const users = Array.from({ length: 100 }, () => crypto.randomUUID());
    await publishUnheard(users.map((user_id) => ({ ...letter, user_id })));

    const first = await workOnce();
    expect(first.processed).toBeGreaterThan(0);
    expect(first.remaining).toBeGreaterThan(0);
    await settled(stack);
    const [rung] = await sql`
      select count(*)::int as times from net._http_response where status_code = 200`;
    expect(rung!.times).toBeGreaterThan(0);
    const [nudged] = await sql`
      select count(distinct user_id)::int as users
      from public.phoenix_nudges_sent where user_id = any (${users})`;
    expect(nudged!.users).toBe(100);
  });
});
