import { fileURLToPath } from "node:url";
import type postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import type { ServiceName } from "../../supabase/local/stack.ts";
import { alarm, counting, event } from "../support/flywheel.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import { descendants } from "../support/processes.ts";
import { foldedOf, foldQuietly, logOf } from "../support/quiet-fold.ts";

const FUNCTIONS = fileURLToPath(new URL("./fixtures/crash", import.meta.url));
const reactors = [counting as Reactor, alarm as Reactor];

let stack: OwnStack;
let sql: postgres.Sql;

beforeAll(async () => {
  // A sweep every six seconds, since QStash's minutes pass ten times as fast.
  stack = await ownStack({
    functionsDir: FUNCTIONS,
    sweep: true,
    serviceEnv: { qstash: { QSTASH_TIME_SCALE: "10" } },
  });
  sql = stack.adminSql();
  await sql`update flywheel.settings set lease_time = '5 seconds'`;
});
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await stack?.[Symbol.asyncDispose]();
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const random = (below: number) => Math.floor(Math.random() * below);

/** Publishes a batch as an app's server does: again and again, with the same event_ids, until it has been acknowledged. */
async function publishUntilAcknowledged(events: readonly Record<string, unknown>[]): Promise<void> {
  const body = JSON.stringify({ events });
  while (true) {
    try {
      const response = await fetch(`${stack.env.FUNCTIONS_URL}/events`, {
        method: "POST",
        headers: { apikey: stack.env.SECRET_KEY, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(20_000),
      });
      const answer = await response.json();
      if (response.status === 202) {
        expect(answer.accepted + answer.duplicates).toBe(events.length);
        return;
      }
      expect(response.status, "what is wrong is the server's fault").toBeGreaterThanOrEqual(500);
    } catch (error) {
      if (error instanceof Error && error.name === "AssertionError") throw error;
    }
    await wait(50 + random(100));
  }
}

/** Ends a service, and what it has started, with SIGKILL; the supervisor starts it again by itself. */
async function kill(name: ServiceName): Promise<void> {
  if (!stack.stack.has(name)) return;
  const { pid } = stack.stack.service(name);
  if (pid === undefined) return;
  // Postgres loses its postmaster alone: its own children have to notice.
  const pids = name === "postgres" ? [pid] : await descendants(pid);
  for (const each of pids.toReversed()) {
    try {
      Deno.kill(each, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}

/** Events with ids of their own, for users in turn; some set an alarm. */
function batches(users: readonly string[], total: number, size: number) {
  return Array.from(
    { length: total / size },
    (_, batch) =>
      Array.from({ length: size }, (_, place) => {
        const n = batch * size + place;
        return event(users[n % users.length]!, {
          event_id: crypto.randomUUID(),
          payload: { n, ...(n % 7 === 0 && { delay: 700 }) },
        });
      }),
  );
}

/** Waits until every event is folded and every alarm has rung, without a hand. */
async function untilNothingIsDue(within: number): Promise<void> {
  const deadline = performance.now() + within;
  while (true) {
    try {
      const [row] = await sql`
        select count(*)::int as busy from flywheel.streams
        where available_at is not null or processed_version < version
      `;
      if (row!.busy === 0) return;
      expect(performance.now(), `${row!.busy} users still have something due`).toBeLessThan(
        deadline,
      );
    } catch (error) {
      // A connection from before a crash tells so once.
      if (performance.now() > deadline) throw error;
    }
    await wait(200);
  }
}

async function expectFoldedOnce(
  users: readonly string[],
  ids: ReadonlySet<unknown>,
): Promise<void> {
  const stored = new Set<string>();
  for (const user of users) {
    const log = await logOf(sql, user);
    for (const { event_id } of log) stored.add(event_id);
    expect(log.map(({ version }) => version)).toEqual(log.map((_, place) => place + 1));
    expect(await foldedOf(sql, user)).toEqual({
      version: log.length,
      processed: log.length,
      available_at: null,
      ...foldQuietly(reactors, user, log),
    });
  }
  expect(stored).toEqual(ids);
}

test(
  "50,000 events outlive the death of every service at random moments: each is there, folded once, without a hand",
  async () => {
    const users = Array.from({ length: 500 }, () => crypto.randomUUID());
    const work = batches(users, 50_000, 100);
    const ids = new Set(work.flat().map(({ event_id }) => event_id));

    const victims: ServiceName[] = [
      "postgres",
      "functions",
      "qstash",
      "redis-server",
      "redis",
      "net",
    ];
    // Everybody twice, at moments of the whole, and everything at once.
    const deaths: { at: number; of: ServiceName[] }[] = [
      ...[...victims, ...victims].map((name) => ({ at: random(work.length), of: [name] })),
      { at: random(work.length), of: victims },
    ];

    let next = 0;
    let killing = Promise.resolve();
    await Promise.all(Array.from({ length: 6 }, async () => {
      while (next < work.length) {
        const batch = next++;
        const now = deaths.filter(({ at }) => at === batch).flatMap(({ of }) => of);
        if (now.length > 0) killing = killing.then(() => Promise.all(now.map(kill))).then(() => {});
        await publishUntilAcknowledged(work[batch]!);
      }
    }));
    await killing;
    for (const name of victims.filter((each) => stack.stack.has(each))) {
      const deaths = stack.lines.filter(({ text }) =>
        text.startsWith(`${name} ended unexpectedly`)
      );
      expect(deaths.length, `${name} died`).toBeGreaterThanOrEqual(1);
    }

    await untilNothingIsDue(120_000);
    await expectFoldedOnce(users, ids);
    const [dead] = await sql`
    select count(*)::int as letters from public.phoenix_events where ai_processing_error is not null
  `;
    expect(dead!.letters).toBe(0);
  },
  300_000,
);

test("with the doorbell broken for good, the sweep alone empties the backlog", async () => {
  await stack.stack.service("net").stop();
  const users = Array.from({ length: 50 }, () => crypto.randomUUID());
  const work = batches(users, 2_000, 100);
  await Promise.all(work.map(publishUntilAcknowledged));
  await untilNothingIsDue(60_000);
  await expectFoldedOnce(users, new Set(work.flat().map(({ event_id }) => event_id)));
  const [queued] = await sql`select count(*)::int as rings from net.http_request_queue`;
  expect(queued!.rings, "the doorbell did ring, and nobody came").toBeGreaterThan(0);
}, 120_000);
