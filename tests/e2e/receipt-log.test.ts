import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { settled } from "../support/backlog.ts";
import { eventually } from "../support/eventually.ts";
import { functionsOf, publicationOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import { hasReceiptLog, receiptLog } from "../support/receipt-log.ts";

const progress = z.looseObject({
  pending_users: z.int(),
  replays: z.array(z.looseObject({ status: z.string() })),
});

// Cloned alone, the project has no log to publish; in CI that is a failure.
const describeWithLog = hasReceiptLog || Deno.env.get("CI") === "true" ? describe : describe.skip;

describeWithLog(
  `A real log of 8,577 events${hasReceiptLog ? "" : " (skipped: ../shared/data is not there)"}`,
  () => {
    let stack: OwnStack;
    let sql: ReturnType<OwnStack["adminSql"]>;
    let log: Awaited<ReturnType<typeof receiptLog>>;
    let eventIds: (string | null)[];

    beforeAll(async () => {
      log = await receiptLog();
      stack = await ownStack({ without: ["qstash"] });
      sql = stack.adminSql({ max: 1 });
    });

    afterAll(async () => {
      await sql?.end();
      await stack?.[Symbol.asyncDispose]();
    });

    /** Publishes the whole log in batches of 500, one after the other. */
    async function publishLog() {
      const call = functionsOf(stack.env);
      const counts = { accepted: 0, duplicates: 0, rejected: 0 };
      const ids: (string | null)[] = [];
      const startedAt = performance.now();
      for (let from = 0; from < log.length; from += 500) {
        const json = { events: log.slice(from, from + 500) };
        const answer = publicationOf(await call("POST", "events", { as: "secret", json }));
        counts.accepted += answer.accepted;
        counts.duplicates += answer.duplicates;
        counts.rejected += answer.rejected;
        ids.push(...answer.results.map(({ event_id }) => event_id));
      }
      return { counts, ids, seconds: (performance.now() - startedAt) / 1000 };
    }

    const states = () => sql`select user_id, shape, state from flywheel.states order by user_id`;

    test("is accepted whole through POST events", async () => {
      const { counts, ids, seconds } = await publishLog();
      console.log(
        `receipt log: ${log.length} events in ${seconds.toFixed(2)} s over HTTP, ${
          Math.round(log.length / seconds)
        } events/s`,
      );
      expect(counts).toEqual({ accepted: 8_577, duplicates: 0, rejected: 0 });
      eventIds = ids;
    });

    test("has 1,434 users and 27 types", async () => {
      const [row] = await sql`
        select
          count(*)::int as events,
          count(distinct user_id)::int as users,
          count(distinct event_type)::int as types,
          count(distinct event_id)::int as ids
        from public.phoenix_events`;
      expect(row).toEqual({ events: 8_577, users: 1_434, types: 27, ids: 8_577 });
    });

    test("is stored as it was sent: each user's versions without a gap and in that order", async () => {
      const sent = Map.groupBy(
        log.map((event, index) => ({ ...event, event_id: eventIds[index] })),
        ({ user_id }) => user_id,
      );
      const rows = await sql`
        select user_id, version::int, event_id, event_type, app_source, payload, "timestamp"
        from public.phoenix_events order by user_id, version`;
      const stored = Map.groupBy(rows, ({ user_id }) => user_id);
      for (const [user, events] of sent) {
        expect(stored.get(user)).toEqual(events.map((event, index) => ({
          ...event,
          version: index + 1,
          timestamp: new Date(event.timestamp),
        })));
      }
    });

    test("is folded whole", async () => {
      await settled(stack);
      const [row] = await sql`
        select count(*)::int as users, sum(processed_version)::int as events
        from flywheel.streams where processed_version = version`;
      expect(row).toEqual({ users: 1_434, events: 8_577 });
      expect(await states()).toHaveLength(1_434);
    });

    test("published again is 8,577 duplicates with the first event_ids", async () => {
      const { counts, ids } = await publishLog();
      expect(counts).toEqual({ accepted: 0, duplicates: 8_577, rejected: 0 });
      expect(ids).toEqual(eventIds);
    });

    test("gives the same states after a replay", async () => {
      const before = await states();
      const call = functionsOf(stack.env);
      const asked = await call("POST", "events/force-reprocess", { as: "secret" });
      expect(asked.body).toMatchObject({ users: 1_434, events: 8_577 });
      await eventually(async () => {
        const { body } = await call("GET", "events/force-reprocess", { as: "secret" });
        const { pending_users, replays: [replay] } = progress.parse(body);
        return pending_users === 0 && replay?.status === "finished";
      });
      expect(await states()).toEqual(before);
    });
  },
);
