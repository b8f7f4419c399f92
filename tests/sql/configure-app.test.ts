import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hearAnswer, hearFailure } from "../../shared/flywheel/delivery-outcome.ts";
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

describe("an app without an address", () => {
  test("is told nothing", async () => {
    await outbox.configure("rise", null);
    const user_id = crypto.randomUUID();
    await outbox.ask(user_id, { target_app: "rise" });
    expect(await outbox.of(user_id)).toEqual([]);
  });

  test("is told nothing of what was due when it gave its address up", async () => {
    await outbox.configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await outbox.ask(user_id, { target_app: "letters" });
    const { delivery_id } = await outbox.only(user_id);
    await outbox.configure("letters", null);
    expect(await outbox.lease() ?? []).not.toContain(delivery_id);
    await outbox.configure("letters", "http://127.0.0.1/");
    expect(await outbox.lease()).toContain(delivery_id);
  });

  test("has nothing due, which every deliverer would come upon, until it has an address again, and then what is still waited for", async () => {
    await outbox.configure("aube", "http://127.0.0.1/");
    await outbox.configure("letters", "http://127.0.0.1/");
    while (await outbox.lease());
    const [waiting, answered] = [crypto.randomUUID(), crypto.randomUUID()];
    await outbox.ask(waiting, { target_app: "letters" });
    const transition = await outbox.ask(answered, { target_app: "letters" });
    await outbox.configure("letters", null);
    expect(await outbox.lease(), "they were due").toEqual([]);
    expect(await outbox.lease(), "and are no more").toBeUndefined();
    await outbox.configure("letters", null);
    expect(await outbox.lease(), "nor are they made so without an address").toBeUndefined();
    const failed = [{ is_due: false, published_at: null, failed_at: expect.any(Date) }];
    expect(await outbox.of(waiting)).toMatchObject(failed);
    expect(await outbox.of(answered)).toMatchObject(failed);

    await database`select flywheel.step_transition(${answered}, ${transition}, 'accepted')`;
    await outbox.configure("letters", "http://127.0.0.1/");
    expect(await outbox.of(waiting)).toMatchObject([{ is_due: true, failed_at: null }]);
    expect(await outbox.of(answered)).toMatchObject([...failed, {
      app: "aube",
      kind: "notification",
    }]);
  });
});

