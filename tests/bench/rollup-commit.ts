import { reactors } from "../../shared/domain/reactors/all.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { createPublisher } from "../../shared/flywheel/publish.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import { connect, type Database } from "../../shared/platform/database.ts";
import { mergeAll } from "../support/rollups.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, median, ratio, timed } from "./harness/measure.ts";
import { withSettings } from "./harness/with-settings.ts";
import { newEvents, newUsers, type PublishedEvent } from "./harness/workload.ts";

const day = 86_400_000;
const usersAtOnce = 100;

/** What counting for the analysts adds to a commit: the same commits with and without it, in turns. */
export const rollupCommit: Suite = {
  name: "rollup-commit",
  measures: ["rollup_commit_cost"],
  async measure(bench) {
    await bench.reset();
    await bench.admin.unsafe(await bareCommit(bench));
    const database = connect(bench.stack.env.DB_URL);
    const settings = { lease_users: usersAtOnce, lease_events: 100 };
    try {
      return await withSettings(bench, settings, async () => {
        const groups = bench.quick ? 2 : 30;
        bench.progress("rollup commit: what happens now");
        const live = await race(bench, database, {
          groups,
          rounds: 4,
          events: 1,
          days: 0,
        });
        bench.progress("rollup commit: a backlog of 90 days");
        const backlog = await race(bench, database, {
          groups,
          rounds: 1,
          events: 10,
          days: 90,
        });
        const merge = await timed(() => mergeAll(database));
        bench.progress("rollup commit: in no order");
        const late = await race(bench, database, {
          groups,
          rounds: 2,
          events: 1,
          days: 1,
        });
        return [
          ratio("rollup_commit_cost", live.counted / live.bare, "lower", {
            reach: 1.25,
            aim: 1.1,
          }),
          figure(
            "rollup_backlog_commit_cost",
            backlog.counted / backlog.bare,
            "×",
            "lower",
          ),
          figure(
            "rollup_late_commit_cost",
            late.counted / late.bare,
            "×",
            "lower",
          ),
          figure("commit_time", live.counted, "ms", "lower"),
          figure("rollup_merge_time", merge / backlog.commits, "ms", "lower"),
        ];
      });
    } finally {
      await database.end();
      await bench
        .admin`drop function flywheel.commit_uncounted(uuid, text, jsonb, json, jsonb, text, bigint)`;
      await bench.reset();
    }
  },
};

/** The real commit without what it does for the analysts, under another name. */
async function bareCommit({ admin }: Bench): Promise<string> {
  const [row] = await admin<{ definition: string }[]>`
    select pg_get_functiondef('flywheel.commit(uuid, text, jsonb, json, jsonb, text, bigint)'::regprocedure) as definition
  `;
  const bare = row!.definition
    .replace("flywheel.commit(", "flywheel.commit_uncounted(")
    .replace("commit.token", "commit_uncounted.token")
    .replace("commit.shape", "commit_uncounted.shape")
    .replace(/^.*flywheel\.write_increments\([^;]*;$/m, "")
    .replace(/^.*flywheel\.write_activity\([^;]*;$/m, "null;");
  if (/write_increments|write_activity/.test(bare)) {
    throw new Error("The commit cannot be stripped of its counting.");
  }
  return `${bare}; grant execute on function flywheel.commit_uncounted to service_role`;
}

interface Load {
  /** How many hundreds of users. */
  groups: number;
  /** How often each user has something new; only the last times are measured, where users are known already. */
  rounds: number;
  /** Events a user and round. */
  events: number;
  days: number;
}

/** Commits of a hundred users each, by turns counted and uncounted: @returns the medians in milliseconds */
async function race(
  bench: Bench,
  database: Database,
  { groups, rounds, events, days }: Load,
) {
  const publish = createPublisher(database);
  const taken = { counted: [] as number[], bare: [] as number[] };
  const users = Array.from({ length: 2 * groups }, () => newUsers(usersAtOnce));
  for (let round = 0; round < rounds; round++) {
    for (const [index, group] of users.entries()) {
      bench.signal.throwIfAborted();
      const isCounted = index % 2 === 0;
      const published = spread(newEvents(events * usersAtOnce, group), days);
      for (
        let first = 0;
        first < published.length;
        first += bench.sizes.batch
      ) {
        const body = {
          events: published.slice(first, first + bench.sizes.batch),
        };
        await publish({ text: JSON.stringify(body), value: body }, undefined);
      }
      const milliseconds = await commitGroup(database, isCounted);
      if (round > 0 || rounds === 1) {
        taken[isCounted ? "counted" : "bare"].push(milliseconds);
      }
    }
  }
  return {
    counted: median(taken.counted),
    bare: median(taken.bare),
    commits: taken.counted.length,
  };
}

/** The events with random times within the last days, or with now where there are no days, in order. */
function spread(events: PublishedEvent[], days: number): PublishedEvent[] {
  const now = Date.now();
  return events
    .map((event) => ({
      ...event,
      timestamp: new Date(now - Math.random() * days * day).toISOString(),
    }))
    .sort((a, b) => a.timestamp.localeCompare(b.timestamp));
}

/** Folds whoever is due and commits it: @returns the milliseconds that the database took for the commit */
async function commitGroup(
  database: Database,
  isCounted: boolean,
): Promise<number> {
  const shape = shapeOfWork(reactors);
  const leased = await lease(database, shape);
  if (!leased) throw new Error("Nobody was due.");
  let milliseconds = 0;
  const observed = new Proxy(database, {
    apply(
      target,
      _,
      [strings, ...values]: [TemplateStringsArray, ...string[]],
    ) {
      if (!strings[0]!.includes("flywheel.commit")) {
        return target(strings, ...values);
      }
      const [token, , rows, states, effects, increments, leased_at] = values as string[];
      const bareRows = withoutLate(rows!);
      const bareStates = withoutMemory(states!);
      const bareEffects = withoutActivity(effects!);
      const startedAt = performance.now();
      const committed = isCounted ? target(strings, ...values) : target`
          select flywheel.commit_uncounted(
            ${token!}, ${shape}, ${bareRows}::text::jsonb, ${bareStates}::text::json,
            ${bareEffects}::text::jsonb, ${increments!}, ${leased_at!}
          ) as commit`;
      return committed.then((row) => {
        milliseconds += performance.now() - startedAt;
        return row;
      });
    },
  });
  await work(observed, reactors, shape, leased);
  return milliseconds;
}

function withoutLate(rows: string): string {
  const parsed = JSON.parse(rows) as { late?: boolean }[];
  return JSON.stringify(parsed.map(({ late: _, ...row }) => row));
}

function withoutMemory(states: string): string {
  const parsed = JSON.parse(states) as Record<string, Record<string, unknown>>;
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(parsed).map((
        [user, { rollups: _, ...state }],
      ) => [user, state]),
    ),
  );
}

function withoutActivity(effects: string): string {
  const { activity: _, ...others } = JSON.parse(effects) as Record<
    string,
    unknown
  >;
  return JSON.stringify(others);
}
