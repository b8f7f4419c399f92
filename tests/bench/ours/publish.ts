/** Publishes through `flywheel.publish()`, in batches of many users or in calls of one user's events each. */
import { connect } from "../../../shared/platform/database.ts";
import { publish } from "../../../shared/flywheel/publish.ts";
import { race, share, task } from "../harness/race.ts";
import {
  batches,
  newEvents,
  newStreams,
  newUsers,
  type PublishedEvent,
} from "../harness/workload.ts";

export interface PublishTask {
  url: string;
  events: number;
  users: number;
  /** Events a call. */
  batch: number;
  clients: number;
  /** Whether a call holds one user's events or many users'. */
  calls: "of one user" | "of many users";
  /** Whether payloads are checked against the catalogue first, as the function `events` does. */
  checked?: boolean;
  /** Who publishes; as many new users as `users` without. */
  userIds?: string[];
}

const { url, events, users, batch, clients, calls, checked, userIds } = task<
  PublishTask
>();
const who = userIds ?? newUsers(users);
const bodies = calls === "of many users" ? batches(newEvents(events, who), batch) : shuffled(
  newStreams(events / who.length, who).flatMap((stream) => batches(stream, batch)),
);

const database = connect(url);
await Promise.all(
  Array.from({ length: clients }, () => database`select pg_sleep(0.01)`),
);

async function send(events: PublishedEvent[]): Promise<number> {
  const body = { events };
  const text = JSON.stringify(body);
  if (checked) {
    return (await publish(database, { text, value: body }, undefined)).accepted;
  }
  const [row] = await database<{ publish: { accepted: number } }[]>`
    select flywheel.publish(${text}::text::jsonb)
  `;
  return row!.publish.accepted;
}

await race(async () => {
  let accepted = 0;
  await share(bodies, clients, async (body) => {
    const now = await send(body);
    accepted += now;
  });
  return { events: accepted };
});
await database.end();

function shuffled<Item>(items: Item[]): Item[] {
  return items.map((item) => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
