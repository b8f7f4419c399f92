import { SignatureError } from "@upstash/qstash";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { call, pause, receiver, startDestination, startQStash } from "./harness.ts";

let qstash: Awaited<ReturnType<typeof startQStash>>;
let destination: ReturnType<typeof startDestination>;

beforeAll(async () => {
  destination = startDestination(async ({ path }) => {
    if (path === "/slow") await pause(300);
    return new Response("thanks");
  });
  qstash = await startQStash();
});

afterAll(async () => {
  await qstash.close();
  await destination.close();
});

/** What arrives at a path that only this message was sent to. */
async function arrival(path: string) {
  await eventually(() => destination.to(path).length > 0);
  const [delivery] = destination.to(path);
  if (!delivery) throw new Error("nothing arrived");
  return delivery;
}

describe("a published message", () => {
  test("reaches its destination with its body, headers and QStash's own headers", async () => {
    const { messageId, url } = await qstash.client.publishJSON({
      url: `${destination.url}/whole//path?a=1&b=%20`,
      body: { hello: "monde é" },
      headers: { "X-App": "aube", Authorization: "Bearer theirs" },
    });
    expect(url).toBe(`${destination.url}/whole//path?a=1&b=%20`);

    const delivery = await arrival("/whole//path?a=1&b=%20");
    expect(delivery.method).toBe("POST");
    expect(JSON.parse(delivery.body)).toEqual({ hello: "monde é" });
    expect(Object.fromEntries(delivery.headers)).toMatchObject({
      "content-type": "application/json",
      "x-app": "aube",
      authorization: "Bearer theirs",
      "user-agent": "Upstash-QStash",
      "upstash-message-id": messageId,
      "upstash-retried": "0",
      "upstash-caller-ip": "127.0.0.1",
    });
  });

  test("carries a signature that the official receiver accepts, for this body and URL only", async () => {
    await qstash.client.publish({ url: `${destination.url}/signed`, body: "as sent" });
    const { headers, body, url } = await arrival("/signed");
    const signature = headers.get("upstash-signature") ?? "";

    await expect(receiver.verify({ signature, body, url })).resolves.toBe(true);
    await expect(receiver.verify({ signature, body: "other" })).rejects.toThrow(SignatureError);
    await expect(receiver.verify({ signature, body, url: `${url}/other` })).rejects.toThrow(
      SignatureError,
    );
  });

  test("counts, by its signature, for five minutes, from QStash alone, and once", async () => {
    await qstash.client.publish({ url: `${destination.url}/claims`, body: "as sent" });
    await qstash.client.publish({ url: `${destination.url}/claims`, body: "as sent" });
    await eventually(() => destination.to("/claims").length === 2);
    const [first, second] = destination.to("/claims")
      .map(({ headers }) => decodeJwt(headers.get("upstash-signature") ?? ""));
    expect(first).toMatchObject({
      iss: "Upstash",
      sub: `${destination.url}/claims`,
      nbf: first!.iat,
      exp: first!.iat! + 300,
      jti: expect.stringMatching(/^jwt_/),
    });
    expect(second!.jti).not.toBe(first!.jti);
  });

  test("keeps the headers of its connection, and QStash's own, whatever its publisher forwards", async () => {
    await call(qstash.url, "POST", `/v2/publish/${destination.url}/connection`, {
      body: "whole",
      headers: {
        "Upstash-Forward-Host": "elsewhere.example",
        "Upstash-Forward-Content-Length": "1",
        "Upstash-Forward-Connection": "close",
        "Upstash-Forward-Transfer-Encoding": "gzip",
        "Upstash-Forward-Upstash-Message-Id": "msg_forged",
        "Upstash-Forward-Upstash-Signature": "forged",
        "Upstash-Forward-X-App": "aube",
      },
    });
    const { headers, body } = await arrival("/connection");
    expect(body).toBe("whole");
    expect(Object.fromEntries(headers)).toMatchObject({
      host: new URL(destination.url).host,
      "content-length": "5",
      "upstash-message-id": expect.stringMatching(/^msg_(?!forged)/),
      "x-app": "aube",
    });
    const signature = headers.get("upstash-signature") ?? "";
    await expect(receiver.verify({ signature, body })).resolves.toBe(true);
  });

  test("takes the token in its publisher's URL no further", async () => {
    const to = `${destination.url}/asked?a=1&qstash_token=test-token&b=2`;
    const response = await fetch(`${qstash.url}/v2/publish/${to}`, { method: "POST" });
    expect(await response.json()).toMatchObject({ url: `${destination.url}/asked?a=1&b=2` });
    await arrival("/asked?a=1&b=2");
  });

  test("keeps bytes that are no text", async () => {
    const bytes = new Uint8Array([0, 255, 128, 10]);
    const { messageId } = await qstash.client.publish({
      url: `${destination.url}/bytes`,
      body: new Blob([bytes]),
      delay: 60,
    });
    const message = await qstash.client.messages.get(messageId);
    expect(message.body).toBeUndefined();
    expect(message.bodyBase64).toBe(bytes.toBase64());
  });

  test.each(["GET", "PUT", "PATCH", "DELETE"] as const)(
    "is sent with method %s",
    async (method) => {
      await qstash.client.publish({ url: `${destination.url}/${method}`, method });
      expect((await arrival(`/${method}`)).method).toBe(method);
    },
  );

  test("is not sent before its delay is over", async () => {
    await using fast = await startQStash({ timeScale: 1000 });
    await fast.client.publish({ url: `${destination.url}/delayed`, delay: "5m" });
    await arrival("/delayed");
    const [active, created] = (await fast.client.logs({ filter: { path: "/delayed" } })).logs
      .filter(
        ({ state }) => state === "ACTIVE" || state === "CREATED",
      );
    expect((active?.time ?? 0) - (created?.time ?? 0)).toBeGreaterThanOrEqual(300_000);
  });

  test("is not sent before the time it names, which overrides a delay", async () => {
    await using fast = await startQStash({ timeScale: 200 });
    const notBefore = Math.floor(Date.now() / 1000) + 60;
    await fast.client.publish({ url: `${destination.url}/not-before`, notBefore, delay: "100d" });
    await arrival("/not-before");
    const { logs } = await fast.client.logs({ filter: { path: "/not-before" } });
    const active = logs.find(({ state }) => state === "ACTIVE");
    expect(active?.time).toBeGreaterThanOrEqual(notBefore * 1000);
  });

  test("counts as failed when its destination takes longer than its timeout", async () => {
    const { messageId } = await qstash.client.publish({
      url: `${destination.url}/slow`,
      timeout: 0.05,
      retries: 0,
    });
    await eventually(async () => {
      const { logs } = await qstash.client.logs({ messageIds: [messageId] });
      return logs.some(({ state, error }) => state === "ERROR" && /timed? ?out/i.test(error ?? ""));
    });
  });

  test("is given no longer than the server gives, whatever timeout it asks for", async () => {
    await using hasty = await startQStash({ maxTimeout: 50 });
    const { messageId } = await hasty.client.publish({
      url: `${destination.url}/slow`,
      timeout: 60,
      retries: 0,
    });
    await eventually(async () => {
      const { logs } = await hasty.client.logs({ messageIds: [messageId] });
      if (logs.some(({ state }) => state === "DELIVERED")) throw new Error("it was waited for");
      return logs.some(({ state, error }) => state === "ERROR" && /timed? ?out/i.test(error ?? ""));
    });
  });

  test("shows everything it was published with", async () => {
    const { messageId } = await qstash.client.publishJSON({
      url: `${destination.url}/shown`,
      body: { secret: false },
      method: "PUT",
      delay: 26 * 3600,
      retries: 7,
      retryDelay: "1000 * (1 + retried)",
      timeout: "30s",
      callback: `${destination.url}/callback`,
      failureCallback: `${destination.url}/failure`,
      flowControl: { key: "shown", parallelism: 3, rate: 5, period: "1m" },
      label: ["first", "second"],
      headers: { "X-App": "aube" },
    });
    const message = await qstash.client.messages.get(messageId);
    expect(message).toMatchObject({
      messageId,
      url: `${destination.url}/shown`,
      method: "PUT",
      header: { "Content-Type": ["application/json"], "X-App": ["aube"] },
      body: '{"secret":false}',
      maxRetries: 7,
      retryDelayExpression: "1000 * (1 + retried)",
      callback: `${destination.url}/callback`,
      failureCallback: `${destination.url}/failure`,
      flowControlKey: "shown",
      parallelism: 3,
      rate: 5,
      period: 60,
      label: "first",
      labels: ["first", "second"],
      callerIp: "127.0.0.1",
    });
    expect((message.notBefore ?? 0) - message.createdAt).toBe(26 * 3_600_000);
  });

  test("hides what its publisher wants redacted, but delivers it", async () => {
    const queue = qstash.client.queue({ queueName: "redacted" });
    await queue.upsert({ paused: true });
    const { messageId } = await queue.enqueue({
      url: `${destination.url}/redacted`,
      body: "private",
      headers: { Authorization: "Bearer private", "X-Open": "open" },
      redact: { body: true, header: ["Authorization"] },
    });
    const message = await qstash.client.messages.get(messageId);
    expect(message.body).toMatch(/^REDACTED:[0-9a-f]{64}$/);
    expect(message.header?.Authorization?.[0]).toMatch(/^REDACTED:/);
    expect(message.header?.["X-Open"]).toEqual(["open"]);

    await queue.resume();
    const delivery = await arrival("/redacted");
    expect(delivery.body).toBe("private");
    expect(delivery.headers.get("authorization")).toBe("Bearer private");
  });
});

