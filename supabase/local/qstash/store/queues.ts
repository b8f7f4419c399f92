import { z } from "zod";
import type { Instant } from "../clock.ts";
import type { Database } from "./database.ts";

const schema = `
  create table if not exists queues (
    name text primary key,
    parallelism integer not null check (parallelism > 0),
    paused integer not null default 0,
    created_at integer not null,
    updated_at integer not null
  ) strict;
`;

const QueueRow = z.object({
  name: z.string(),
  parallelism: z.int(),
  paused: z.int().transform(Boolean),
  lag: z.int(),
  created_at: z.int(),
  updated_at: z.int(),
}).transform(({ created_at, updated_at, ...queue }) => ({
  ...queue,
  createdAt: created_at,
  updatedAt: updated_at,
}));

/** A queue as the API shows it; `lag` counts its messages that are not done. */
export type Queue = z.infer<typeof QueueRow>;

const selectQueues = `
  select q.*, (
    select count(*) from messages m where m.queue = q.name and m.state <> 'dead'
  ) as lag
  from queues q`;

export type QueueStore = ReturnType<typeof createQueueStore>;

export function createQueueStore(database: Database) {
  database.execute(schema);
  return {
    upsert(name: string, parallelism: number, paused: boolean, now: Instant): void {
      database.run(
        `insert into queues (name, parallelism, paused, created_at, updated_at)
         values (:name, :parallelism, :paused, :now, :now)
         on conflict (name) do update
         set parallelism = excluded.parallelism, paused = excluded.paused, updated_at = :now`,
        { name, parallelism, paused: Number(paused), now },
      );
    },

    /** Makes the queue that a message is enqueued to, with parallelism 1, where there is none. */
    ensure(name: string, now: Instant): void {
      database.run(
        `insert into queues (name, parallelism, created_at, updated_at)
         values (:name, 1, :now, :now)
         on conflict (name) do nothing`,
        { name, now },
      );
    },

    setPaused(name: string, paused: boolean, now: Instant): boolean {
      return database.run(
        "update queues set paused = :paused, updated_at = :now where name = :name",
        { name, paused: Number(paused), now },
      ) > 0;
    },

    find(name: string): Queue | undefined {
      const row = database.first(`${selectQueues} where q.name = :name`, { name });
      return row && QueueRow.parse(row);
    },

    list(): Queue[] {
      return database.all(`${selectQueues} order by q.name`).map((row) => QueueRow.parse(row));
    },

    remove(name: string): void {
      database.run("delete from queues where name = :name", { name });
    },
  };
}
