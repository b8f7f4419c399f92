import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { call, receiver, startDestination, startQStash } from "./harness.ts";

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

describe("a request", () => {
  test("without the token is refused", async () => {
    const response = await fetch(`${qstash.url}/v2/keys`);
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ error: "unable to authenticate: invalid token" });
    for (const authorization of ["Bearer test-toke", "Bearer test-token2", "Bearer ", "test"]) {
      const answer = await call(qstash.url, "GET", "/v2/keys", { headers: { authorization } });
      expect([authorization, answer.status]).toEqual([authorization, 401]);
    }
    expect((await fetch(`${qstash.url}/v2/keys?qstash_token=another`)).status).toBe(401);
    expect((await fetch(`${qstash.url}/v2/keys?qstash_token=test-token`)).status).toBe(200);
    expect((await fetch(`${qstash.url}/health`)).status).toBe(200);
  });

  test.each([
    ["ftp://example.com", {}, "invalid destination url"],
    ["some-url-group", {}, "invalid destination url"],
    ["http://", {}, "invalid destination url"],
    ["http://127.0.0.1:1", { "Upstash-Delay": "soon" }, "Upstash-Delay"],
    ["http://127.0.0.1:1", { "Upstash-Retries": "-1" }, "Upstash-Retries"],
    ["http://127.0.0.1:1", { "Upstash-Retry-Delay": "boom(1)" }, "Upstash-Retry-Delay"],
    ["http://127.0.0.1:1", { "Upstash-Method": "BREW" }, "Upstash-Method"],
    ["http://127.0.0.1:1", { "Upstash-Callback": "nowhere" }, "invalid callback url"],
    ["http://127.0.0.1:1", { "Upstash-Flow-Control-Key": "k" }, "Upstash-Flow-Control-Value"],
  ])("to publish to %s with %o is refused as a bad request", async (to, headers, message) => {
    const response = await call(qstash.url, "POST", `/v2/publish/${to}`, { headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: expect.stringContaining(message) });
  });

  test.each([
    ["Not-Before", "1796000000000", "is more than a year ahead"],
    ["Not-Before", "99999999999999999999", "is too large"],
    ["Delay", "200000000d", "is longer than a year"],
    ["Retries", "10000000000000000", "is too large"],
    ["Flow-Control-Value", "rate=20000000000000000", "rate is too large"],
    ["Flow-Control-Value", "rate=1,period=200000000d", "period is longer than a year"],
    ["Flow-Control-Value", "rate=1,period=0.1ms", "period is not positive"],
  ])("to publish with Upstash-%s: %s is refused with the reason", async (name, value, reason) => {
    const response = await call(qstash.url, "POST", "/v2/publish/http://127.0.0.1:1", {
      headers: {
        "Upstash-Flow-Control-Key": "k",
        "Upstash-Flow-Control-Value": "rate=1",
        [`Upstash-${name}`]: value,
      },
    });
    expect(response.status).toBe(400);
    const { error } = await response.json();
    expect(error).toContain(`invalid Upstash-${name} header: ${reason}`);
  });

  test("for what does not exist is answered 404", async () => {
    for (
      const path of ["/v2/messages/msg_x", "/v2/dlq/1-0", "/v2/schedules/scd_x", "/v2/queues/q"]
    ) {
      const response = await call(qstash.url, "GET", path);
      expect([path, response.status]).toEqual([path, 404]);
      expect(await response.json()).toEqual({ error: expect.stringContaining("not found") });
    }
  });
});

describe("signing keys", () => {
  test("rotate: the next becomes the current one, and receivers with the old pair go on", async () => {
    const rotated = await (await call(qstash.url, "POST", "/v2/keys/rotate")).json();
    expect(rotated).toEqual({ current: "sig_next", next: expect.stringMatching(/^sig_/) });
    expect(await (await call(qstash.url, "GET", "/v2/keys")).json()).toEqual(rotated);

    await qstash.client.publish({ url: `${destination.url}/rotated`, body: "b" });
    await eventually(() => destination.to("/rotated").length > 0);
    const signature = destination.to("/rotated")[0]?.headers.get("upstash-signature") ?? "";
    await expect(receiver.verify({ signature, body: "b" })).resolves.toBe(true);
  });
});
