import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hearAnswer, hearFailure } from "../../shared/flywheel/delivery-outcome.ts";
import { stepTransition } from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { lockWait } from "../support/lock-wait.ts";
import { openOutbox, type Outbox } from "../support/outbox.ts";

let base: TestDatabase;
let database: Database;
let outbox: Outbox;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  outbox = await openOutbox(base, database);
});
afterAll(() => base[Symbol.asyncDispose]());

test("a user can be erased while deliveries about them are marked as published", async () => {
  const { user_id, ids: [first, second] } = await outbox.userWithDeliveries(2);
  const published = JSON.stringify(
    [second, first].map((delivery_id) => ({ user_id, delivery_id })),
  );
  let marking: Promise<unknown> | undefined;
  const erased = await base.admin.begin(async (sql) => {
    // As far as an erasure gets that locks them in this order.
    await sql`select from flywheel.streams where user_id = ${user_id} for update`;
    await sql`select from flywheel.deliveries where delivery_id = ${first!} for update`;
    marking = database`select flywheel.mark_published(${published}::text::jsonb)`.execute();
    await lockWait(base, "mark_published");
    const [row] = await sql`select flywheel.erase_user(${user_id}, 'they asked for it') as rows`;
    return row!.rows;
  });
  await marking;
  expect(erased).toMatchObject({ "flywheel.deliveries": 2 });
});

test("a deliverer that has to wait for a user's stream to mark what it published holds no other meanwhile", async () => {
  const [one, other] = [await outbox.userWithDeliveries(1), await outbox.userWithDeliveries(1)]
    .sort((a, b) => a.user_id < b.user_id ? -1 : 1);
  const published = JSON.stringify(
    [other!, one!].map(({ user_id, ids: [delivery_id] }) => ({ user_id, delivery_id })),
  );
  let marking: Promise<unknown> | undefined;
  await base.admin.begin(async (sql) => {
    await sql`select from flywheel.streams where user_id = ${one!.user_id} for update`;
    marking = database`select flywheel.mark_published(${published}::text::jsonb)`.execute();
    await lockWait(base, "mark_published");
    await sql`select from flywheel.streams where user_id = ${other!.user_id} for update nowait`;
  });
  await marking;
});

test("what a deliverer takes while its user is erased is withdrawn", async () => {
  const { user_id, ids } = await outbox.userWithDeliveries(2);
  let erasing: Promise<unknown> | undefined;
  await base.admin.begin(async (sql) => {
    await sql`select flywheel.lease_deliveries()`;
    erasing = database`select flywheel.erase_user(${user_id}, 'they asked for it')`.execute();
    await lockWait(base, "erase_user");
  });
  await erasing;
  const withdrawn = await base.admin`
    select delivery_id from flywheel.withdrawals where delivery_id in ${base.admin(ids)} order by 1
  `;
  expect(withdrawn.map(({ delivery_id }) => delivery_id)).toEqual(ids.toSorted());
});

test("a user can be erased while an app that missed deliveries about them is configured again", async () => {
  const { user_id, ids } = await outbox.userWithDeliveries(3);
  const inOrder = ids.toSorted();
  // In another order than that of their ids, in the table and in time.
  for (const [n, delivery_id] of [...inOrder.entries()].reverse()) {
    await base.admin`
      update flywheel.deliveries
      set available_at = null, failed_at = now() - ${n} * interval '1 minute'
      where delivery_id = ${delivery_id}
    `;
  }
  await base.admin`analyze flywheel.deliveries`;
  let acting: Promise<unknown> | undefined;
  // Somebody holds the middle one for a moment, as a callback does.
  await base.superuser.begin(async (sql) => {
    await sql`select from flywheel.deliveries where delivery_id = ${inOrder[1]!} for update`;
    const erasing = database`select flywheel.erase_user(${user_id}, 'they asked for it')`.execute();
    await lockWait(base, "erase_user");
    acting = Promise.all([erasing, outbox.configure("cv", "http://127.0.0.1/")]);
    acting.catch(() => {});
    await lockWait(base, "configure_app");
  });
  await acting;
});

