import { expect, test, vi } from "vitest";
import { createApp } from "../../shared/platform/http/app.ts";

test.each([
  ["22007", 400, "invalid_value"],
  ["22008", 400, "invalid_value"],
  ["22009", 400, "invalid_value"],
  ["22P02", 400, "invalid_value"],
  ["22012", 500, "internal_error"],
  ["57P01", 503, "database_unavailable"],
  ["53300", 503, "database_unavailable"],
  ["08006", 503, "database_unavailable"],
  ["ECONNREFUSED", 503, "database_unavailable"],
])("the database's error %s is answered with %i %s", async (sqlState, status, code) => {
  vi.spyOn(console, "log").mockReturnValue();
  const app = createApp("sample");
  app.get("/", () => {
    throw Object.assign(new Error("of the database"), { code: sqlState });
  });
  const answer = await app.request("/sample");
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { code } });
});
