import { expect, test, vi } from "vitest";
import { settings } from "../../supabase/local/settings.ts";

test("a setting that is empty counts as not set", () => {
  const names = ["PHOENIX_API_PORT", "PHOENIX_DB_PORT", "PHOENIX_DATA_DIR"];
  for (const name of names) vi.stubEnv(name, undefined);
  const otherwise = settings();
  expect(otherwise).toMatchObject({ apiPort: 54321, dbPort: 54322 });
  for (const name of names) vi.stubEnv(name, "");
  expect(settings()).toEqual(otherwise);
  vi.unstubAllEnvs();
});
