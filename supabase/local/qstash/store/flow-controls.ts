import type { Instant } from "../clock.ts";
import type { FlowControl } from "../message.ts";
import type { Database } from "./database.ts";

/** The newest limits of each flow-control key, and how many of its messages a period started. */
const schema = `
  create table if not exists flow_controls (
    key text primary key,
    parallelism integer,
    rate integer,
    period integer not null,
    window_ends integer not null default 0,
    started integer not null default 0
  ) strict;
`;

export type FlowControlStore = ReturnType<typeof createFlowControlStore>;

export function createFlowControlStore(database: Database) {
  database.execute(schema);
  return {
    upsert({ key, parallelism, rate, period }: FlowControl): void {
      database.run(
        `insert into flow_controls (key, parallelism, rate, period)
         values (:key, :parallelism, :rate, :period)
         on conflict (key) do update
         set parallelism = excluded.parallelism, rate = excluded.rate, period = excluded.period`,
        { key, parallelism, rate, period },
      );
    },

    countStart(key: string, now: Instant): void {
      database.run(
        `update flow_controls
         set started = case when window_ends > :now then started + 1 else 1 end,
             window_ends = case when window_ends > :now then window_ends else :now + period end
         where key = :key`,
        { key, now },
      );
    },

    /** When the next period begins of a key that has used its rate up. */
    nextWindow(now: Instant): Instant | undefined {
      const row = database.first(
        `select min(window_ends) as window_ends from flow_controls
         where rate <= started and window_ends > :now`,
        { now },
      );
      return typeof row?.window_ends === "number" ? row.window_ends : undefined;
    },
  };
}
