import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hearAnswer, hearFailure } from "../../shared/flywheel/delivery-outcome.ts";
import { requestTransition, transitionRequest } from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { lockWait } from "../support/lock-wait.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`
    insert into flywheel.apps (app, delivery_url) values ('cv', 'http://127.0.0.1/')
    on conflict (app) do update set delivery_url = excluded.delivery_url
  `;
});
afterAll(() => base[Symbol.asyncDispose]());

/** A user of whom an app is to be told so many things. */
async function userWithDeliveries(count: number): Promise<{ user_id: string; ids: string[] }> {
  const user_id = crypto.randomUUID();
  const ids = Array.from({ length: count }, () => crypto.randomUUID());
  await base.admin`insert into flywheel.streams (user_id) values (${user_id})`;
  for (const delivery_id of ids) {
    await base.admin`
      insert into flywheel.deliveries (user_id, delivery_id, app, kind, message, created_at, available_at)
      values (${user_id}, ${delivery_id}, 'cv', 'notification', '{}', now(), now())
    `;
  }
  return { user_id, ids };
}

/** Takes what is due: the deliveries' ids. */
async function leaseDeliveries(): Promise<string[] | undefined> {
  const [row] = await database<{ leased: { deliveries: { delivery_id: string }[] } | null }[]>`
    select flywheel.lease_deliveries() as leased
  `;
  return row!.leased?.deliveries.map(({ delivery_id }) => delivery_id).sort();
}

test("a user can be erased while deliveries about them are marked as published", async () => {
  const { user_id, ids: [first, second] } = await userWithDeliveries(2);
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

test("what a deliverer takes while its user is erased is withdrawn", async () => {
  const { user_id, ids } = await userWithDeliveries(2);
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
  const { user_id, ids } = await userWithDeliveries(3);
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
    acting = Promise.all([erasing, configure("cv", "http://127.0.0.1/")]);
    acting.catch(() => {});
    await lockWait(base, "configure_app");
  });
  await acting;
});

test("a delivery that has arrived is withdrawn where it was handed over twice and so may still be on its way", async () => {
  const { user_id, ids: [once, twice] } = await userWithDeliveries(2);
  await base.admin`
    update flywheel.deliveries
    set available_at = null, delivered_at = now(), attempts = case delivery_id when ${twice!} then 2 else 1 end
    where user_id = ${user_id}
  `;
  await base.admin`select flywheel.erase_user(${user_id}, 'they asked for it')`;
  const withdrawn = await base.admin`
    select delivery_id from flywheel.withdrawals where delivery_id in ${base.admin([once!, twice!])}
  `;
  expect(withdrawn).toEqual([{ delivery_id: twice }]);
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

test("a deliverer that has to wait gives way, and takes what is due later", async () => {
  const { ids } = await userWithDeliveries(2);
  await base.admin.begin(async (sql) => {
    await sql`lock table flywheel.deliveries in exclusive mode`;
    expect(await leaseDeliveries()).toBeUndefined();
  });
  expect(await leaseDeliveries()).toEqual(ids.sort());
});

/** Says where an app wants its deliveries, and perhaps its secret: returns the secret in force. */
async function configure(app: string, url: string | null, secret: string | null = null) {
  const [row] = await base.admin<{ secret: string }[]>`
    select flywheel.configure_app(${app}, ${url}, ${secret}) as secret
  `;
  return row!.secret;
}

async function ask(user_id: string, more: object = {}) {
  const { transition_id } = await requestTransition(
    database,
    user_id,
    transitionRequest.parse({ target_app: "cv", ...more }),
  );
  return transition_id;
}

/** The deliveries about a user, oldest first. */
function outboxOf(user_id: string) {
  return base.admin<Record<string, unknown>[]>`
    select
      app, kind, transition_id, available_at is not null as is_due, published_at, delivered_at, failed_at
    from flywheel.deliveries
    where user_id = ${user_id}
    order by created_at
  `;
}

test("what is superseded is delivered no more, and the app that the user came from is not told", async () => {
  await configure("aube", "http://127.0.0.1/");
  const user_id = crypto.randomUUID();
  const first = await ask(user_id, { context: { métier_choisi: "Coach" } });
  const second = await ask(user_id, { context: { métier_choisi: "Designer UX" } });
  expect(await outboxOf(user_id)).toMatchObject([
    { kind: "transition", transition_id: first, is_due: false },
    { kind: "transition", transition_id: second, is_due: true },
  ]);
});

describe("what becomes of a delivery:", () => {
  /** A transition's delivery, as QStash names it. */
  async function delivery() {
    const user_id = crypto.randomUUID();
    await ask(user_id);
    const [row] = await base.admin<{ delivery_id: string }[]>`
      select delivery_id from flywheel.deliveries where user_id = ${user_id}
    `;
    return { user_id, delivery_id: row!.delivery_id };
  }

  test("an app's 404 neither makes it delivered nor answers it, whatever its body says", async () => {
    const about = await delivery();
    const body = btoa(JSON.stringify({ status: "accepted" }));
    await hearAnswer(database, about, { status: 404, body });
    expect(await outboxOf(about.user_id)).toMatchObject([{ is_due: true, delivered_at: null }]);
    const [{ status } = {}] = await base.admin`
      select status from public.phoenix_transitions where user_id = ${about.user_id}
    `;
    expect(status).toBe("requested");
  });

  test("an attempt that failed is no silence: QStash has it, and is given as much time again", async () => {
    const about = await delivery();
    await database`select flywheel.mark_published(${JSON.stringify([about])}::text::jsonb)`;
    await base
      .admin`update flywheel.deliveries set available_at = now() where delivery_id = ${about.delivery_id}`;
    await hearAnswer(database, about, { status: 503 });
    expect(await leaseDeliveries() ?? []).not.toContain(about.delivery_id);
    expect(await outboxOf(about.user_id)).toMatchObject([{ is_due: true, delivered_at: null }]);
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
    expect(await outboxOf(about.user_id)).toMatchObject([{ delivered_at: expect.any(Date) }]);
  });

  test("once delivered it stays so, whatever is heard of it later", async () => {
    const about = await delivery();
    await hearAnswer(database, about, { status: 200 });
    const delivered = await outboxOf(about.user_id);
    expect(delivered).toMatchObject([
      { is_due: false, delivered_at: expect.any(Date), failed_at: null },
    ]);
    await hearAnswer(database, about, { status: 200 });
    await hearFailure(database, about, { status: 503 });
    await hearAnswer(database, about, { status: 503 });
    const published = JSON.stringify([about]);
    await database`select flywheel.mark_published(${published}::text::jsonb)`;
    expect(await outboxOf(about.user_id)).toEqual(delivered);
  });
});

describe("an app without an address", () => {
  test("is told nothing", async () => {
    await configure("rise", null);
    const user_id = crypto.randomUUID();
    await ask(user_id, { target_app: "rise" });
    expect(await outboxOf(user_id)).toEqual([]);
  });

  test("is told nothing of what was due when it gave its address up", async () => {
    await configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await ask(user_id, { target_app: "letters" });
    const [{ delivery_id } = {}] = await base.admin`
      select delivery_id from flywheel.deliveries where user_id = ${user_id}
    `;
    await configure("letters", null);
    expect(await leaseDeliveries() ?? []).not.toContain(delivery_id);
    await configure("letters", "http://127.0.0.1/");
    expect(await leaseDeliveries()).toContain(delivery_id);
  });

  test("has nothing due, which every deliverer would come upon, until it has an address again, and then what is still waited for", async () => {
    while (await leaseDeliveries());
    await configure("letters", "http://127.0.0.1/");
    const [waiting, answered] = [crypto.randomUUID(), crypto.randomUUID()];
    await ask(waiting, { target_app: "letters" });
    const transition = await ask(answered, { target_app: "letters" });
    await configure("letters", null);
    expect(await leaseDeliveries(), "they were due").toEqual([]);
    expect(await leaseDeliveries(), "and are no more").toBeUndefined();
    await configure("letters", null);
    expect(await leaseDeliveries(), "nor are they made so without an address").toBeUndefined();
    const failed = [{ is_due: false, published_at: null, failed_at: expect.any(Date) }];
    expect(await outboxOf(waiting)).toMatchObject(failed);
    expect(await outboxOf(answered)).toMatchObject(failed);

    await database`select flywheel.step_transition(${answered}, ${transition}, 'accepted')`;
    await configure("letters", "http://127.0.0.1/");
    expect(await outboxOf(waiting)).toMatchObject([{ is_due: true, failed_at: null }]);
    expect(await outboxOf(answered)).toMatchObject([...failed, { kind: "notification" }]);
  });
});

describe("an app that is configured anew is told what", () => {
  /** A transition's delivery to letters, as a deliverer hands it over and QStash takes it. */
  async function handedOver() {
    await configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await ask(user_id, { target_app: "letters" });
    const [row] = await base.admin<{ delivery_id: string }[]>`
      select delivery_id from flywheel.deliveries where user_id = ${user_id}
    `;
    const about = { user_id, delivery_id: row!.delivery_id };
    expect(await leaseDeliveries()).toContain(about.delivery_id);
    await database`select flywheel.mark_published(${JSON.stringify([about])}::text::jsonb)`;
    return about;
  }

  /** When a delivery has failed, and in about how many minutes it is due. */
  async function dueIn({ user_id }: { user_id: string }) {
    const [row] = await base.admin`
      select failed_at, round(extract(epoch from available_at - clock_timestamp()) / 60)::int as minutes
      from flywheel.deliveries
      where user_id = ${user_id}
    `;
    return row;
  }

  test("QStash was still trying to deliver, and gives up later", async () => {
    const about = await handedOver();
    await configure("letters", "http://127.0.0.1/right");
    await hearFailure(database, about, { status: 404 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
  });

  test("QStash gives up while it is being configured", async () => {
    const about = await handedOver();
    let failing: Promise<void> | undefined;
    await base.admin.begin(async (sql) => {
      await sql`select flywheel.configure_app('letters', 'http://127.0.0.1/right')`;
      failing = hearFailure(database, about, { status: 404 });
      await lockWait(base, "fail_delivery");
    });
    await failing;
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
  });

  test("failed before, whatever is heard later of earlier attempts", async () => {
    const about = await handedOver();
    await hearFailure(database, about, { status: 502 });
    await configure("letters", "http://127.0.0.1/right");
    await hearAnswer(database, about, { status: 502 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
    await hearFailure(database, about, { status: 502 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
  });

  test("failed before, as long as somebody waits for it, and of a notification only what QStash did not take", async () => {
    const [waiting, over] = [await handedOver(), await handedOver()];
    for (const about of [waiting, over]) await hearFailure(database, about, { status: 502 });
    await base.admin`
      update public.phoenix_transitions
      set requested_at = now() - interval '2 days', expires_at = now() - interval '1 day'
      where user_id = ${over.user_id}
    `;
    const { user_id, ids: [had, refused] } = await userWithDeliveries(2);
    await base.admin`
      update flywheel.deliveries
      set
        app = 'letters', available_at = null, failed_at = now(),
        published_at = case delivery_id when ${had!} then now() end
      where user_id = ${user_id}
    `;
    await configure("letters", "http://127.0.0.1/right");
    expect(await dueIn(waiting)).toEqual({ failed_at: null, minutes: 10 });
    expect(await dueIn(over)).toEqual({ failed_at: expect.any(Date), minutes: null });
    const due = await base.admin`
      select delivery_id from flywheel.deliveries where user_id = ${user_id} and available_at is not null
    `;
    expect(due).toEqual([{ delivery_id: refused }]);
  });

  test("a deliverer was just giving up because it had no address", async () => {
    await configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await ask(user_id, { target_app: "letters" });
    await configure("letters", null);
    let configuring: Promise<string> | undefined;
    await base.superuser.begin(async (sql) => {
      await sql`select flywheel.lease_deliveries()`;
      configuring = configure("letters", "http://127.0.0.1/");
      await lockWait(base, "configure_app");
    });
    await configuring;
    expect(await dueIn({ user_id })).toEqual({ failed_at: null, minutes: 0 });
  });

  test("is due while it is being configured", async () => {
    await configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await ask(user_id, { target_app: "letters" });
    await configure("letters", null);
    await base.admin.begin(async (sql) => {
      await sql`select flywheel.configure_app('letters', 'http://127.0.0.1/')`;
      expect(await leaseDeliveries() ?? []).toEqual([]);
    });
    expect(await dueIn({ user_id })).toEqual({ failed_at: null, minutes: 0 });
  });

  test("failed, but not what fails again at its new address, or what nobody waits for", async () => {
    const [again, over] = [await handedOver(), await handedOver()];
    await base.admin`
      update public.phoenix_transitions
      set requested_at = now() - interval '2 days', expires_at = now() - interval '1 day'
      where user_id = ${over.user_id}
    `;
    await hearFailure(database, again, { status: 404 });
    await hearFailure(database, over, { status: 404 });
    const failed = { failed_at: expect.any(Date), minutes: null };
    expect(await dueIn(again)).toEqual({ failed_at: null, minutes: 10 });
    expect(await dueIn(over)).toEqual(failed);
    await base
      .admin`update flywheel.deliveries set available_at = now() where delivery_id = ${again.delivery_id}`;
    await leaseDeliveries();
    await hearFailure(database, again, { status: 404 });
    expect(await dueIn(again)).toEqual(failed);
  });
});

describe("an app's secret", () => {
  test("is kept until another is given", async () => {
    const first = await configure("website", "http://127.0.0.1/");
    expect(await configure("website", null)).toBe(first);
    const second = "a secret of more than 32 characters";
    expect(await configure("website", "http://127.0.0.1/", second)).toBe(second);
    expect(await configure("website", "http://127.0.0.1/")).toBe(second);
  });

  test("has at least 32 characters", async () => {
    await expect(configure("website", null, "x".repeat(31))).rejects.toMatchObject({
      code: "PT400",
      detail: "weak_secret",
    });
    expect(await configure("website", null, "x".repeat(32))).toHaveLength(32);
  });
});

describe("an app's name and address:", () => {
  test("phoenix_ before the name is no part of it", async () => {
    const secret = await configure("phoenix_rise", "http://127.0.0.1/prefixed");
    expect(await configure("rise", "http://127.0.0.1/prefixed")).toBe(secret);
    const apps = await base.admin`
      select app from flywheel.apps where delivery_url = 'http://127.0.0.1/prefixed'
    `;
    expect(apps).toEqual([{ app: "rise" }]);
  });

  test.each(["Rise", "", "phoenix_", "r".repeat(51), null])(
    "%j is no name",
    async (app) => {
      await expect(configure(app as string, null)).rejects.toMatchObject({
        code: "PT400",
        detail: "invalid_app",
      });
    },
  );

  test.each([
    "ftp://rise.example/",
    "rise.example",
    "https://",
    "https://rise.example/a b",
    "https://hook:key@rise.example/phoenix",
    "https://hook@rise.example",
    "https://hook:a\\b@rise.example",
  ])("%j is no address", async (url) => {
    await expect(configure("rise", url)).rejects.toMatchObject({
      code: "PT400",
      detail: "invalid_delivery_url",
    });
  });

  test.each([
    "https://rise.example",
    "http://127.0.0.1:9/",
    "http://[::1]:9?to=rise",
    "https://rise.example/@phoenix?to=a@b#c",
  ])("%j is one", async (url) => {
    await configure("rise", url);
    const [row] = await base.admin`select delivery_url from flywheel.apps where app = 'rise'`;
    expect(row).toEqual({ delivery_url: url });
  });
});
