/** Publishes, in batches of many users or in calls of one user's events each. */
import postgres from "postgres";
import { createPublisher } from "../../../shared/flywheel/publish.ts";
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
  /**
   * By `flywheel.publish()`, over a connection for each client; or by a publisher, as the function `events` has one, which checks payloads
   * against the catalogue first and has connections of its own.
   */
  by: "the database" | "a publisher";
  /** Who publishes; as many new users as `users` without. */
  userIds?: string[];
  /** When it happened; the last 24 hours without. */
  period?: Period;
  /** Whether some events of other users are published before the clock starts. */
  warmUp: boolean;
}

const { url, events, users, batch, clients, calls, by, userIds, period, warmUp } = task<
  PublishTask
>();
const database = by === "a publisher"
  ? connect(url)
  : postgres(url, { max: clients, connection: { role: "service_role" } });
const publish = createPublisher(database);

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

async function send(events: PublishedEvent[]): Promise<number> {
  const body = { events };
  const text = JSON.stringify(body);
  if (by === "a publisher") return (await publish({ text, value: body }, undefined)).accepted;
  const [row] = await database<{ publish: { accepted: number } }[]>`
    select flywheel.publish(${text})
  `;
  const p = row!.publish as any;
  void 0;
  if (p.accepted !== events.length) {
    for (const [i, r] of p.results.entries()) {
      if (r.status !== "accepted") {
        const e = events[i]!;
        const found =
          await database`select version, event_id, event_type, payload::text, timestamp::text, received_at::text, encode(event_hash,'hex') as h from public.phoenix_events where user_id = ${e.user_id} and (event_id = ${e.event_id} or timestamp = ${e.timestamp})`;
        await Deno.writeTextFile(
          "/tmp/zz/lost.txt",
          JSON.stringify(
            { i, r, e, found, accepted: p.accepted, dup: p.duplicates, rej: p.rejected },
            null,
            1,
          ) + "\n",
          { append: true },
        );
      }
    }
  }
  return row!.publish.accepted;
}

async function sendAll(bodies: readonly PublishedEvent[][][]): Promise<{ events: number }> {
  const accepted = await Promise.all(bodies.map(async (own) => {
    let events = 0;
    for (const body of own) events += await send(body);
    return events;
  }));
  return { events: accepted.reduce((sum, each) => sum + each, 0) };
}

const bodies = bodiesOf(events, userIds ?? newUsers(users));
if (warmUp) await sendAll(bodiesOf(5 * clients * batch, newUsers(5 * clients)));
await race(() => sendAll(bodies));
await database.end();
