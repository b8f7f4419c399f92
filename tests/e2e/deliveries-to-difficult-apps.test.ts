import { Client } from "@upstash/qstash";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ecosystem, ecosystem, idsOf } from "../support/ecosystem.ts";
import { eventually } from "../support/eventually.ts";

let eco: Ecosystem;

beforeAll(async () => {
  eco = await ecosystem();
});

afterAll(() => eco?.[Symbol.asyncDispose]());

describe("an app that is", () => {
  test("slow sees the same delivery again, and is notified once", async () => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(user_id, async ({ attempt }) => {
      if (attempt < 3) await new Promise((resolve) => setTimeout(resolve, 1_500));
      return new Response("enfin");
    });
    const saga = await eco.hastily(async () => {
      await eco.choose(user_id);
      return await eco.sagaBecomes(user_id, "cv", "notified");
    });
    expect(saga.told).toEqual(["requested", "notified"]);
    const received = eco.apps.cv.about(user_id);
    expect(received.length).toBeGreaterThanOrEqual(3);
    expect(idsOf(received)).toHaveLength(1);
    expect(new Set(received.map(({ text }) => text)).size).toBe(1);
  });

  test("down gets a delivery once it is up again", async () => {
    const user_id = crypto.randomUUID();
    await eco.apps.website.stop();
    await eco.ask(user_id, "website");
    await eco.deliveryBecomes(user_id, "website", "published");
    eco.apps.website.start();
    await eco.sagaBecomes(user_id, "website", "notified");
    expect(idsOf(eco.apps.website.about(user_id))).toHaveLength(1);
  });

  test("down hears nothing more of a user who is erased meanwhile, and QStash keeps nothing of them", async () => {
    const [given_up, waiting] = [crypto.randomUUID(), crypto.randomUUID()];
    await eco.apps.website.stop();
    await eco.hastily(async () => {
      await eco.ask(given_up, "website");
      await eco.deliveryBecomes(given_up, "website", "failed");
    });
    await eco.ask(waiting, "website");
    await eco.deliveryBecomes(waiting, "website", "published");
    const ids = (await eco.sql<{ delivery_id: string }[]>`
      select delivery_id from flywheel.deliveries where user_id in (${given_up}, ${waiting})
    `).map(({ delivery_id }) => delivery_id);
    await eco.sql`select flywheel.erase_user(u, 'a test') from unnest(${[
      given_up,
      waiting,
    ]}::uuid[]) as u`;
    await eco.processQueue();
    const qstash = qstashClient();
    for (const id of ids) expect(await deadLettersOf(id)).toEqual([]);
    expect(await qstash.messages.cancel({ filter: { label: ids[0]! } })).toMatchObject({
      cancelled: 0,
    });
    expect(await qstash.messages.cancel({ filter: { label: ids[1]! } })).toMatchObject({
      cancelled: 0,
    });
    eco.apps.website.start();
    await eco.sql`update flywheel.withdrawals set available_at = now()`;
    await eco.processQueue();
    expect(await eco.sql`select from flywheel.withdrawals`).toEqual([]);
    expect(eco.apps.website.about(given_up)).toEqual([]);
    expect(eco.apps.website.about(waiting)).toEqual([]);
  });

  test("told of a user who is erased afterwards leaves nothing of them in QStash, not even what QStash could not tell us", async () => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(
      user_id,
      ({ attempt }) => new Response("", { status: attempt < 2 ? 500 : 200 }),
    );
    // What QStash says of an attempt is lost, as it is while the database is away.
    await eco.sql`revoke execute on function flywheel.mark_attempted from service_role`;
    try {
      await eco.hastily(async () => {
        await eco.ask(user_id, "cv");
        await eco.deliveryBecomes(user_id, "cv", "delivered");
      });
      const [delivery] = await eco.sql<{ delivery_id: string; attempts: number }[]>`
        select delivery_id, attempts from flywheel.deliveries where user_id = ${user_id} and app = 'cv'
      `;
      const { delivery_id, attempts } = delivery!;
      expect(attempts).toBe(1);
      await eventually(async () => (await deadLettersOf(delivery_id)).length > 0);
      await eco.sql`select flywheel.erase_user(${user_id}, 'a test')`;
      await eco.processQueue();
      await eventually(async () => (await deadLettersOf(delivery_id)).length === 0);
    } finally {
      await eco.sql`grant execute on function flywheel.mark_attempted to service_role`;
    }
  });

  test("down for too long is counted, and can poll afterwards", async () => {
    const user_id = crypto.randomUUID();
    await eco.apps.website.stop();
    const failed = async () =>
      ((await eco.call("GET", "events/queue-status", { as: "secret" })).body as {
        failed_deliveries: number;
      }).failed_deliveries;
    const transition_id = await eco.hastily(async () => {
      const asked = await eco.ask(user_id, "website");
      await eventually(async () => await failed() === 1);
      return asked;
    });
    const [delivery] = await eco.sql`
      select available_at, delivered_at, failure from flywheel.deliveries where user_id = ${user_id}
    `;
    expect(delivery).toEqual({
      available_at: null,
      delivered_at: null,
      failure: "the app did not answer",
    });
    expect(await eco.sagaOf(user_id, "website")).toMatchObject({ status: "requested" });

    eco.apps.website.start();
    expect([await eco.take(transition_id, "accepted"), await eco.take(transition_id, "completed")])
      .toEqual([200, 200]);
    expect(eco.apps.website.about(user_id)).toEqual([]);

    // The operator retries it from QStash's dead letter queue: delivered after all, though it changes nothing any more.
    await retryDeadLetters();
    await eventually(async () => await failed() === 0);
    expect(eco.apps.website.about(user_id)).toHaveLength(1);
    expect(await eco.sagaOf(user_id, "website")).toMatchObject({
      status: "completed",
      told: ["requested", "accepted", "completed"],
    });
  });

  test("lying, with 500 for what it has handled, leaves its transition accepted once", async () => {
    const user_id = crypto.randomUUID();
    const handled = new Set<string>();
    eco.apps.cv.answer(user_id, async ({ delivery_id, transition_id, attempt }) => {
      if (!handled.has(delivery_id)) {
        handled.add(delivery_id);
        expect(await eco.take(transition_id, "accepted")).toBe(200);
      }
      return new Response("oups", { status: attempt < 3 ? 500 : 200 });
    });
    await eco.choose(user_id);
    await eventually(() => Promise.resolve(eco.apps.cv.about(user_id).length >= 3));
    await eco.sagaBecomes(user_id, "cv", "accepted");
    expect(idsOf(eco.apps.cv.about(user_id))).toHaveLength(1);
    await eco.deliveryBecomes(user_id, "cv", "delivered");
    expect((await eco.sagaOf(user_id, "cv"))?.told).toEqual(["requested", "accepted"]);
  });

  test("duplicating its answers is heard once", async () => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(user_id, async ({ transition_id }) => {
      await Promise.all(Array.from({ length: 4 }, () => eco.take(transition_id, "accepted")));
      return Response.json({ status: "accepted" });
    });
    await eco.choose(user_id);
    await eco.sagaBecomes(user_id, "cv", "accepted");
    const { transition_id } = eco.apps.cv.first(user_id);
    const statuses = await Promise.all(
      Array.from({ length: 4 }, () => eco.take(transition_id, "completed")),
    );
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect((await eco.sagaOf(user_id, "cv"))?.told).toEqual(["requested", "accepted", "completed"]);
  });
});

async function retryDeadLetters(): Promise<void> {
  const { QSTASH_URL, QSTASH_TOKEN } = eco.stack.env;
  const headers = { authorization: `Bearer ${QSTASH_TOKEN}` };
  const { messages } = await (await fetch(`${QSTASH_URL}/v2/dlq`, { headers })).json();
  for (const { dlqId } of messages) {
    const retried = await fetch(`${QSTASH_URL}/v2/dlq/retry/${dlqId}`, { method: "POST", headers });
    expect(retried.ok, await retried.text()).toBe(true);
  }
}

function qstashClient(): Client {
  const { QSTASH_URL, QSTASH_TOKEN } = eco.stack.env;
  return new Client({ baseUrl: QSTASH_URL, token: QSTASH_TOKEN, enableTelemetry: false });
}

/** What QStash gave up of a delivery and of the callbacks about it. */
async function deadLettersOf(delivery_id: string) {
  const { messages } = await qstashClient().dlq.listMessages({ filter: { label: delivery_id } });
  return messages;
}
