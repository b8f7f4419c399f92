import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ecosystem, ecosystem, idsOf } from "../support/ecosystem.ts";
import { eventually } from "../support/eventually.ts";

let eco: Ecosystem;

beforeAll(async () => {
  eco = await ecosystem();
});

afterAll(() => eco?.[Symbol.asyncDispose]());

describe("nothing is lost when", () => {
  test("QStash is down as the job is chosen", async () => {
    await eco.stack.stack.service("qstash").stop();
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "cv", "requested");
    await eco.processQueue();
    expect(eco.apps.cv.about(user_id)).toEqual([]);
    await eco.stack.stack.service("qstash").start();
    await eventually(async () => {
      await eco.processQueue();
      return eco.apps.cv.about(user_id).length > 0;
    });
    await eco.sagaBecomes(user_id, "cv", "notified");
    expect(idsOf(eco.apps.cv.about(user_id))).toHaveLength(1);
  });

  test("the worker dies after QStash has accepted a delivery: it goes there again, and the app does not notice", async () => {
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "cv", "notified");
    await forgetPublication(user_id);
    await eco.processQueue();
    await eco.deliveryBecomes(user_id, "cv", "published");
    expect(eco.apps.cv.about(user_id)).toHaveLength(1);
  });

  test("QStash loses what it had accepted: the app gets it again, under the same id", async () => {
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "cv", "notified");
    const qstash = eco.stack.stack.service("qstash");
    await qstash.stop();
    await loseQStash();
    await qstash.start();
    await forgetPublication(user_id);
    await eco.processQueue();
    await eventually(() => Promise.resolve(eco.apps.cv.about(user_id).length === 2));
    expect(idsOf(eco.apps.cv.about(user_id))).toHaveLength(1);
    expect((await eco.sagaOf(user_id, "cv"))?.told).toEqual(["requested", "notified"]);
  });

  test("QStash stays silent: a delivery is handed over again when patience is over", async () => {
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "cv", "notified");
    await eco.sql`update flywheel.settings set delivery_patience = '1 second'`;
    await forgetPublication(user_id);
    await eco.processQueue();
    await eventually(async () => {
      await eco.processQueue();
      const [row] = await eco.sql`
        select from flywheel.deliveries
        where user_id = ${user_id} and app = 'cv' and attempts >= 3
      `;
      return row !== undefined;
    });
    await eco.sql`update flywheel.settings set delivery_patience = default`;
    await eco.sql`update flywheel.deliveries set available_at = null where user_id = ${user_id}`;
    expect(idsOf(eco.apps.cv.about(user_id))).toHaveLength(1);
  });

  test("functions and QStash are killed in the midst of it", async () => {
    const users = await Promise.all(Array.from({ length: 12 }, (_, n) => {
      const user_id = crypto.randomUUID();
      eco.apps.cv.answer(
        user_id,
        ({ attempt }) =>
          n % 3 === 0 && attempt === 1
            ? new Response("oups", { status: 500 })
            : Response.json({ status: n % 2 === 0 ? "accepted" : "rejected" }),
      );
      return eco.choose(user_id);
    }));
    const functions = eco.stack.stack.service("functions");
    eco.stack.stack.service("qstash").kill("SIGKILL");
    functions.kill("SIGKILL");
    await eventually(async () => (await eco.processQueue()).status === 200);
    functions.kill("SIGKILL");
    await eventually(async () => {
      await eco.processQueue();
      for (const [n, user_id] of users.entries()) {
        const saga = await eco.sagaOf(user_id, "cv");
        expect(saga?.status).toBe(n % 2 === 0 ? "accepted" : "rejected");
      }
      return true;
    });
    for (const [n, user_id] of users.entries()) {
      for (const app of ["cv", "letters", "rise"] as const) {
        await eventually(() => Promise.resolve(eco.apps[app].about(user_id).length > 0));
        expect(idsOf(eco.apps[app].about(user_id))).toHaveLength(1);
      }
      expect((await eco.sagaOf(user_id, "cv"))?.told).toEqual([
        "requested",
        "notified",
        n % 2 === 0 ? "accepted" : "rejected",
      ]);
    }
    // All may be done before the functions are back, and whoever publishes next needs them.
    await eventually(async () => (await eco.processQueue()).status === 200);
  }, 120_000);

  test("the user's events are folded anew: nothing is delivered or told twice", async () => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(user_id, () => Response.json({ status: "rejected" }));
    await eco.choose(user_id);
    await eco.sagaBecomes(user_id, "cv", "rejected");
    await eco.sagaBecomes(user_id, "letters", "notified");
    await eco.sagaBecomes(user_id, "rise", "notified");
    await eventually(() => Promise.resolve(eco.apps.aube.about(user_id).length === 1));
    const before = await everything(user_id);
    const answer = await eco.call("POST", "events/force-reprocess", {
      as: "secret",
      json: { user_id },
    });
    expect(answer.status).toBeLessThan(300);
    await eventually(async () => {
      await eco.processQueue();
      const [row] = await eco.sql`
        select from flywheel.streams where user_id = ${user_id} and version = processed_version
      `;
      return row !== undefined;
    });
    expect(await everything(user_id)).toEqual(before);
    expect(eco.apps.cv.about(user_id)).toHaveLength(1);
  });
});

/** Makes the outbox believe that a user's delivery to CV was leased and nothing heard of it since. */
async function forgetPublication(user_id: string): Promise<void> {
  await eco.sql`
    update flywheel.deliveries
    set published_at = null, delivered_at = null, available_at = now()
    where user_id = ${user_id} and app = 'cv'
  `;
}

async function loseQStash(): Promise<void> {
  for await (const { name } of Deno.readDir(eco.dataDir)) {
    if (name.startsWith("qstash.sqlite")) await Deno.remove(`${eco.dataDir}/${name}`);
  }
}

/** All that stands about a user's transitions, but for the times of the deliveries. */
async function everything(user_id: string) {
  return {
    transitions: [
      ...await eco.sql`
      select * from public.phoenix_transitions where user_id = ${user_id} order by transition_id
    `,
    ],
    events: [
      ...await eco.sql`
      select * from public.phoenix_events where user_id = ${user_id} order by version
    `,
    ],
    deliveries: [
      ...await eco.sql`
      select delivery_id, app, message from flywheel.deliveries
      where user_id = ${user_id} order by delivery_id
    `,
    ],
  };
}
