import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { type Lease, lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { isSoak } from "../support/soak.ts";
import { alarm, counting, drain, event, pass, publish } from "../support/flywheel.ts";
import { foldedOf, foldQuietly, type LoggedEvent, logOf } from "../support/quiet-fold.ts";

let base: TestDatabase;
let connections: Database[];

beforeAll(async () => {
  base = await testDatabase();
  // What is published over a single connection at once travels together.
  connections = [base.connectOnce(), ...Array.from({ length: 3 }, () => base.connect())];
  // Small pieces, so that much lies between them, and as many attempts as there may be crashes.
  await base.admin`
    update flywheel.settings
    set linger = '0', lease_users = 2, lease_events = 3, max_attempts = 50, max_workers = 64, replay_users = 1,
      backoff_base = '10 milliseconds', backoff_max = '10 milliseconds'
  `;
});
afterAll(() => base[Symbol.asyncDispose]());

const reactors: readonly Reactor[] = [counting as Reactor, alarm as Reactor];
const shape = shapeOfWork(reactors);

/** An event of one of a few contents, so that some are the same, perhaps with one of a few ids, perhaps with one of a few times. */
interface Sent {
  user: number;
  content: number;
  id: number | null;
  time: number | null;
}

type Step =
  | { do: "publish"; by: number; events: Sent[] }
  | { do: "work"; by: number }
  | { do: "lease and vanish"; by: number }
  | { do: "commit late" }
  | { do: "let leases end" }
  | { do: "replay"; user: number | null }
  | { do: "wait" }
  | { do: "all at once"; steps: Step[] };

const sent: fc.Arbitrary<Sent> = fc.record({
  user: fc.nat(2),
  content: fc.nat(3),
  id: fc.option(fc.nat(3), { freq: 2 }),
  time: fc.option(fc.nat(3), { freq: 2 }),
});

/** When something happened that is said to have happened at one of the few times. */
const timeOf = (time: number) => `2025-03-01T10:00:0${time}.000Z`;
const by = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      by,
      events: fc.array(sent, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("work" as const), by }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lease and vanish" as const), by }) },
  { weight: 2, arbitrary: fc.constant({ do: "commit late" as const }) },
  { weight: 2, arbitrary: fc.constant({ do: "let leases end" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("replay" as const), user: fc.option(fc.nat(2)) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "wait" as const }) },
);
const program = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: step },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("all at once" as const),
        steps: fc.array(step, { minLength: 2, maxLength: 5 }),
      }),
    },
  ),
  { minLength: 1, maxLength: 12 },
);

/** Which of the few times a stored event has. */
function timeIn({ timed, timestamp }: LoggedEvent): number | null {
  return timed ? (timestamp - Date.parse(timeOf(0))) / 1000 : null;
}

/** What a publisher was told about an event. */
interface Told {
  sent: Sent;
  status: string;
  event_id: string | null;
  from: number;
  until: number;
}

/** One run of a program, with users of its own. */
class Run {
  readonly users = [0, 1, 2].map(() => crypto.randomUUID());
  readonly told: Told[] = [];
  readonly #ids = [0, 1, 2, 3].map(() => crypto.randomUUID());
  readonly #vanished: Lease[] = [];

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case "publish":
        return await this.#publish(connections[step.by]!, step.events);
      case "work":
        return void await drain(connections[step.by]!, reactors);
      case "lease and vanish": {
        const leased = await lease(connections[step.by]!, shape);
        if (leased) this.#vanished.push(leased);
        return;
      }
      case "commit late": {
        const leased = this.#vanished.shift();
        if (leased) await work(connections[0]!, reactors, shape, leased);
        return;
      }
      case "let leases end":
        return await pass(base.admin, "1 hour");
      case "replay":
        return void await base.admin`
          select flywheel.reprocess(${step.user === null ? null : this.users[step.user]!})
        `;
      case "wait":
        return await new Promise((resolve) => setTimeout(resolve, 8));
      case "all at once":
        await Promise.all(step.steps.map((each) => this.take(each)));
    }
  }

  async #publish(database: Database, events: Sent[]): Promise<void> {
    const from = performance.now();
    const { results } = await publish(
      database,
      events.map(({ user, content, id, time }) =>
        event(this.users[user]!, {
          payload: { content, delay: content * 4 + 1 },
          ...(id !== null && { event_id: this.#ids[id] }),
          ...(time !== null && { timestamp: timeOf(time) }),
        })
      ),
    );
    const until = performance.now();
    results.forEach(({ status, event_id }, index) =>
      this.told.push({ sent: events[index]!, status, event_id, from, until })
    );
  }

  /** Ends what is under way and checks every promise. */
  async conclude(): Promise<void> {
    await pass(base.admin, "1 hour");
    await drain(connections[0]!, reactors);
    // Until the last alarm has rung.
    await new Promise((resolve) => setTimeout(resolve, 25));
    await drain(connections[1]!, reactors);
    await Promise.all(this.users.map((user, index) => this.#check(user, index)));
  }

  async #check(user: string, index: number): Promise<void> {
    const told = this.told.filter(({ sent }) => sent.user === index);
    const log = await logOf(base.admin, user);
    const byId = new Map(log.map((each) => [each.event_id, each]));

    expect(log.map(({ version }) => version), "versions without a gap")
      .toEqual(log.map((_, place) => place + 1));
    expect(
      told.filter(({ status }) => status === "accepted").map(({ event_id }) => event_id).sort(),
      "what was accepted is there, once",
    )
      .toEqual([...byId.keys()].sort());
    for (const { sent, status, event_id } of told) {
      const stored = byId.get(event_id!);
      const same = stored?.payload.content === sent.content && timeIn(stored) === sent.time;
      expect(same, `${status} as ${event_id}`).toBe(status !== "rejected");
    }
    const contents = log.map((each) => `${each.payload.content} ${timeIn(each)}`);
    expect(new Set(contents).size, "no content twice").toBe(contents.length);
    const named = told.filter(({ sent, status }) => sent.id !== null && status !== "rejected");
    const meanings = named.map(({ sent: { id, content, time } }) => `${id} ${content} ${time}`);
    expect(new Set(meanings).size, "an event_id stands for one content")
      .toBe(new Set(named.map(({ sent }) => sent.id)).size);

    for (const earlier of told) {
      for (const later of told) {
        if (earlier.status !== "accepted" || later.status !== "accepted") continue;
        if (earlier.until >= later.from) continue;
        expect(byId.get(earlier.event_id!)!.version, "in commit order")
          .toBeLessThan(byId.get(later.event_id!)!.version);
      }
    }
    for (const [place, { received_at }] of log.entries()) {
      expect(received_at).toBeGreaterThanOrEqual(log[place - 1]?.received_at ?? 0);
    }

    if (log.length === 0) return;
    expect(await foldedOf(base.admin, user), "as if it had been folded in peace").toEqual({
      version: log.length,
      processed: log.length,
      available_at: null,
      ...foldQuietly(reactors, user, log),
    });
  }
}

describe("whatever publishers, workers, crashes, late commits and replays do, and in whatever order", () => {
  test("nothing is lost, nothing is twice, and the order is kept", async () => {
    await fc.assert(
      fc.asyncProperty(program, async (steps) => {
        const run = new Run();
        for (const step of steps) await run.take(step);
        await run.conclude();
      }),
      { numRuns: isSoak ? 1000 : 40, endOnFailure: true },
    );
  }, isSoak ? 3_600_000 : 120_000);
});
