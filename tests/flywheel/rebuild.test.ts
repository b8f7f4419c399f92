import type postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { day } from "../../shared/domain/duration.ts";
import { nudges } from "../../shared/domain/reactors/nudges.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event as eventOf, publish } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";
import { mergeAll, userOf, wrong } from "../support/rollups.ts";

let base: TestDatabase;
let database: Database;

beforeEach(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterEach(() => base[Symbol.asyncDispose]());

const shape = shapeOfWork([nudges]);

test("durations that are lost, too many or of the wrong length are found and mended", async () => {
  const now = Date.now();
  const at = (seconds: number) => new Date(now - day + seconds * 1000).toISOString();
  await publish(
    database,
    [0, 1, 2].flatMap((user) => [
      eventOf(userOf(user), { event_type: "exploration_commencée", timestamp: at(0) }),
      eventOf(userOf(user), { event_type: "valeurs_explorées", timestamp: at(60 + user) }),
      eventOf(userOf(user), { event_type: "compétences_révélées", timestamp: at(3660 + user) }),
    ]),
  );
  await drain(database, [nudges]);
  await mergeAll(database);
  const durations = async () => [
    ...await base.admin`select * from flywheel.durations order by key, span`,
  ];
  const before = await durations();
  expect(before.map(({ seconds, times, count }) => [seconds, times, Number(count)])).toEqual([
    [[3600], [3], 3],
    [[60, 61, 62], [1, 1, 1], 3],
  ]);

  await base
    .admin`update flywheel.durations set seconds = '{60, 61, 63}' where key = 'valeurs_explorées'`;
  expect(await wrong(database)).toMatchObject([{ remembered: "{62}", forgotten: "{63}" }]);
  await base.admin`update flywheel.durations set times = '{5}' where key = 'compétences_révélées'`;
  await base.admin`select flywheel.rebuild_rollups()`;
  expect(await durations()).toEqual(before);

  await base.admin`truncate flywheel.durations`;
  expect((await wrong(database)).map(({ count, remembered }) => `${count} ${remembered}`).sort())
    .toEqual([
      "0 {3600,3600,3600}",
      "0 {60,61,62}",
    ]);
  await base.admin`select flywheel.rebuild_rollups()`;
  expect(await durations()).toEqual(before);
});

test("activity that is lost, wrong or nobody's is found and mended, and where nothing is it is left alone", async () => {
  await publish(
    database,
    [0, 1, 2, 3, 4].map((user) =>
      eventOf(userOf(user), { app_source: "cv", event_type: "cv.generated" })
    ),
  );
  await drain(database, [nudges]);
  const rebuild = async () => {
    const [row] = await base.admin`select flywheel.rebuild_rollups() as corrected`;
    return row!.corrected;
  };
  const activity =
    async () => [...await base.admin`select * from flywheel.user_activity order by user_id`];
  const before = await activity();
  expect(before).toHaveLength(5);
  expect(await rebuild()).toBe(0);

  await base.admin`delete from flywheel.user_activity where user_id = ${userOf(0)}`;
  for (const [place, column] of ["letters_last_at", "cv_last_at", "cv_third_last_at"].entries()) {
    await base.admin`
      update flywheel.user_activity set ${base.admin(column)} = now() where user_id = ${
      userOf(1 + place)
    }
    `;
  }
  await base.admin`insert into flywheel.user_activity (user_id, cv_last_at) values (${
    userOf(7)
  }, now())`;
  const found = await base.admin`select user_id from flywheel.verify_activity() order by user_id`;
  expect(found.map(({ user_id }) => user_id)).toEqual([0, 1, 2, 3, 7].map(userOf));
  expect(await rebuild()).toBe(5);
  expect(await activity()).toEqual(before);

  await expect(
    base.admin.begin(
      "isolation level repeatable read",
      (sql) => sql`select flywheel.rebuild_rollups()`,
    ),
  ).rejects.toMatchObject({ code: "25001" });
});

describe("figures of which one number alone is wrong", () => {
  test.each(["count", "users", "total"])(
    "are found and mended where it is the %s",
    async (number) => {
      await publish(database, eventOf(userOf(0)));
      await drain(database, [nudges]);
      await mergeAll(database);
      const rollups = () => base.admin`select * from flywheel.rollups order by figure, day, key`;
      const before = [...await rollups()];
      await base.admin`
      update flywheel.rollups set ${base.admin(number)} = ${
        base.admin(number)
      } + 3 where figure = 'event'
    `;
      const right = { figure: "event", count: "0", users: "0", total: "0" };
      expect(await wrong(database)).toMatchObject([{ ...right, [number]: "-3" }]);
      const [row] = await base.admin`select flywheel.rebuild_rollups() as corrected`;
      expect(row!.corrected).toBe(1);
      expect([...await rollups()]).toEqual(before);
    },
  );
});

test("of two who rebuild at once the second finds all mended", async () => {
  await publish(database, eventOf(userOf(0)));
  await drain(database, [nudges]);
  await base.admin`delete from flywheel.rollup_increments`;
  await base.admin`delete from flywheel.rollups`;
  const rebuild = async (sql: postgres.ISql) => {
    const [row] = await sql`select flywheel.rebuild_rollups() as corrected`;
    return row!.corrected;
  };
  let second: Promise<number> | undefined;
  await base.superuser.begin(async (sql) => {
    expect(await rebuild(sql)).toBeGreaterThan(0);
    second = rebuild(base.admin);
    await Promise.race([second, lockWait(base, "rebuild_rollups")]);
  });
  expect(await second).toBe(0);
  expect(await wrong(database)).toEqual([]);
});

test("activity that is written while it is mended stays as it is written, and whoever mends it holds up nobody while they wait", async () => {
  // In the table in another order than that in which streams are locked.
  for (const user of [1, 0].map(userOf)) {
    await publish(database, eventOf(user, { app_source: "cv", event_type: "cv.generated" }));
  }
  await drain(database, [nudges]);
  await base.admin`analyze flywheel.streams`;
  await base.admin`delete from flywheel.user_activity`;
  await publish(database, eventOf(userOf(0), { app_source: "cv", event_type: "cv.optimized" }));
  const leased = (await lease(database, shape))!;
  const own = base.connectOnce();
  await own`begin`;
  await work(own, [nudges], shape, leased);
  const rebuilding = base.admin`select flywheel.rebuild_rollups()`.execute();
  await lockWait(base, "rebuild_rollups");
  await base.superuser`select from flywheel.streams where user_id = ${userOf(1)} for update nowait`;
  await own`commit`;
  await rebuilding;
  expect(await wrong(database)).toEqual([]);
});
