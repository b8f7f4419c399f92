import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { receiver, startDestination, startQStash } from "./harness.ts";

let qstash: Awaited<ReturnType<typeof startQStash>>;
let destination: ReturnType<typeof startDestination>;
let failures: Map<string, { left: number; headers?: HeadersInit; status?: number }>;

beforeAll(async () => {
  failures = new Map();
  destination = startDestination(({ path }) => {
    const failure = failures.get(path);
    if (!failure || failure.left-- <= 0) return new Response("well done");
    return new Response("try later", {
      status: failure.status ?? 503,
      headers: { "X-Cause": "test", ...failure.headers },
    });
  });
  qstash = await startQStash({ timeScale: 2000 });
});

beforeEach(() => failures.clear());

afterAll(async () => {
  await qstash.close();
  await destination.close();
});

function failing(
  path: string,
  left = Infinity,
  answer: { headers?: HeadersInit; status?: number } = {},
) {
  failures.set(path, { left, ...answer });
  return `${destination.url}${path}`;
}

async function logged(messageId: string, state: string) {
  await eventually(async () =>
    (await qstash.client.logs({ messageIds: [messageId] })).logs.some((log) => log.state === state)
  );
  const { logs } = await qstash.client.logs({ messageIds: [messageId] });
  return logs.reverse();
}

/** The waits before each retry, as the log has them. */
async function waits(messageId: string, end: "DELIVERED" | "FAILED") {
  return (await logged(messageId, end))
    .filter(({ state }) => state === "RETRY")
    .map(({ nextDeliveryTime = 0, time }) => nextDeliveryTime - time);
}

describe("a message whose delivery fails", () => {
  test("is delivered again, and told how often, until the destination accepts it", async () => {
    const { messageId } = await qstash.client.publish({ url: failing("/twice", 2), body: "b" });
    const states = (await logged(messageId, "DELIVERED")).map(({ state }) => state);
    expect(states).toEqual([
      ...["CREATED", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "DELIVERED"],
    ]);
    const deliveries = destination.to("/twice");
    expect(deliveries.map(({ headers }) => headers.get("upstash-retried"))).toEqual([
      "0",
      "1",
      "2",
    ]);
    expect(new Set(deliveries.map(({ headers }) => headers.get("upstash-message-id")))).toEqual(
      new Set([messageId]),
    );
  });

  test("waits by the default backoff", async () => {
    const { messageId } = await qstash.client.publish({ url: failing("/backoff", 2) });
    expect(await waits(messageId, "DELIVERED")).toEqual([12_182, 148_413]);
  });

  test("waits by its own expression", async () => {
    const { messageId } = await qstash.client.publish({
      url: failing("/expression", 3),
      retryDelay: "60000 * (1 + retried)",
    });
    expect(await waits(messageId, "DELIVERED")).toEqual([60_000, 120_000, 180_000]);
  });

  test("waits as long as the destination asks", async () => {
    const url = failing("/retry-after", 1, { headers: { "Retry-After": "5m" } });
    const { messageId } = await qstash.client.publish({ url, retryDelay: "1000" });
    expect(await waits(messageId, "DELIVERED")).toEqual([300_000]);
  });

  test("is not retried after 489 with Upstash-NonRetryable-Error", async () => {
    const url = failing("/hopeless", Infinity, {
      status: 489,
      headers: { "Upstash-NonRetryable-Error": "true" },
    });
    const { messageId } = await qstash.client.publish({ url });
    await logged(messageId, "FAILED");
    expect(destination.to("/hopeless")).toHaveLength(1);
  });

  test("is not taken for delivered when it is redirected", async () => {
    const url = failing("/moved", Infinity, { status: 302, headers: { Location: "/elsewhere" } });
    const { messageId } = await qstash.client.publish({ url, retries: 0 });
    await logged(messageId, "FAILED");
    expect(destination.to("/elsewhere")).toHaveLength(0);
  });

  test("becomes a dead letter after its last attempt", async () => {
    const { messageId } = await qstash.client.publishJSON({
      url: failing("/dead"),
      body: { n: 1 },
      retries: 2,
      retryDelay: "1000",
    });
    await logged(messageId, "FAILED");
    expect(destination.to("/dead")).toHaveLength(3);
    const { messages } = await qstash.client.dlq.listMessages({ filter: { messageId } });
    expect(messages).toEqual([expect.objectContaining({
      messageId,
      dlqId: expect.stringMatching(/^\d+-\d+$/),
      url: `${destination.url}/dead`,
      body: '{"n":1}',
      maxRetries: 2,
      responseStatus: 503,
      responseBody: "try later",
      responseHeader: expect.objectContaining({ "X-Cause": ["test"] }),
    })]);
    await expect(qstash.client.messages.get(messageId)).rejects.toMatchObject({ status: 404 });
  });

  test("is quoted its answer up to a mebibyte, in the dead letter and to the callback", async () => {
    const mebibyte = 1_048_576;
    await using talker = startDestination(({ path }) =>
      new Response(path === "/long" ? "x".repeat(mebibyte + 1) : null, {
        status: path === "/long" ? 500 : 200,
      })
    );
    const { messageId } = await qstash.client.publish({
      url: `${talker.url}/long`,
      retries: 0,
      failureCallback: `${talker.url}/told`,
    });
    await eventually(() => talker.to("/told").length === 1);
    expect(atob(JSON.parse(talker.to("/told")[0]!.body).body)).toHaveLength(mebibyte);
    const [letter] = (await qstash.client.dlq.listMessages({ filter: { messageId } })).messages;
    expect(letter?.responseBody).toHaveLength(mebibyte);
  });

  test("becomes a dead letter without a status when nobody answers", async () => {
    const { messageId } = await qstash.client.publish({ url: "http://127.0.0.1:1/", retries: 0 });
    await logged(messageId, "FAILED");
    const [letter] = (await qstash.client.dlq.listMessages({ filter: { messageId } })).messages;
    expect(letter?.dlqId).toBeDefined();
    expect(letter?.responseStatus).toBeUndefined();
  });
});

