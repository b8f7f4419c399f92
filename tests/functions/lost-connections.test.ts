import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { functionsOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import type { TestUser } from "../support/stack.ts";

let stack: OwnStack;
let user: TestUser;

beforeAll(async () => {
  stack = await ownStack({ without: ["net", "qstash"] });
  user = await stack.signUp();
  const events = Array.from({ length: 50 }, (_, n) => ({
    event_type: "test.happened",
    app_source: "cv",
    payload: { n },
  }));
  await functionsOf(stack.env)("POST", "events", { as: user, json: { events } });
});
afterAll(() => stack?.[Symbol.asyncDispose]());

test.each(["events", "transitions", "nudges", "events/queue-status"])(
  "a connection that Postgres closes costs GET %s no more than the calls on it",
  async (path) => {
    const call = functionsOf(stack.env);
    const as = path === "events/queue-status" ? "secret" : user;
    const before = stack.lines.length;
    const sql = stack.adminSql({ max: 1 });
    const statuses = new Map<number, number>();
    const answered = () => statuses.get(200) ?? 0;
    let isOver = false;
    const callers = Array.from({ length: 12 }, async () => {
      while (!isOver) {
        const { status } = await call("GET", path, { as });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    for (let closed = 0; closed < 15;) {
      const killed = await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'phoenix-flywheel' and datname = current_database()
        order by random()
        limit 1
      `;
      closed += killed.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
      // By then everybody has called anew, however busy the machine is.
      const enough = answered() + 3 * callers.length;
      await eventually(() => answered() >= enough);
    }
    isOver = true;
    await Promise.all(callers);
    await sql.end();

    const said = stack.lines.slice(before).map(({ text }) => text);
    expect(said.filter((text) => text.includes("ended unexpectedly"))).toEqual([]);
    expect([...statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(answered()).toBeGreaterThan(statuses.get(503) ?? 0);
    await eventually(async () => {
      const after = await Promise.all(Array.from({ length: 20 }, () => call("GET", path, { as })));
      return after.every(({ status }) => status === 200);
    });
  },
);
