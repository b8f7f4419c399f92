import { afterAll, beforeAll, expect, test } from "vitest";
import { markNudge } from "../../shared/flywheel/nudges.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { counting, drain, event, publish } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`update flywheel.settings set linger = '0'`;
});
afterAll(() => base[Symbol.asyncDispose]());

async function logOf(user: string) {
  return [
    ...await database`
      select event_id, event_type, correlation_id, causation_id, session_id
      from flywheel.read_stream(${user})
    `,
  ];
}

test("an event keeps the correlation, causation and session that its publisher gave", async () => {
  const user = crypto.randomUUID();
  const given = { correlation_id: "a talk", causation_id: "a click", session_id: "a visit" };
  await publish(database, event(user, given));
  expect(await logOf(user)).toMatchObject([given]);
});

test("what the flywheel makes of an event carries it as its cause, and goes on with its correlation", async () => {
  const user = crypto.randomUUID();
  const { results } = await publish(database, event(user, { correlation_id: "a talk" }));
  const cause = results[0]!.event_id;
  await drain(database, [counting]);
  const [nudge] = await base.admin`
    select nudge_id, causation_id, correlation_id from public.phoenix_nudges_sent where user_id = ${user}
  `;
  expect(nudge).toMatchObject({ causation_id: cause, correlation_id: "a talk" });

  for (const step of ["shown", "clicked"] as const) {
    await markNudge(database, user, nudge!.nudge_id, step);
  }
  expect(await logOf(user)).toMatchObject([
    { event_id: cause },
    { event_type: "nudge.shown", causation_id: nudge!.nudge_id, correlation_id: "a talk" },
    { event_type: "nudge.clicked", causation_id: nudge!.nudge_id, correlation_id: "a talk" },
  ]);
});

test("a chain of causes can be followed from the last event back to the first", async () => {
  const user = crypto.randomUUID();
  let causation_id: string | undefined;
  for (let link = 0; link < 5; link++) {
    const { results } = await publish(
      database,
      event(user, {
        payload: { link },
        correlation_id: "a talk",
        ...(causation_id && { causation_id }),
      }),
    );
    causation_id = results[0]!.event_id!;
  }
  const log = await logOf(user);
  const chain: string[] = [];
  for (let id = causation_id; id;) {
    const found = log.find(({ event_id }) => event_id === id)!;
    expect(found.correlation_id).toBe("a talk");
    chain.push(id);
    id = found.causation_id;
  }
  expect(chain).toHaveLength(5);
});
