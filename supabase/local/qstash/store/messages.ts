import { z } from "zod";
import type { Instant } from "../clock.ts";
import { type Message, MessageOptions, type NewMessage } from "../message.ts";
import { type Database, json, type Row } from "./database.ts";
import type { Filter } from "./filter.ts";

/**
 * Every message that is not done: `waiting` for its next attempt, `active` in one, or `dead` after
 * its last. The columns beside `options` are those that queries look at.
 */
const schema = `
  create table if not exists messages (
    sequence integer primary key autoincrement,
    message_id text not null unique,
    state text not null default 'waiting' check (state in ('waiting', 'active', 'dead')),
    url text not null,
    host text not null,
    path text not null,
    queue text,
    position integer not null,
    schedule_id text,
    caller_ip text not null,
    flow_control_key text,
    labels text not null,
    options text not null,
    body blob not null,
    created_at integer not null,
    not_before integer not null,
    due_at integer not null,
    retried integer not null default 0
  ) strict;
  create index if not exists messages_due on messages (due_at, sequence)
    where state = 'waiting' and queue is null;
  create index if not exists messages_queue on messages (queue, position, sequence)
    where state <> 'dead' and queue is not null;
  create index if not exists messages_flow on messages (flow_control_key)
    where state = 'active';
`;

const MessageRow = z.object({
  message_id: z.string(),
  url: z.string(),
  queue: z.string().nullable(),
  position: z.int(),
  schedule_id: z.string().nullable(),
  caller_ip: z.string(),
  options: z.preprocess(json, MessageOptions),
  body: z.instanceof(Uint8Array<ArrayBuffer>),
  created_at: z.int(),
  not_before: z.int(),
  retried: z.int(),
}).transform((row): Message => ({
  messageId: row.message_id,
  url: row.url,
  queue: row.queue,
  position: row.position,
  scheduleId: row.schedule_id,
  callerIp: row.caller_ip,
  options: row.options,
  body: row.body,
  createdAt: row.created_at,
  notBefore: row.not_before,
  retried: row.retried,
}));

export const readMessage = (row: Row): Message => MessageRow.parse(row);

/** True where the flow control of `m` would let another of its messages start at `:now`. */
const flowAllows = `
  not exists (
    select 1
    from flow_controls f
    where f.key = m.flow_control_key
      and (
        (
          f.parallelism is not null
          and f.parallelism <= (
            select count(*)
            from messages a
            where a.flow_control_key = f.key and a.state = 'active'
          )
        )
        or (f.rate is not null and f.started >= f.rate and f.window_ends > :now)
      )
  )`;

export type MessageStore = ReturnType<typeof createMessageStore>;

export function createMessageStore(database: Database) {
  database.execute(schema);
  // What was in flight when the process ended has no known outcome: it is delivered again.
  database.run("update messages set state = 'waiting' where state = 'active'");

  return {
    insert(
      message: NewMessage & { messageId: string; createdAt: Instant; notBefore: Instant },
      position: number | null,
    ): void {
      const { host, pathname } = new URL(message.url);
      database.run(
        `insert into messages (
           message_id, url, host, path, queue, position, schedule_id, caller_ip,
           flow_control_key, labels, options, body, created_at, not_before, due_at
         ) values (
           :messageId, :url, :host, :path, :queue,
           coalesce(:position, (select coalesce(max(sequence), 0) + 1 from messages)),
           :scheduleId, :callerIp, :flowControlKey, :labels, :options, :body, :createdAt,
           :notBefore, :notBefore
         )`,
        {
          messageId: message.messageId,
          url: message.url,
          host,
          path: pathname,
          queue: message.queue,
          position,
          scheduleId: message.scheduleId,
          callerIp: message.callerIp,
          flowControlKey: message.options.flowControl?.key ?? null,
          labels: JSON.stringify(message.options.labels),
          options: JSON.stringify(message.options),
          body: message.body,
          createdAt: message.createdAt,
          notBefore: message.notBefore,
        },
      );
    },

    find(messageId: string): Message | undefined {
      const row = database.first(
        "select * from messages where message_id = :messageId and state <> 'dead'",
        { messageId },
      );
      return row && readMessage(row);
    },

    list(filter: Filter, limit: number): Message[] {
      return database.all(
        `select m.* from messages m
         where m.state <> 'dead' and ${filter.where}
         order by m.sequence
         limit :limit`,
        { ...filter.parameters, limit },
      ).map(readMessage);
    },

    /**
     * Claims one message whose time has come and that its queue and flow control let start.
     *
     * A queue's messages that may be delivered hold its first `parallelism` places until they are
     * delivered or dead, so that what follows waits for retries too.
     */
    claim(now: Instant): Message | undefined {
      return database.transaction(() => {
        let row = database.first(
          `select m.* from messages m
           where m.state = 'waiting' and m.queue is null and m.due_at <= :now and ${flowAllows}
           order by m.due_at, m.sequence
           limit 1`,
          { now },
        );
        for (
          const queue of row
            ? []
            : database.all("select name, parallelism from queues where not paused")
        ) {
          row = database.first(
            `select m.* from (
               select * from messages
               where queue = :queue and state <> 'dead' and not_before <= :now
               order by position, sequence
               limit :parallelism
             ) m
             where m.state = 'waiting' and m.due_at <= :now and ${flowAllows}
             limit 1`,
            { now, queue: queue.name ?? null, parallelism: queue.parallelism ?? null },
          );
          if (row) break;
        }
        if (!row) return undefined;
        const message = readMessage(row);
        database.run("update messages set state = 'active' where message_id = :messageId", {
          messageId: message.messageId,
        });
        return message;
      });
    },

    /** When the next message is due that is not due yet. */
    nextDue(now: Instant): Instant | undefined {
      const row = database.first(
        "select min(due_at) as due_at from messages where state = 'waiting' and due_at > :now",
        { now },
      );
      return typeof row?.due_at === "number" ? row.due_at : undefined;
    },

    retryAt(messageId: string, dueAt: Instant): void {
      database.run(
        `update messages set state = 'waiting', retried = retried + 1, due_at = :dueAt
         where message_id = :messageId`,
        { messageId, dueAt: Math.round(dueAt) },
      );
    },

    bury(messageId: string): void {
      database.run("update messages set state = 'dead' where message_id = :messageId", {
        messageId,
      });
    },

    /** Forgets a message, and its dead letter where it has one. */
    remove(messageId: string): void {
      database.run("delete from messages where message_id = :messageId", { messageId });
    },
  };
}