describe("a callback", () => {
  test("tells how the delivery went, signed, with the headers given for it", async () => {
    const { messageId } = await qstash.client.publish({
      url: `${destination.url}/answered?x=1`,
      body: "question",
      method: "PUT",
      retries: 5,
      headers: {
        "Content-Type": "text/plain",
        "X-App": "aube",
        "Upstash-Callback-Forward-X-Back": "yes",
        "Upstash-Callback-Method": "PATCH",
      },
      callback: `${destination.url}/callback`,
      failureCallback: `${destination.url}/no-failure`,
    });
    await eventually(() => destination.to("/callback").length > 0);
    const [delivery] = destination.to("/callback");
    if (!delivery) throw new Error("nothing arrived");
    expect(delivery.method).toBe("PATCH");
    expect(delivery.headers.get("x-back")).toBe("yes");
    expect(delivery.headers.get("content-type")).toBe("application/json");
    const { body, url } = delivery;
    const signature = delivery.headers.get("upstash-signature") ?? "";
    await expect(receiver.verify({ signature, body, url })).resolves.toBe(true);

    const told = JSON.parse(body);
    expect(told).toEqual({
      status: 200,
      header: expect.objectContaining({ "Content-Type": ["text/plain;charset=UTF-8"] }),
      body: btoa("well done"),
      retried: 0,
      maxRetries: 5,
      sourceMessageId: messageId,
      url: `${destination.url}/answered?x=1`,
      method: "PUT",
      sourceHeader: { "Content-Type": ["text/plain"], "X-App": ["aube"] },
      sourceBody: btoa("question"),
      notBefore: expect.any(Number),
      createdAt: expect.any(Number),
      callerIP: "127.0.0.1",
    });
    expect(destination.to("/no-failure")).toHaveLength(0);
  });

  test("comes after every attempt, a failure callback after the last alone", async () => {
    const { messageId } = await qstash.client.publish({
      url: failing("/failing"),
      retries: 1,
      callback: `${destination.url}/each`,
      failureCallback: `${destination.url}/failure`,
    });
    await eventually(() =>
      destination.to("/each").length === 2 && destination.to("/failure").length === 1
    );
    const told = destination.to("/each").map(({ body }) => JSON.parse(body));
    expect(told.map(({ status, retried }) => [status, retried])).toEqual([[503, 0], [503, 1]]);

    const failure = JSON.parse(destination.to("/failure")[0]?.body ?? "");
    const [letter] = (await qstash.client.dlq.listMessages({ filter: { messageId } })).messages;
    expect(failure).toMatchObject({
      status: 503,
      body: btoa("try later"),
      retried: 1,
      maxRetries: 1,
      dlqId: letter?.dlqId,
      sourceMessageId: messageId,
    });
  });

  test("hides what its source's publisher wants redacted, which it quotes", async () => {
    const deaf = failing("/deaf-to-secrets");
    await qstash.client.publish({
      url: `${destination.url}/secret`,
      body: "private",
      retries: 0,
      redact: { body: true },
      callback: deaf,
    });
    const letter = await eventually(async () =>
      (await qstash.client.dlq.listMessages({ filter: { url: deaf } })).messages[0]
    );
    expect(letter.body).toMatch(/^REDACTED:[0-9a-f]{64}$/);
    expect(atob(JSON.parse(destination.to("/deaf-to-secrets")[0]!.body).sourceBody))
      .toBe("private");
  });

  test("is retried as often as its source unless it says otherwise", async () => {
    failing("/deaf");
    await qstash.client.publish({
      url: `${destination.url}/calls-back`,
      retries: 2,
      headers: { "Upstash-Callback-Retry-Delay": "1000" },
      callback: `${destination.url}/deaf`,
    });
    await eventually(async () => {
      const filter = { url: `${destination.url}/deaf` };
      return (await qstash.client.dlq.listMessages({ filter })).messages.length === 1;
    });
    expect(destination.to("/deaf")).toHaveLength(3);
  });
});
