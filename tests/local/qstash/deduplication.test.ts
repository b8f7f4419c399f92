import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { call, pause, startDestination, startQStash } from "./harness.ts";

let qstash: Awaited<ReturnType<typeof startQStash>>;
let destination: ReturnType<typeof startDestination>;

beforeAll(async () => {
  destination = startDestination();
  qstash = await startQStash();
});

afterAll(async () => {
  await qstash.close();
  await destination.close();
});

describe("deduplication", () => {
  test("accepts a second message with the same id, answers with the first and sends once", async () => {
    const message = { url: `${destination.url}/once`, body: "1", deduplicationId: "once" };
    const first = await qstash.client.publish(message);
    const second = await qstash.client.publish({ ...message, body: "2" });
    expect(second).toMatchObject({ messageId: first.messageId, deduplicated: true });
    expect(first.deduplicated).toBeUndefined();

    const raw = await call(qstash.url, "POST", `/v2/publish/${destination.url}/once`, {
      headers: { "Upstash-Deduplication-Id": "once" },
    });
    expect(raw.status).toBe(202);
    await eventually(() => destination.to("/once").length > 0);
    await pause(50);
    expect(destination.to("/once")).toHaveLength(1);
  });

  test("by content looks at destination, forwarded headers and body", async () => {
    const message = {
      url: `${destination.url}/content`,
      body: "same",
      headers: { "X-A": "a", "X-B": "b" },
      contentBasedDeduplication: true,
    };
    const first = await qstash.client.publish(message);
    const same = await qstash.client.publish({ ...message, headers: { "X-B": "b", "X-A": "a" } });
    expect(same.messageId).toBe(first.messageId);
    for (
      const other of [{ ...message, body: "other" }, { ...message, headers: { "X-A": "other" } }, {
        ...message,
        url: `${destination.url}/content?other`,
      }]
    ) expect((await qstash.client.publish(other)).deduplicated).toBeUndefined();
  });

  test("ends with its window", async () => {
    // 1000 s pass in 4 s: within them a busy machine publishes a second time.
    await using fast = await startQStash({ timeScale: 250, deduplicationWindow: 1_000_000 });
    const message = { url: `${destination.url}/window`, deduplicationId: "window" };
    const first = await fast.client.publish(message);
    expect((await fast.client.publish(message)).messageId).toBe(first.messageId);
    await eventually(async () =>
      (await fast.client.publish(message)).messageId !== first.messageId
    );
  });
});
