/** Drains the backlog with every real reactor, over direct connections, one worker a connection. */
import { processQueue } from "../../../shared/flywheel/process.ts";
import { connect } from "../../../shared/platform/database.ts";
import { race, task } from "../harness/race.ts";

export interface DrainTask {
  url: string;
  workers: number;
}

const { url, workers } = task<DrainTask>();
const database = connect(url);
await Promise.all(
  Array.from({ length: workers }, () => database`select pg_sleep(0.01)`),
);

await race(async () => {
  const done = await Promise.all(
    Array.from(
      { length: workers },
      () => processQueue(database, { log: () => {} }),
    ),
  );
  const total = (count: (each: typeof done[number]) => number) =>
    done.reduce((sum, each) => sum + count(each), 0);
  return {
    events: total(({ processed }) => processed),
    failed: total(({ failed }) => failed),
    nudges: total(({ nudges }) => nudges),
  };
});
await database.end();
