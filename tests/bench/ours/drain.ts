/** Drains the backlog with every real reactor, over direct connections, several workers in a process. */
import { processQueue } from "../../../shared/flywheel/process.ts";
import { connect } from "../../../shared/platform/database.ts";
import { race, task } from "../harness/race.ts";
import { batches, newEvents, newUsers } from "../harness/workload.ts";

export interface DrainTask {
  url: string;
  workers: number;
}

const { url, workers } = task<DrainTask>();
const database = connect(url);

async function drain(): Promise<{ events: number }> {
  const done = await Promise.all(
    Array.from({ length: workers }, () => processQueue(database, { log: () => {} })),
  );
  return { events: done.reduce((sum, { processed }) => sum + processed, 0) };
}

for (const events of batches(newEvents(40_000, newUsers(2_000)), 500)) {
  await database`select flywheel.publish(${JSON.stringify({ events })})`;
}
await drain();
await race(drain);
await database.end();