test("whatever QStash was given is withdrawn, what has arrived as well, but not what it never had", async () => {
  const { user_id, ids: [arrived, kept] } = await outbox.userWithDeliveries(2);
  await base.admin`
    update flywheel.deliveries
    set available_at = null, delivered_at = now(), attempts = 1
    where user_id = ${user_id} and delivery_id = ${arrived!}
  `;
  await base.admin`select flywheel.erase_user(${user_id}, 'they asked for it')`;
  const withdrawn = await base.admin`
    select delivery_id from flywheel.withdrawals where delivery_id in ${
    base.admin([arrived!, kept!])
  }
  `;
  expect(withdrawn).toEqual([{ delivery_id: arrived }]);
});

test("a withdrawal is repeated when QStash has had the time to accept what was handed over, however short a lease is", async () => {
  await base.admin`update flywheel.settings set lease_time = '1 second'`;
  const delivery_id = crypto.randomUUID();
  const [{ asked_at } = {}] = await base.admin`
    insert into flywheel.withdrawals (delivery_id) values (${delivery_id}) returning available_at as asked_at
  `;
  await database`select flywheel.mark_withdrawn(${[delivery_id]})`;
  await base.admin`update flywheel.settings set lease_time = default`;
  const repeated = await base.admin`
    select is_repetition from flywheel.withdrawals
    where delivery_id = ${delivery_id} and available_at >= ${asked_at}::timestamptz + interval '5 minutes'
  `;
  expect(repeated).toEqual([{ is_repetition: true }]);
});

test("once a clock that was ahead is set right, no delivery or withdrawal waits longer than any may", async () => {
  const { user_id, ids: [decided, leased, carried] } = await outbox.userWithDeliveries(3);
  await base.admin`
    update flywheel.deliveries
    set
      attempts = case delivery_id when ${decided!} then 0 else 1 end,
      available_at = now() + case delivery_id when ${carried!} then interval '47 hours' else interval '3 days' end
    where user_id = ${user_id}
  `;
  const [asked, soon] = [crypto.randomUUID(), crypto.randomUUID()];
  await base.admin`
    insert into flywheel.withdrawals (delivery_id, available_at)
    values (${asked}, now() + interval '3 days'), (${soon}, now() + interval '4 minutes')
  `;
  await base.admin`update flywheel.doorbell set latest_at = now() + interval '3 days'`;
  await database`select flywheel.tend()`;
  const due = await base.admin`
    select delivery_id, round(extract(epoch from available_at - now()) / 60)::int as minutes
    from (
      select delivery_id, available_at from flywheel.deliveries where user_id = ${user_id}
      union all
      select delivery_id, available_at from flywheel.withdrawals where delivery_id in (${asked}, ${soon})
    ) as d
  `;
  expect(new Map(due.map(({ delivery_id, minutes }) => [delivery_id, minutes]))).toEqual(
    new Map([[decided, 0], [leased, 48 * 60], [carried, 47 * 60], [asked, 5], [soon, 4]]),
  );
  expect(await outbox.lease()).toContain(decided);
});

test("a deliverer that has to wait gives way, and takes what is due later", async () => {
  const { ids } = await outbox.userWithDeliveries(2);
  await base.admin.begin(async (sql) => {
    await sql`lock table flywheel.deliveries in exclusive mode`;
    expect(await outbox.lease()).toBeUndefined();
  });
  expect(await outbox.lease()).toEqual(ids.sort());
});

test("what is superseded is delivered no more, and the app that the user came from is not told", async () => {
  await outbox.configure("aube", "http://127.0.0.1/");
  const user_id = crypto.randomUUID();
  const first = await outbox.ask(user_id, { context: { métier_choisi: "Coach" } });
  const second = await outbox.ask(user_id, { context: { métier_choisi: "Designer UX" } });
  expect(await outbox.of(user_id)).toMatchObject([
    { kind: "transition", transition_id: first, is_due: false },
    { kind: "transition", transition_id: second, is_due: true },
  ]);
});

test("what an app rejects is told to the app that the user came from, whatever reason is given", async () => {
  await outbox.configure("aube", "http://127.0.0.1/");
  const user_id = crypto.randomUUID();
  const transition_id = await outbox.ask(user_id);
  await stepTransition(database, user_id, transition_id, "rejected", "superseded");
  expect(await outbox.of(user_id)).toMatchObject([
    { kind: "transition", app: "cv", is_due: false },
    { kind: "notification", app: "aube", transition_id, is_due: true },
  ]);
});

