/** pg-boss: inserts jobs in batches, or drains them in batches, as its documentation has it for high volumes. */
import { PgBoss } from "pg-boss";
import { race, share, task } from "../harness/race.ts";
import { batches, newEvents, newUsers } from "../harness/workload.ts";

const { url, action, events, users, batch, clients } = task();
const queue = "events";

// Nothing in the background: no maintenance, no schedules.
const boss = new PgBoss({
  connectionString: url,
  max: clients,
  supervise: false,
  schedule: false,
  migrate: action === "add",
});
boss.on("error", (error) => {
  throw error;
});
await boss.start();

if (action === "add") {
  await boss.createQueue(queue);
  const jobs = newEvents(events, newUsers(users)).map((event) => ({
    data: event,
  }));
  await race(async () => {
    await share(
      batches(jobs, batch),
      clients,
      (some) => boss.insert(queue, some),
    );
    return { events };
  });
} else {
  // The statements that work() runs, without its pauses.
  const drain = async () => {
    let handled = 0;
    for (;;) {
      const jobs = await boss.fetch(queue, { batchSize: batch });
      if (jobs.length === 0) return handled;
      await boss.complete(queue, jobs.map(({ id }) => id));
      handled += jobs.length;
    }
  };
  const drainAll = () => Promise.all(Array.from({ length: clients }, drain));
  await drainAll();
  await race(async () => {
    const handled = await drainAll();
    return { events: handled.reduce((sum, each) => sum + each, 0) };
  });
}
await boss.stop({ graceful: false });
