import { z } from "zod";
import type { Instant } from "../clock.ts";
import type { DeliveryResult, Message } from "../message.ts";
import { type Database, json, type Row } from "./database.ts";
import type { Filter } from "./filter.ts";
import { readMessage } from "./messages.ts";

const schema = `
  create table if not exists dead_letters (
    sequence integer primary key autoincrement,
    dlq_id text not null unique,
    message_id text not null unique references messages (message_id) on delete cascade,
    died_at integer not null,
    response_status integer not null,
    response_headers text not null,
    response_body blob not null
  ) strict;
`;

/** A message after its last attempt, with what that attempt brought. */
export interface DeadLetter {
  sequence: number;
  dlqId: string;
  message: Message;
  responseStatus: number;
  responseHeaders: [string, string][];
  responseBody: Uint8Array<ArrayBuffer>;
}

const DeadLetterRow = z.object({
  dead_sequence: z.int(),
  dlq_id: z.string(),
  response_status: z.int(),
  response_headers: z.preprocess(json, z.array(z.tuple([z.string(), z.string()]))),
  response_body: z.instanceof(Uint8Array<ArrayBuffer>),
});

function readDeadLetter(row: Row): DeadLetter {
  const read = DeadLetterRow.parse(row);
  return {
    sequence: read.dead_sequence,
    dlqId: read.dlq_id,
    message: readMessage(row),
    responseStatus: read.response_status,
    responseHeaders: read.response_headers,
    responseBody: read.response_body,
  };
}

export type DeadLetterStore = ReturnType<typeof createDeadLetterStore>;

export function createDeadLetterStore(database: Database) {
  database.execute(schema);
  return {
    /** @returns the new letter's id: its time and a number, as QStash writes them. */
    insert(messageId: string, diedAt: Instant, result: DeliveryResult): string {
      const row = database.first(
        `insert into dead_letters (
           dlq_id, message_id, died_at, response_status, response_headers, response_body
         ) values (
           cast(:diedAt as integer) || '-' || coalesce(
             (select seq from sqlite_sequence where name = 'dead_letters'), 0
           ),
           :messageId, :diedAt, :status, :headers, :body
         )
         returning dlq_id`,
        {
          messageId,
          diedAt,
          status: result.status,
          headers: JSON.stringify([...result.headers]),
          body: result.body,
        },
      );
      return z.string().parse(row?.dlq_id);
    },

    /** Newest first; `before` is the sequence that the page before ended with. */
    list(filter: Filter, limit: number, before = Number.MAX_SAFE_INTEGER): DeadLetter[] {
      return database.all(
        `select m.*, d.*, d.sequence as dead_sequence
         from dead_letters d
         join messages m on m.message_id = d.message_id
         where d.sequence < :before and ${filter.where}
         order by d.sequence desc
         limit :limit`,
        { ...filter.parameters, limit, before },
      ).map(readDeadLetter);
    },

    find(dlqId: string): DeadLetter | undefined {
      const row = database.first(
        `select m.*, d.*, d.sequence as dead_sequence
         from dead_letters d
         join messages m on m.message_id = d.message_id
         where d.dlq_id = :dlqId`,
        { dlqId },
      );
      return row && readDeadLetter(row);
    },
  };
}
