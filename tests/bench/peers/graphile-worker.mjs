/** graphile-worker: adds jobs in batches, or drains them with an empty task, with the batching that its documentation recommends. */
import { Logger, makeWorkerUtils, runOnce } from "graphile-worker";
import { race, share, task } from "../harness/race.ts";
import { batches, newEvents, newUsers } from "../harness/workload.ts";

const { url, action, events, users, batch, clients } = task();
const logger = new Logger(() => () => {});

if (action === "add") {
  const utils = await makeWorkerUtils({
    connectionString: url,
    maxPoolSize: clients,
    logger,
  });
  await utils.migrate();
  const jobs = newEvents(events, newUsers(users))
    .map((event) => ({ identifier: "fold", payload: event }));
  await race(async () => {
    await share(batches(jobs, batch), clients, (some) => utils.addJobs(some));
    return { events };
  });
  await utils.release();
} else {
  let handled = 0;
  const preset = {
    worker: {
      connectionString: url,
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      logger,
    },
  };
  const taskList = {
    fold() {
      handled++;
    },
  };
  await runOnce({ preset, taskList });
  handled = 0;
  await race(async () => {
    await runOnce({ preset, taskList });
    return { events: handled };
  });
}