describe("an app that is configured anew is told what", () => {
  /** A transition's delivery to letters, as a deliverer takes it to hand it over. */
  async function taken() {
    await outbox.configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await outbox.ask(user_id, { target_app: "letters" });
    const about = await outbox.only(user_id);
    expect(await outbox.lease()).toContain(about.delivery_id);
    return about;
  }

  /** One that QStash has taken. */
  async function handedOver() {
    const about = await taken();
    await outbox.markPublished(about);
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

  async function failureOf({ user_id }: { user_id: string }) {
    const [row] = await base
      .admin`select failure from flywheel.deliveries where user_id = ${user_id}`;
    return row!.failure;
  }

  test("QStash was still trying to deliver, and gives up later", async () => {
    const about = await handedOver();
    await outbox.configure("letters", "http://127.0.0.1/right");
    await hearFailure(database, about, { status: 404 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
  });

  test("QStash gives up later, due when QStash takes it for a new one, whatever is heard of attempts before", async () => {
    const about = await handedOver();
    await base.admin`
      update flywheel.deliveries set published_at = published_at - interval '4 minutes' where user_id = ${about.user_id}
    `;
    await outbox.configure("letters", "http://127.0.0.1/right");
    await hearFailure(database, about, { status: 404 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 6 });
    await hearAnswer(database, about, { status: 502 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 6 });
    expect(await failureOf(about)).toBeNull();
  });

  test("QStash was given while the clock was ahead, no later than if it had been given now", async () => {
    const about = await handedOver();
    await base.admin`
      update flywheel.deliveries set published_at = published_at + interval '1 day' where user_id = ${about.user_id}
    `;
    await outbox.configure("letters", "http://127.0.0.1/right");
    await hearFailure(database, about, { status: 404 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
  });

  test("QStash was still trying to deliver, but not once it has no address any more", async () => {
    const about = await handedOver();
    await outbox.configure("letters", null);
    await hearFailure(database, about, { status: 404 });
    expect(await dueIn(about)).toEqual({ failed_at: expect.any(Date), minutes: null });
    expect(await failureOf(about)).toBe("the app answered 404");
  });

  test("QStash gives up later, but not what it gives up again under the same configuration", async () => {
    const about = await handedOver();
    for (let time = 0; time < 2; time++) {
      await hearFailure(database, about, { status: 404 });
      expect(await dueIn(about)).toEqual({ failed_at: expect.any(Date), minutes: null });
    }
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
    await outbox.configure("letters", "http://127.0.0.1/right");
    await hearAnswer(database, about, { status: 502 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
    await hearFailure(database, about, { status: 502 });
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
    // A deliverer whose lease had run out.
    await database`select flywheel.fail_delivery(${about.user_id}, ${about.delivery_id}, false, 'refused')`;
    expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
    expect(await failureOf(about)).toBeNull();
  });

  describe.each(["never", "before the app is configured", "afterwards"])(
    "failed before its deliverer could say that QStash has it, which it says %s:",
    (marked) => {
      const failedSoon = async (about: { user_id: string; delivery_id: string }) => {
        await hearFailure(database, about, { status: 489 });
        if (marked === "before the app is configured") await outbox.markPublished(about);
        await outbox.configure("letters", "http://127.0.0.1/right");
        if (marked === "afterwards") await outbox.markPublished(about);
      };

      test("a transition is told once QStash does not take it for a repetition", async () => {
        const about = await taken();
        await failedSoon(about);
        expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
      });

      test("a notification has been told", async () => {
        const { user_id, ids: [delivery_id] } = await outbox.userWithDeliveries(1);
        await base.admin`update flywheel.deliveries set app = 'letters' where user_id = ${user_id}`;
        expect(await outbox.lease()).toContain(delivery_id);
        await failedSoon({ user_id, delivery_id: delivery_id! });
        expect(await dueIn({ user_id })).toEqual({ failed_at: expect.any(Date), minutes: null });
      });

      test("a transition that fails after the app was configured is told all the same", async () => {
        const about = await taken();
        await outbox.configure("letters", "http://127.0.0.1/right");
        await failedSoon(about);
        expect(await dueIn(about)).toEqual({ failed_at: null, minutes: 10 });
      });
    },
  );

  test("failed before, as long as somebody waits for it, and of a notification only what QStash did not take", async () => {
    const [waiting, over] = [await handedOver(), await handedOver()];
    for (const about of [waiting, over]) await hearFailure(database, about, { status: 502 });
    await base.admin`
      update public.phoenix_transitions
      set requested_at = now() - interval '2 days', expires_at = now() - interval '1 day'
      where user_id = ${over.user_id}
    `;
    const { user_id, ids: [had, refused] } = await outbox.userWithDeliveries(2);
    await base.admin`
      update flywheel.deliveries
      set
        app = 'letters', available_at = null, failed_at = now(),
        published_at = case delivery_id when ${had!} then now() end
      where user_id = ${user_id}
    `;
    await outbox.configure("letters", "http://127.0.0.1/right");
    expect(await dueIn(waiting)).toEqual({ failed_at: null, minutes: 10 });
    expect(await dueIn(over)).toEqual({ failed_at: expect.any(Date), minutes: null });
    const deliveries = await base.admin`
      select delivery_id, available_at is not null as is_due, failed_at is not null as has_failed
      from flywheel.deliveries
      where user_id = ${user_id}
      order by is_due
    `;
    expect(deliveries).toEqual([
      { delivery_id: had, is_due: false, has_failed: true },
      { delivery_id: refused, is_due: true, has_failed: false },
    ]);
  });

  test("failed before, and neither what other apps missed nor what QStash still carries", async () => {
    const { user_id, ids: [missed, others, carried] } = await outbox.userWithDeliveries(3);
    await base.admin`
      update flywheel.deliveries
      set
        app = case delivery_id when ${others!} then 'cv' else 'letters' end,
        configuration = 1,
        available_at = case delivery_id when ${carried!} then now() + interval '2 days' end,
        failed_at = case when delivery_id <> ${carried!} then now() end,
        failure = case when delivery_id <> ${carried!} then 'the app answered 404' end
      where user_id = ${user_id}
    `;
    const deliveries = () =>
      base.admin`select * from flywheel.deliveries where user_id = ${user_id} order by delivery_id`;
    const before = await deliveries();
    await outbox.configure("letters", "http://127.0.0.1/right");
    const after = await deliveries();
    expect([...after]).toEqual(
      before.map((delivery) =>
        delivery.delivery_id === missed
          ? {
            ...delivery,
            available_at: expect.any(Date),
            configuration: null,
            failed_at: null,
            failure: null,
          }
          : delivery
      ),
    );
  });

  test("failed before, and holds up no user of whom nothing is told anew", async () => {
    const { user_id, ids: [others, had, carried] } = await outbox.userWithDeliveries(3);
    await base.admin`
      update flywheel.deliveries
      set
        app = case delivery_id when ${others!} then 'cv' else 'letters' end,
        published_at = case delivery_id when ${had!} then now() end,
        failed_at = case when delivery_id <> ${carried!} then now() end
      where user_id = ${user_id}
    `;
    await base.superuser.begin(async (held) => {
      await held`select from flywheel.streams where user_id = ${user_id} for update`;
      await base.admin.begin(async (sql) => {
        // Where it had to wait for the user, it would fail.
        await sql`set local lock_timeout = '100ms'`;
        await sql`select flywheel.configure_app('letters', 'http://127.0.0.1/right')`;
      });
    });
  });

  test("a deliverer was just giving up because it had no address", async () => {
    await outbox.configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await outbox.ask(user_id, { target_app: "letters" });
    await outbox.configure("letters", null);
    let configuring: Promise<string> | undefined;
    await base.superuser.begin(async (sql) => {
      await sql`select flywheel.lease_deliveries()`;
      configuring = outbox.configure("letters", "http://127.0.0.1/");
      await lockWait(base, "configure_app");
    });
    await configuring;
    expect(await dueIn({ user_id })).toEqual({ failed_at: null, minutes: 0 });
  });

  test("is due while it is being configured", async () => {
    await outbox.configure("letters", "http://127.0.0.1/");
    const user_id = crypto.randomUUID();
    await outbox.ask(user_id, { target_app: "letters" });
    await outbox.configure("letters", null);
    await base.admin.begin(async (sql) => {
      await sql`select flywheel.configure_app('letters', 'http://127.0.0.1/')`;
      expect(await outbox.lease() ?? []).toEqual([]);
    });
    expect(await dueIn({ user_id })).toEqual({ failed_at: null, minutes: 0 });
  });

  test.each(["is configured anew", "is answered"])(
    "failed, but not for a transition that is answered meanwhile: the app %s first",
    async (first) => {
      const about = await handedOver();
      await hearFailure(database, about, { status: 502 });
      const [{ transition_id } = {}] = await outbox.of(about.user_id);
      const reject = (sql: postgres.TransactionSql) =>
        sql`select flywheel.step_transition(${about.user_id}, ${transition_id as string}, 'rejected')`;
      const configureAnew = (sql: postgres.TransactionSql) =>
        sql`select flywheel.configure_app('letters', 'http://127.0.0.1/right')`;
      const [before, after, waiting] = first === "is answered"
        ? [reject, configureAnew, "configure_app"]
        : [configureAnew, reject, "step_transition"];
      let acting: Promise<unknown> | undefined;
      await base.admin.begin(async (sql) => {
        await before(sql);
        acting = database.begin(after);
        await lockWait(base, waiting);
      });
      await acting;
      expect(await outbox.lease() ?? []).not.toContain(about.delivery_id);
      const [told] = await outbox.of(about.user_id);
      expect(told).toMatchObject({ kind: "transition", is_due: false });
    },
  );

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
    await outbox.lease();
    await hearFailure(database, again, { status: 404 });
    expect(await dueIn(again)).toEqual(failed);
  });
});

describe("an app's secret", () => {
  test("is kept until another is given", async () => {
    const first = await outbox.configure("website", "http://127.0.0.1/");
    expect(await outbox.configure("website", null)).toBe(first);
    const second = "a secret of more than 32 characters";
    expect(await outbox.configure("website", "http://127.0.0.1/", second)).toBe(second);
    expect(await outbox.configure("website", "http://127.0.0.1/")).toBe(second);
  });

  test("has at least 32 characters", async () => {
    await expect(outbox.configure("website", null, "x".repeat(31))).rejects.toMatchObject({
      code: "PT400",
      detail: "weak_secret",
    });
    expect(await outbox.configure("website", null, "x".repeat(32))).toHaveLength(32);
  });
});

describe("an app's name and address:", () => {
  test("phoenix_ before the name is no part of it", async () => {
    const secret = await outbox.configure("phoenix_rise", "http://127.0.0.1/prefixed");
    expect(await outbox.configure("rise", "http://127.0.0.1/prefixed")).toBe(secret);
    const apps = await base.admin`
      select app from flywheel.apps where delivery_url = 'http://127.0.0.1/prefixed'
    `;
    expect(apps).toEqual([{ app: "rise" }]);
  });

  test.each(["Rise", "", "phoenix_", "r".repeat(51), null])(
    "%j is no name",
    async (app) => {
      await expect(outbox.configure(app as string, null)).rejects.toMatchObject({
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
    await expect(outbox.configure("rise", url)).rejects.toMatchObject({
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
    await outbox.configure("rise", url);
    const [row] = await base.admin`select delivery_url from flywheel.apps where app = 'rise'`;
    expect(row).toEqual({ delivery_url: url });
  });
});
