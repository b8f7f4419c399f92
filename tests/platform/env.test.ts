import { expect, test } from "vitest";
import { functionsUrl, readEnv } from "../../shared/platform/env.ts";

const SUPABASE_DB_URL = "postgres://nowhere";

test.each([
  [{ SUPABASE_URL: "https://ref.supabase.co" }, "https://ref.supabase.co/functions/v1"],
  [{ PHOENIX_FUNCTIONS_URL: "https://phoenix.example/f" }, "https://phoenix.example/f"],
  // QStash signs for the address it is given, and calls back at no other.
  [{ PHOENIX_FUNCTIONS_URL: "https://phoenix.example/f//" }, "https://phoenix.example/f"],
])("with %j the functions answer at %s", (variables, url) => {
  expect(functionsUrl(readEnv({ SUPABASE_DB_URL, ...variables }))).toBe(url);
});

test("without a database's URL a function does not start, and says so", () => {
  for (const variables of [{}, { SUPABASE_DB_URL: "" }]) {
    expect(() => readEnv(variables)).toThrow("not set: SUPABASE_DB_URL");
  }
});
