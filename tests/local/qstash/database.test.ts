import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../../../supabase/local/qstash/store/database.ts";
import { tempFolder } from "../../support/temp-folder.ts";

test("an error at which SQLite itself rolls back, as for a full disk, is told as it is", async () => {
  await using folder = await tempFolder();
  const database = openDatabase(`${folder.path}/qstash.db`);
  onTestFinished(() => database.close());
  database.execute("create table kept (id integer primary key)");
  const keep = (id: number) => database.run("insert or rollback into kept values (:id)", { id });
  expect(() =>
    database.transaction(() => {
      keep(1);
      keep(1);
    })
  ).toThrow(/^UNIQUE constraint failed/);
  database.transaction(() => keep(2));
  expect(database.all("select id from kept")).toEqual([{ id: 2 }]);
});
