import { z } from "zod";
import type { Instant } from "../clock.ts";
import type { Message } from "../message.ts";
import { type Database, json } from "./database.ts";
import type { Filter } from "./filter.ts";

const entriesKept = 10_000;

const schema = `
  create table if not exists logs (
    sequence integer primary key autoincrement,
    time integer not null,
    state text not null,
    message_id text not null,
    url text not null,
    host text not null,
    path text not null,
    queue text,
    schedule_id text,
    caller_ip text not null,
    flow_control_key text,
    labels text not null,
    entry text not null
  ) strict;
`;

export type LogState =
  | "CREATED"
  | "ACTIVE"
  | "DELIVERED"
  | "ERROR"
  | "RETRY"
  | "FAILED"
  | "CANCELED";

const LogRow = z.object({
  sequence: z.int(),
  entry: z.preprocess(json, z.record(z.string(), z.json())),
});

export type LogStore = ReturnType<typeof createLogStore>;

export function createLogStore(database: Database) {
  database.execute(schema);
  return {
    /** Appends one entry and lets go of the oldest beyond the newest ten thousand. */
    append(message: Message, state: LogState, time: Instant, entry: object): void {
      const { host, pathname } = new URL(message.url);
      database.run(
        `insert into logs (
           time, state, message_id, url, host, path, queue, schedule_id, caller_ip,
           flow_control_key, labels, entry
         ) values (
           :time, :state, :messageId, :url, :host, :path, :queue, :scheduleId, :callerIp,
           :flowControlKey, :labels, :entry
         )`,
        {
          time,
          state,
          messageId: message.messageId,
          url: message.url,
          host,
          path: pathname,
          queue: message.queue,
          scheduleId: message.scheduleId,
          callerIp: message.callerIp,
          flowControlKey: message.options.flowControl?.key ?? null,
          labels: JSON.stringify(message.options.labels),
          entry: JSON.stringify(entry),
        },
      );
      database.run(
        "delete from logs where sequence <= (select max(sequence) from logs) - :entriesKept",
        { entriesKept },
      );
    },

    /** Newest first; `before` is the sequence that the page before ended with. */
    list(filter: Filter, limit: number, before = Number.MAX_SAFE_INTEGER) {
      return database.all(
        `select m.sequence, m.entry from logs m
         where m.sequence < :before and ${filter.where}
         order by m.sequence desc
         limit :limit`,
        { ...filter.parameters, limit, before },
      ).map((row) => LogRow.parse(row));
    },
  };
}
