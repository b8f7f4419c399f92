import { expect, test } from "vitest";
import { connect } from "../../shared/platform/database.ts";
import { openDatabase } from "../../supabase/tools/open-database.ts";

test.each([
  ["postgresql://user:word@db.example:5432/postgres", "require", "prefer"],
  ["postgresql://user:word@localhost.example/postgres", "require", "prefer"],
  ["postgresql://user:word@127.0.0.1:54322/postgres", false, false],
  ["postgresql://user:word@localhost/postgres", false, false],
  ["postgresql://user:word@[::1]/postgres", false, false],
  ["postgresql://user:word@db.example/postgres?sslmode=verify-full", "verify-full", "verify-full"],
])(
  "a password leaves the machine encrypted, a function's payloads where the server can: %s",
  async (url, ofTools, ofFunctions) => {
    const sql = openDatabase(url, "a test");
    const database = connect(url);
    expect(sql.options.ssl).toBe(ofTools);
    expect(database.options.ssl).toBe(ofFunctions);
    await Promise.all([sql.end(), database.end()]);
  },
);
