import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../supabase/tools/open-database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
  await base.superuser`
    do $$
    begin
      execute format('alter database %I set datestyle = %L', current_database(), 'SQL, DMY');
    end
    $$
  `;
});
afterAll(() => base[Symbol.asyncDispose]());

test("functions read every time right, however the database writes it for others", async () => {
  const [row] = await base.connect()`
    select timestamptz '2026-12-05 10:00:00.123+01' as at, timestamptz '2026-11-28 00:00:00Z' as later_in_month
  `;
  expect(row).toEqual({
    at: new Date("2026-12-05T09:00:00.123Z"),
    later_in_month: new Date("2026-11-28T00:00:00Z"),
  });
});

test("and the tools every day", async () => {
  const sql = openDatabase(base.url, "a test");
  const [row] = await sql`select date '2026-12-05'::text as day`;
  await sql.end();
  expect(row).toEqual({ day: "2026-12-05" });
});
