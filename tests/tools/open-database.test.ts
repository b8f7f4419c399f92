import { expect, test } from "vitest";
import { openDatabase } from "../../supabase/tools/open-database.ts";

test.each([
  ["postgresql://user:word@db.example:5432/postgres", "require"],
  ["postgresql://user:word@localhost.example/postgres", "require"],
  ["postgresql://user:word@127.0.0.1:54322/postgres", false],
  ["postgresql://user:word@localhost/postgres", false],
  ["postgresql://user:word@[::1]/postgres", false],
  ["postgresql://user:word@db.example/postgres?sslmode=verify-full", "verify-full"],
])("a password leaves the machine encrypted: %s", async (url, ssl) => {
  const sql = openDatabase(url, "a test");
  expect(sql.options.ssl).toBe(ssl);
  await sql.end();
});
