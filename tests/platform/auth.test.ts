import { afterEach, expect, test, vi } from "vitest";
import { createApp } from "../../shared/platform/http/app.ts";
import { callerOf } from "../../shared/platform/http/auth.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test("where the platform's variables are missing, the fault is not said to be the caller's", async () => {
  vi.spyOn(console, "log").mockReturnValue();
  vi.stubEnv("SUPABASE_URL", undefined);
  const app = createApp("door");
  app.get("/", async (context) => context.json(await callerOf(context, "user", "secret")));
  const answer = await app.request("/door", { headers: { apikey: "sb_secret_a_key" } });
  expect(answer.status).toBe(500);
  expect(await answer.json()).toMatchObject({ error: { code: "misconfigured" } });
});
