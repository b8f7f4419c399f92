/** Publishes as the function `events` does, in batches of many users or in calls of one user's events each. */
import { createPublisher, type Publish } from "../../../shared/flywheel/publish.ts";
import { connect } from "../../../shared/platform/database.ts";
import { race, task } from "../harness/race.ts";
import {
  batches,
  callsOf,
  newEvents,
  newStreams,
  newUsers,
  type Period,
  type PublishedEvent,
  warmUpOf,
} from "../harness/workload.ts";

export interface PublishTask {
  url: string;
  events: number;
  users: number;
  /** Events a call. */
  batch: number;
  clients: number;
  /** Publishers that the clients share, each with connections of its own; one without. */
  instances?: number;
  /** Whether a call holds one user's events or many users'. */
  calls: "of one user" | "of many users";
  /** Who publishes; as many new users as `users` without. */
  userIds?: string[];
  /** When it happened; the last 24 hours without. */
  period?: Period;
  /** Whether some events of other users are published before the clock starts. */
  warmUp: boolean;
}

const { url, events, users, batch, clients, instances = 1, calls, userIds, period, warmUp } = task<
  PublishTask
>();
const databases = Array.from({ length: instances }, () => connect(url));
const publishers = databases.map((database) => createPublisher(database));

/** What each client publishes. A user's events come from one client, so that they arrive in order, as an app sends them. */
function bodiesOf(events: number, users: readonly string[]): PublishedEvent[][][] {
  return Array.from({ length: clients }, (_, client) => {
    const own = users.filter((_, place) => place % clients === client % users.length);
    const each = events / Math.max(users.length, clients);
    return calls === "of many users"
      ? batches(newEvents(each * own.length, own, period), batch)
      : callsOf(newStreams(each, own, period), batch);
  });
}

async function send(publish: Publish, events: PublishedEvent[]): Promise<number> {
  const body = { events };
  return (await publish({ text: JSON.stringify(body), value: body }, undefined)).accepted;
}

async function sendAll(bodies: readonly PublishedEvent[][][]): Promise<{ events: number }> {
  const accepted = await Promise.all(bodies.map(async (own, client) => {
    const publish = publishers[client % instances]!;
    let events = 0;
    for (const body of own) events += await send(publish, body);
    return events;
  }));
  return { events: accepted.reduce((sum, each) => sum + each, 0) };
}

const bodies = bodiesOf(events, userIds ?? newUsers(users));
if (warmUp) {
  const few = warmUpOf({ events, users, clients });
  await sendAll(bodiesOf(few.events, newUsers(few.users)));
}
await race(() => sendAll(bodies));
await Promise.all(databases.map((database) => database.end()));
