import { expect, test, vi } from "vitest";
import { createApp } from "../../shared/platform/http/app.ts";
import { revalidated } from "../../shared/platform/http/revalidated.ts";

test.each([
  ["22007", 400, "invalid_value"],
  ["22008", 400, "invalid_value"],
  ["22009", 400, "invalid_value"],
  ["22P02", 400, "invalid_value"],
  ["22012", 500, "internal_error"],
  ["57P01", 503, "database_unavailable"],
  ["53300", 503, "database_unavailable"],
  ["08006", 503, "database_unavailable"],
  ["58030", 503, "database_unavailable"],
  ["57014", 503, "database_unavailable"],
  ["55P03", 503, "database_unavailable"],
  ["40001", 503, "database_unavailable"],
  ["40P01", 503, "database_unavailable"],
  ["ECONNREFUSED", 503, "database_unavailable"],
  ["EAI_AGAIN", 503, "database_unavailable"],
  ["ENOTFOUND", 503, "database_unavailable"],
  ["EHOSTUNREACH", 503, "database_unavailable"],
  ["ENETUNREACH", 503, "database_unavailable"],
  ["EMFILE", 503, "database_unavailable"],
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

test("a browser of another origin may read that an answer is still the one it has", async () => {
  vi.spyOn(console, "log").mockReturnValue();
  const app = createApp("sample");
  app.get("/", revalidated, (context) => context.text("the same"));
  const headers = { origin: "https://example.com" };
  const tag = (await app.request("/sample", { headers })).headers.get("etag")!;
  const again = await app.request("/sample", { headers: { ...headers, "if-none-match": tag } });
  expect(again.status).toBe(304);
  expect(again.headers.get("access-control-allow-origin")).toBe("*");
  expect(again.headers.get("access-control-expose-headers")).toContain("etag");
});