describe("what becomes of a delivery:", () => {
  /** A transition's delivery, as QStash names it. */
  async function delivery() {
    const user_id = crypto.randomUUID();
    await outbox.ask(user_id);
    return await outbox.only(user_id);
  }

  test("an app's 404 neither makes it delivered nor answers it, whatever its body says", async () => {
    const about = await delivery();
    const body = btoa(JSON.stringify({ status: "accepted" }));
    await hearAnswer(database, about, { status: 404, body });
    expect(await outbox.of(about.user_id)).toMatchObject([{ is_due: true, delivered_at: null }]);
    const [{ status } = {}] = await base.admin`
      select status from public.phoenix_transitions where user_id = ${about.user_id}
    `;
    expect(status).toBe("requested");
  });

  test("an attempt that failed is no silence: QStash has it, and is given as much time again", async () => {
    const about = await delivery();
    expect(await outbox.lease()).toContain(about.delivery_id);
    await outbox.markPublished(about);
    await base
      .admin`update flywheel.deliveries set available_at = now() where delivery_id = ${about.delivery_id}`;
    await hearAnswer(database, about, { status: 503 });
    expect(await outbox.lease() ?? []).not.toContain(about.delivery_id);
    expect(await outbox.of(about.user_id)).toMatchObject([{ is_due: true, delivered_at: null }]);
  });

  test("an answer that has to wait for its user's stream locks nothing meanwhile", async () => {
    const about = await delivery();
    let answering: Promise<unknown> | undefined;
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${about.user_id} for no key update`;
      answering = hearAnswer(database, about, { status: 200 });
      await lockWait(base, "answer_delivery");
      await sql`select from flywheel.deliveries where user_id = ${about.user_id} for update nowait`;
    });
    await answering;
    expect(await outbox.of(about.user_id)).toMatchObject([{ delivered_at: expect.any(Date) }]);
  });

  test("what QStash gives up while its deliverer says that it has it is in QStash since then", async () => {
    const about = await delivery();
    expect(await outbox.lease()).toContain(about.delivery_id);
    const published = async (sql: postgres.ISql) => {
      const [row] = await sql`
        select published_at::text as at, failed_at is not null as has_failed
        from flywheel.deliveries
        where user_id = ${about.user_id}
      `;
      return row!;
    };
    let failing: Promise<unknown> | undefined;
    const marked = await base.superuser.begin(async (sql) => {
      await sql`select flywheel.mark_published(${JSON.stringify([about])}::text::jsonb)`;
      failing = hearFailure(database, about, { status: 503 });
      await lockWait(base, "fail_delivery");
      return await published(sql);
    });
    await failing;
    expect(await published(base.admin)).toEqual({ at: marked.at, has_failed: true });
  });

  test("of why it failed the beginning is kept", async () => {
    const about = await delivery();
    expect(await outbox.lease()).toContain(about.delivery_id);
    await database`
      select flywheel.fail_delivery(${about.user_id}, ${about.delivery_id}, false, ${
      "x".repeat(501)
    })
    `;
    const [{ failure } = {}] = await base.admin`
      select failure from flywheel.deliveries where user_id = ${about.user_id}
    `;
    expect(failure).toBe("x".repeat(500));
  });

  test("once delivered it stays so, whatever is heard of it later", async () => {
    const about = await delivery();
    expect(await outbox.lease()).toContain(about.delivery_id);
    await outbox.markPublished(about);
    await hearAnswer(database, about, { status: 200 });
    const delivered = await outbox.of(about.user_id);
    expect(delivered).toMatchObject([
      { is_due: false, delivered_at: expect.any(Date), failed_at: null },
    ]);
    await hearAnswer(database, about, { status: 200 });
    await hearFailure(database, about, { status: 503 });
    await hearAnswer(database, about, { status: 503 });
    await outbox.markPublished(about);
    expect(await outbox.of(about.user_id)).toEqual(delivered);
  });
});
