/** Emmett's PostgreSQL event store: appends to streams, one call for one user's events. It neither deduplicates nor doorbells. */
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import { race, share, task } from "../harness/race.ts";
import { batches, newStreams, newUsers } from "../harness/workload.ts";

const { url, events, users, batch, clients } = task();

// Its schema is made before the start and not looked at again.
const migration = getPostgreSQLEventStore(url);
await migration.schema.migrate();
await migration.close();
const store = getPostgreSQLEventStore(url, {
  schema: { autoMigration: "None" },
});

const calls = newStreams(events / users, newUsers(users))
  .flatMap((stream) => batches(stream, batch))
  .map(([first, ...rest]) => ({
    at: Math.random(),
    stream: `user-${first.user_id}`,
    messages: [first, ...rest].map((
      { event_id, event_type, app_source, payload, timestamp },
    ) => ({
      type: event_type,
      data: payload,
      metadata: { messageId: event_id, app_source, timestamp },
    })),
  }))
  .sort((a, b) => a.at - b.at);

await Promise.all(
  Array.from(
    { length: clients },
    () => store.streamExists(`user-${crypto.randomUUID()}`),
  ),
);

await race(async () => {
  let conflicts = 0;
  await share(calls, clients, async ({ stream, messages }) => {
    for (;;) {
      try {
        return await store.appendToStream(stream, messages);
      } catch (error) {
        // Two clients met in one stream: its users are told to try again.
        if (
          error?.name !== "ExpectedVersionConflictError" &&
          error?.errorCode !== 412
        ) throw error;
        conflicts++;
      }
    }
  });
  return { events, conflicts };
});
await store.close();