test("no more messages are under way than the server is said to send at a time", async () => {
  let [underWay, most] = [0, 0];
  await using busy = startDestination(async () => {
    most = Math.max(most, ++underWay);
    // The first waits for one beside it.
    await eventually(() => most > 1);
    await pause(20);
    underWay--;
    return new Response();
  });
  await using narrow = await startQStash({ maxParallelism: 2 });
  await narrow.client.batch(Array.from({ length: 6 }, () => ({ url: busy.url })));
  await eventually(() => busy.deliveries.length === 6);
  expect(most).toBe(2);
});

describe("a batch", () => {
  test("delivers each of its messages and answers for each in order", async () => {
    const answers = await qstash.client.batchJSON([
      { url: `${destination.url}/batch/1`, body: { n: 1 }, headers: { "X-N": "1" } },
      { url: `${destination.url}/batch/2`, body: { n: 2 }, queueName: "batch-queue" },
    ]);
    expect(answers.map(({ url }) => url)).toEqual([
      `${destination.url}/batch/1`,
      `${destination.url}/batch/2`,
    ]);
    const [first, second] = [await arrival("/batch/1"), await arrival("/batch/2")];
    expect([first.body, second.body]).toEqual(['{"n":1}', '{"n":2}']);
    expect(first.headers.get("x-n")).toBe("1");
    expect(first.headers.get("content-type")).toBe("application/json");
    expect((await qstash.client.queue({ queueName: "batch-queue" }).get()).lag).toBe(0);
  });

  test("answers a faulty message with its error and sends the others", async () => {
    const response = await call(qstash.url, "POST", "/v2/batch", {
      body: JSON.stringify([
        { destination: "nowhere" },
        { destination: `${destination.url}/spared` },
        { destination: `${destination.url}/x`, headers: { "upstash-forward-a": "漢" } },
      ]),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual([
      { error: expect.stringContaining("invalid scheme") },
      { messageId: expect.stringMatching(/^msg_/), url: `${destination.url}/spared` },
      { error: expect.stringContaining("header") },
    ]);
    await arrival("/spared");
  });
});
