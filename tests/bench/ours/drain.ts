/** Drains the backlog over direct connections, several workers in a process. */
import { reactors } from "../../../shared/domain/reactors/all.ts";
import { processQueue } from "../../../shared/flywheel/process.ts";
import { connect } from "../../../shared/platform/database.ts";
import { race, task } from "../harness/race.ts";
import { batches, newEvents, newUsers } from "../harness/workload.ts";

export interface DrainTask {
  url: string;
  workers: number;
  /** Who folds: every real reactor, or nobody, so that an event is read, counted and ticked off. */
  reactors: "all" | "none";
}

const { url, workers, reactors: folding } = task<DrainTask>();
const database = connect(url);
const options = { log: () => {}, reactors: folding === "all" ? reactors : [] };

async function drain(): Promise<{ events: number }> {
  const done = await Promise.all(
    Array.from({ length: workers }, () => processQueue(database, options)),
  );
  return { events: done.reduce((sum, { processed }) => sum + processed, 0) };
}

for (const events of batches(newEvents(40_000, newUsers(2_000)), 500)) {
  await database`select flywheel.publish(${JSON.stringify({ events })})`;
}
await drain();
await race(drain);
await database.end();
