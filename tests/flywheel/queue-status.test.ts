import { describe, expect, test } from "vitest";
import { lease } from "../../shared/flywheel/lease.ts";
import { createPendingEvents, queueStatus } from "../../shared/flywheel/queue.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import { testDatabase } from "../support/database.ts";
import { counting, event, pass, publish } from "../support/flywheel.ts";
import { workerClock } from "../support/worker-clock.ts";

describe("the queue's status", () => {
  test("says how long the user who waits longest has waited", async () => {
    await using own = await testDatabase();
    const publisher = own.connect();
    const [patient, other] = [crypto.randomUUID(), crypto.randomUUID()];
    await publish(publisher, [event(patient), event(other)]);
    await own.admin`
      update flywheel.streams set pending_since = pending_since - interval '1 hour' where user_id = ${patient}
    `;
    const { oldest_pending_seconds } = await queueStatus(publisher);
    expect(oldest_pending_seconds).toBeGreaterThanOrEqual(3600);
    expect(oldest_pending_seconds).toBeLessThan(3660);
  });

  test("counts users as leased until their lease is over, and as pending all the while", async () => {
    await using own = await testDatabase();
    const worker = own.connect();
    await publish(worker, [event(crypto.randomUUID()), event(crypto.randomUUID())]);
    const counts = async () => {
      const { pending_users, leased_users } = await queueStatus(worker);
      return { pending_users, leased_users };
    };
    expect(await counts()).toEqual({ pending_users: 2, leased_users: 0 });
    await lease(worker, shapeOfWork([counting]));
    expect(await counts()).toEqual({ pending_users: 2, leased_users: 2 });
    await pass(own.admin, "1 hour");
    expect(await counts()).toEqual({ pending_users: 2, leased_users: 0 });
  });

  test("counts whoever was leased between the question's arrival and the look", async () => {
    await using own = await testDatabase();
    await own.admin`update flywheel.settings set lease_time = '1 hour'`;
    await publish(own.connect(), event(crypto.randomUUID()));
    // Both arrive at once.
    const [, status] = await own.admin.unsafe(`
      select flywheel.lease('');
      select flywheel.queue_status() ->> 'pending_users' as pending_users, flywheel.pending_events()
    `) as unknown as Record<string, string>[][];
    expect(status).toEqual([{ pending_users: "1", pending_events: "1" }]);
  });
});

describe("what remains", () => {
  async function withBacklog() {
    const own = await testDatabase();
    await own.admin`
      insert into flywheel.streams (user_id, version, available_at, pending_since)
      values (${crypto.randomUUID()}, 0, now(), now())
    `;
    const setEvents = (events: number) =>
      own.admin`update flywheel.streams set version = ${events}`;
    return { own, setEvents };
  }

  test("is counted at each call while it is little", async () => {
    const { own, setEvents } = await withBacklog();
    await using _ = own;
    const pendingEvents = createPendingEvents(own.connect());
    for (const events of [9_999, 3, 0]) {
      await setEvents(events);
      expect(await pendingEvents()).toBe(events);
    }
  });

  test("is counted now and then while it is much, and then once for all who ask", async () => {
    const { own, setEvents } = await withBacklog();
    await using _ = own;
    using clock = workerClock();
    let counts = 0;
    const database = new Proxy(own.connect(), {
      apply(target, _, args) {
        counts++;
        return Reflect.apply(target, undefined, args);
      },
    });
    const pendingEvents = createPendingEvents(database);
    await setEvents(10_000);
    expect(await pendingEvents()).toBe(10_000);
    await setEvents(7);
    expect(await pendingEvents()).toBe(10_000);
    expect(counts).toBe(1);
    clock.advance(5_000);
    expect(await Promise.all(Array.from({ length: 8 }, pendingEvents))).toEqual(Array(8).fill(7));
    expect(counts).toBe(2);
    await setEvents(8);
    expect(await pendingEvents()).toBe(8);
  });

  test("is counted anew where a count has failed", async () => {
    const { own, setEvents } = await withBacklog();
    await using _ = own;
    using clock = workerClock();
    const pendingEvents = createPendingEvents(own.connect());
    await setEvents(10_000);
    await pendingEvents();
    clock.advance(5_000);
    await own.admin`alter function flywheel.pending_events() rename to pending_events_away`;
    await expect(pendingEvents()).rejects.toThrow("flywheel.pending_events");
    await own.admin`alter function flywheel.pending_events_away() rename to pending_events`;
    expect(await pendingEvents()).toBe(10_000);
  });
});
