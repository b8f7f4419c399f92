import { z } from "zod";
import type { Instant } from "../clock.ts";
import { MessageOptions } from "../message.ts";
import { type Database, json, type Row } from "./database.ts";

const schema = `
  create table if not exists schedules (
    schedule_id text primary key,
    cron text not null,
    url text not null,
    queue text,
    caller_ip text not null,
    options text not null,
    body blob not null,
    paused integer not null default 0,
    created_at integer not null,
    next_at integer not null,
    last_at integer,
    last_message_id text,
    last_state text check (last_state in ('IN_PROGRESS', 'SUCCESS', 'FAIL'))
  ) strict;
`;

const ScheduleRow = z.object({
  schedule_id: z.string(),
  cron: z.string(),
  url: z.string(),
  queue: z.string().nullable(),
  caller_ip: z.string(),
  options: z.preprocess(json, MessageOptions),
  body: z.instanceof(Uint8Array<ArrayBuffer>),
  paused: z.int().transform(Boolean),
  created_at: z.int(),
  next_at: z.int(),
  last_at: z.int().nullable(),
  last_message_id: z.string().nullable(),
  last_state: z.string().nullable(),
}).transform((row) => ({
  scheduleId: row.schedule_id,
  cron: row.cron,
  url: row.url,
  queue: row.queue,
  callerIp: row.caller_ip,
  options: row.options,
  body: row.body,
  paused: row.paused,
  createdAt: row.created_at,
  nextAt: row.next_at,
  lastAt: row.last_at,
  lastMessageId: row.last_message_id,
  lastState: row.last_state,
}));

export type Schedule = z.infer<typeof ScheduleRow>;

export const readSchedule = (row: Row): Schedule => ScheduleRow.parse(row);

export type NewSchedule = Pick<
  Schedule,
  "scheduleId" | "cron" | "url" | "queue" | "callerIp" | "options" | "body" | "createdAt" | "nextAt"
>;

export type ScheduleStore = ReturnType<typeof createScheduleStore>;

export function createScheduleStore(database: Database) {
  database.execute(schema);
  return {
    /** Creates the schedule, or gives an existing one new settings and leaves it paused or not. */
    upsert(schedule: NewSchedule): void {
      database.run(
        `insert into schedules (
           schedule_id, cron, url, queue, caller_ip, options, body, created_at, next_at
         ) values (
           :scheduleId, :cron, :url, :queue, :callerIp, :options, :body, :createdAt, :nextAt
         )
         on conflict (schedule_id) do update
         set cron = excluded.cron, url = excluded.url, queue = excluded.queue,
             caller_ip = excluded.caller_ip, options = excluded.options, body = excluded.body,
             next_at = excluded.next_at`,
        { ...schedule, options: JSON.stringify(schedule.options) },
      );
    },

    find(scheduleId: string): Schedule | undefined {
      const row = database.first("select * from schedules where schedule_id = :scheduleId", {
        scheduleId,
      });
      return row && readSchedule(row);
    },

    list(): Schedule[] {
      return database.all("select * from schedules order by created_at, schedule_id")
        .map(readSchedule);
    },

    due(now: Instant): Schedule[] {
      return database.all("select * from schedules where next_at <= :now order by next_at", { now })
        .map(readSchedule);
    },

    nextDue(): Instant | undefined {
      const row = database.first("select min(next_at) as next_at from schedules");
      return typeof row?.next_at === "number" ? row.next_at : undefined;
    },

    reschedule(scheduleId: string, nextAt: Instant): void {
      database.run("update schedules set next_at = :nextAt where schedule_id = :scheduleId", {
        scheduleId,
        nextAt,
      });
    },

    recordRun(scheduleId: string, lastAt: Instant, messageId: string): void {
      database.run(
        `update schedules
         set last_at = :lastAt, last_message_id = :messageId, last_state = 'IN_PROGRESS'
         where schedule_id = :scheduleId`,
        { scheduleId, lastAt, messageId },
      );
    },

    recordOutcome(messageId: string, state: "SUCCESS" | "FAIL"): void {
      database.run("update schedules set last_state = :state where last_message_id = :messageId", {
        messageId,
        state,
      });
    },

    setPaused(scheduleId: string, paused: boolean): boolean {
      return database.run(
        "update schedules set paused = :paused where schedule_id = :scheduleId",
        { scheduleId, paused: Number(paused) },
      ) > 0;
    },

    remove(scheduleId: string): void {
      database.run("delete from schedules where schedule_id = :scheduleId", { scheduleId });
    },
  };
}
