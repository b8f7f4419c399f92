import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readEnv } from "../../shared/platform/env.ts";
import { createApp } from "../../shared/platform/http/app.ts";
import { secretOrSigned } from "../../shared/platform/http/signature.ts";
import { createOnce } from "../../shared/platform/once.ts";
import { doorbellSignature } from "../support/signatures.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

test("a signature dated ahead is refused a second time for as long as it counts", async () => {
  const secret = "a secret of the doorbell's";
  const env = readEnv({ SUPABASE_DB_URL: "postgres://nowhere", PHOENIX_DOORBELL_SECRET: secret });
  const body = "{}";
  const once = createOnce(undefined);
  const app = createApp("bell");
  app.post("/", async (context) => context.json(await secretOrSigned(context, { env, once })));
  app.post(
    "/deaf",
    async (context) =>
      context.json(await secretOrSigned(context, { env, once }, { doorbell: false })),
  );
  const signedAt = Math.floor(Date.now() / 1000) + 290;
  const signature = doorbellSignature(secret, body, signedAt);
  const ring = async (signature: string, path = "/bell") => {
    const headers = { "x-phoenix-signature": signature };
    return (await app.request(path, { method: "POST", body, headers })).status;
  };

  expect(await ring(signature, "/bell/deaf"), "where the doorbell has nothing to say")
    .toBeGreaterThanOrEqual(401);

  expect(await ring(signature)).toBe(200);
  vi.setSystemTime((signedAt + 299) * 1000);
  expect(await ring(signature)).toBe(401);
  // As long as that another of its time is let in.
  const other = doorbellSignature(secret, body, signedAt + 1);
  expect(await ring(other)).toBe(200);
});

test("where no secret is set nobody is the doorbell, least of all a caller who signs with an empty one", async () => {
  const env = readEnv({ SUPABASE_DB_URL: "postgres://nowhere" });
  const app = createApp("bell");
  app.post(
    "/",
    async (context) =>
      context.json(await secretOrSigned(context, { env, once: createOnce(undefined) })),
  );
  const headers = { "x-phoenix-signature": doorbellSignature("", "{}") };
  const { status } = await app.request("/bell", { method: "POST", body: "{}", headers });
  expect(status).toBe(401);
});

describe("a body is not read before its sender is known:", () => {
  const env = readEnv({
    SUPABASE_DB_URL: "postgres://nowhere",
    PHOENIX_DOORBELL_SECRET: "a secret of the doorbell's",
    QSTASH_CURRENT_SIGNING_KEY: "sig_a_key",
  });
  const app = createApp("bell");
  app.post(
    "/",
    async (context) =>
      context.json(await secretOrSigned(context, { env, once: createOnce(undefined) })),
  );

  test("without credentials not a byte of it", async () => {
    vi.stubEnv("SUPABASE_URL", "http://localhost");
    vi.stubEnv("SUPABASE_SECRET_KEYS", `{"default":"sb_secret_a_key"}`);
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(1_024));
      },
    }, { highWaterMark: 0 });
    const { status } = await app.request("/bell", { method: "POST", body });
    expect({ status, pulled }).toEqual({ status: 401, pulled: 0 });
  });

  test.each(["x-phoenix-signature", "upstash-signature"])(
    "nor with a forged %s",
    async (header) => {
      const answer = await app.request("/bell", {
        method: "POST",
        body: "{",
        headers: { [header]: doorbellSignature("another secret", "{") },
      });
      expect(answer.status).toBe(401);
    },
  );
});
