/** Emmett's PostgreSQL event store: appends to streams, one call for one user's events. It neither deduplicates nor doorbells. */
import { isExpectedVersionConflictError } from "@event-driven-io/emmett";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import { race, share, task } from "../harness/race.ts";
import { callsOf, newStreams, newUsers, warmUpOf } from "../harness/workload.ts";

const { url, events, users, batch, clients } = task();

// Its schema is made before the start and not looked at again.
const migration = getPostgreSQLEventStore(url);
await migration.schema.migrate();
await migration.close();
const store = getPostgreSQLEventStore(url, {
  schema: { autoMigration: "None" },
});

const appendsOf = (events, users) =>
  callsOf(newStreams(events / users, newUsers(users)), batch)
    .map((call) => ({
      name: `user-${call[0].user_id}`,
      messages: call.map(({ event_id, event_type, app_source, payload, timestamp }) => ({
        type: event_type,
        data: payload,
        metadata: { messageId: event_id, app_source, timestamp },
      })),
    }));

async function append(calls) {
  let conflicts = 0;
  await share(calls, clients, async ({ name, messages }) => {
    for (;;) {
      try {
        return await store.appendToStream(name, messages);
      } catch (error) {
        // Two clients met in one stream: its user has to try again.
        if (!isExpectedVersionConflictError(error)) throw error;
        conflicts++;
      }
    }
  });
  return { events, conflicts };
}

const calls = appendsOf(events, users);
const few = warmUpOf({ events, users, clients });
await append(appendsOf(few.events, few.users));
await race(() => append(calls));
await store.close();
