import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { call, pause, startDestination, startQStash } from "./harness.ts";

let qstash: Awaited<ReturnType<typeof startQStash>>;
let destination: ReturnType<typeof startDestination>;
let failing: Map<string, number>;
let inFlight = 0;
let mostInFlight = 0;

beforeAll(async () => {
  failing = new Map();
  destination = startDestination(async ({ path, body }) => {
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    // Until there are as many as there should be.
    if (path === "/slow") await eventually(() => mostInFlight >= 3);
    await pause(path === "/slow" ? 40 : 1);
    inFlight -= 1;
    const left = failing.get(body) ?? 0;
    failing.set(body, left - 1);
    return new Response(null, { status: left > 0 ? 500 : 200 });
  });
  qstash = await startQStash({ timeScale: 10_000 });
});

afterAll(async () => {
  await qstash.close();
  await destination.close();
});

describe("a queue", () => {
  test("is created, read, listed, changed and deleted", async () => {
    const queue = qstash.client.queue({ queueName: "kept.under_a-name" });
    await queue.upsert({ parallelism: 2 });
    expect(await queue.get()).toEqual({
      name: "kept.under_a-name",
      parallelism: 2,
      paused: false,
      lag: 0,
      createdAt: expect.any(Number),
      updatedAt: expect.any(Number),
    });
    await queue.upsert({ parallelism: 3, paused: true });
    expect(await queue.get()).toMatchObject({ parallelism: 3, paused: true });
    expect((await queue.list()).map(({ name }) => name)).toContain("kept.under_a-name");
    await queue.delete();
    await expect(queue.get()).rejects.toMatchObject({ status: 404 });
  });

  test("is made by the first message that is enqueued to it", async () => {
    const queue = qstash.client.queue({ queueName: "implicit" });
    await queue.enqueueJSON({ url: `${destination.url}/implicit`, body: { n: 1 } });
    await eventually(() => destination.to("/implicit").length === 1);
    expect(await queue.get()).toMatchObject({ parallelism: 1 });
    const { headers, body } = destination.to("/implicit")[0] ?? {};
    expect([headers?.get("content-type"), body]).toEqual(["application/json", '{"n":1}']);
  });

  test("refuses a name or a parallelism that QStash refuses", async () => {
    for (const body of [{ queueName: "no spaces" }, { queueName: "q", parallelism: 0 }]) {
      const response = await call(qstash.url, "POST", "/v2/queues", { body: JSON.stringify(body) });
      expect(response.status).toBe(400);
    }
  });

  test("delivers in order whatever fails, and goes on after a dead letter", async () => {
    let run = 0;
    const failures = fc.array(fc.nat(3), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(failures, async (counts) => {
        const path = `/order/${++run}`;
        const queue = qstash.client.queue({ queueName: `order-${run}` });
        const bodies = counts.map((count, place) => {
          failing.set(`${run}.${place}`, count);
          return `${run}.${place}`;
        });
        for (const body of bodies) {
          await queue.enqueue({
            url: `${destination.url}${path}`,
            body,
            retries: 2,
            retryDelay: "1000",
          });
        }
        await eventually(async () => (await queue.get()).lag === 0);
        const attempts = bodies.flatMap((body, place) =>
          Array.from({ length: Math.min(3, (counts[place] ?? 0) + 1) }, () => body)
        );
        expect(destination.to(path).map(({ body }) => body)).toEqual(attempts);
      }),
      { numRuns: 8 },
    );
  });

  test("waits for a message's callback before the next message", async () => {
    const queue = qstash.client.queue({ queueName: "with-callbacks" });
    for (const n of ["1", "2", "3"]) {
      await queue.enqueue({
        url: `${destination.url}/called/${n}`,
        callback: `${destination.url}/called/${n}/back`,
      });
    }
    await eventually(() => destination.to("/called/3/back").length === 1);
    const paths = destination.deliveries.map(({ path }) => path).filter((path) =>
      path.startsWith("/called/")
    );
    expect(paths).toEqual(["1", "1/back", "2", "2/back", "3", "3/back"].map((n) => `/called/${n}`));
  });

  test("has the next message wait for a retry, and a failed attempt's callback for nothing", async () => {
    const queue = qstash.client.queue({ queueName: "with-a-retry" });
    failing.set("to be retried", 1);
    await queue.enqueue({
      url: `${destination.url}/retried`,
      body: "to be retried",
      retryDelay: "86400000",
      callback: `${destination.url}/retried/back`,
    });
    await queue.enqueue({ url: `${destination.url}/retried/next` });
    await eventually(() => destination.to("/retried/next").length === 1 && inFlight === 0);
    const told = destination.to("/retried/back").map(({ body }) => JSON.parse(body));
    expect(told.map(({ status, retried }) => [status, retried])).toEqual([[500, 0], [200, 1]]);
    const paths = destination.deliveries.map(({ path }) => path).filter((path) =>
      path.startsWith("/retried")
    );
    expect(paths).toEqual(
      ["", "/back", "", "/back", "/next"].map((path) => `/retried${path}`),
    );
  });

  test("delivers as many at a time as its parallelism, and no more", async () => {
    const queue = qstash.client.queue({ queueName: "wide" });
    await queue.upsert({ parallelism: 3, paused: true });
    for (let n = 0; n < 9; n++) await queue.enqueue({ url: `${destination.url}/slow` });
    mostInFlight = 0;
    await queue.resume();
    await eventually(() => destination.to("/slow").length === 9 && inFlight === 0);
    expect(mostInFlight).toBe(3);
  });

  test("delivers nothing while it is paused", async () => {
    const queue = qstash.client.queue({ queueName: "pausing" });
    await queue.upsert({ paused: true });
    await queue.enqueue({ url: `${destination.url}/paused` });
    await pause(50);
    expect(destination.to("/paused")).toHaveLength(0);
    expect(await queue.get()).toMatchObject({ paused: true, lag: 1 });
    await queue.resume();
    await eventually(() => destination.to("/paused").length === 1);
  });

  test("takes its messages with it when it is deleted", async () => {
    const queue = qstash.client.queue({ queueName: "deleted" });
    await queue.upsert({ paused: true });
    const { messageId } = await queue.enqueue({ url: `${destination.url}/deleted` });
    await queue.delete();
    await expect(qstash.client.messages.get(messageId)).rejects.toMatchObject({ status: 404 });
  });
});

describe("flow control", () => {
  test("keeps the calls of a key under its parallelism", async () => {
    mostInFlight = 0;
    for (let n = 0; n < 6; n++) {
      await qstash.client.publish({
        url: `${destination.url}/slow?${n}`,
        flowControl: { key: "narrow", parallelism: 2 },
      });
    }
    await eventually(() =>
      destination.deliveries.filter(({ path }) => path.startsWith("/slow?")).length === 6
    );
    expect(mostInFlight).toBeLessThanOrEqual(2);
  });

  test("starts no more of a key in a period than its rate", async () => {
    // Ten thousand times as fast, it takes 240 ms.
    const period = 40 * 60;
    for (let n = 0; n < 5; n++) {
      await qstash.client.publish({
        url: `${destination.url}/rated`,
        flowControl: { key: "rated", rate: 2, period },
      });
    }
    await eventually(() => destination.to("/rated").length === 5);
    const { logs } = await qstash.client.logs({ filter: { path: "/rated", state: "ACTIVE" } });
    const [t0 = 0, , t2 = 0, , t4 = 0] = logs.map(({ time }) => time).reverse();
    expect(t2 - t0).toBeGreaterThanOrEqual(period * 1000);
    expect(t4 - t2).toBeGreaterThanOrEqual(period * 1000);
  });
});
