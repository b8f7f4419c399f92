import { describe, expect, test } from "vitest";
import { lease } from "../../shared/flywheel/lease.ts";
import { queueStatus } from "../../shared/flywheel/queue.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import { testDatabase } from "../support/database.ts";
import { counting, event, pass, publish } from "../support/flywheel.ts";

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
