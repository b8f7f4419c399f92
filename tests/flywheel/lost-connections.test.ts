import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, isUnreachable } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

test(
  "whoever asks is answered, or told, though connections are lost all the time, and at once when they are not",
  async () => {
    const database = base.connect();
    const asked = [
      () => database`select ${crypto.randomUUID()}::text as a, pg_sleep(0.002)`,
      () => database`select ${"x".repeat(3_000)}::text as a`,
      () => database`select flywheel.tend()`,
    ];
    let underWay = 0;
    const errors: unknown[] = [];
    let isOver = false;
    const callers = Array.from({ length: 15 }, async (_, index) => {
      while (!isOver) {
        underWay++;
        await asked[index % asked.length]!().catch((error: unknown) => errors.push(error));
        underWay--;
      }
    });
    for (let times = 0; times < 20; times++) {
      await base.superuser`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'phoenix-flywheel' and datname = current_database()
    `;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    const before = errors.length;
    expect(before).toBeGreaterThan(0);
    expect(errors.filter((error) => !isUnreachable(error))).toEqual([]);

    isOver = true;
    expect(await database`select 1 as one`).toEqual([{ one: 1 }]);
    await eventually(() => Promise.resolve(underWay === 0));
    await Promise.all(callers);
  },
  60_000,
);

test("a connection that is refused costs those that are there nothing", async () => {
  const role = `limited_${crypto.randomUUID().replaceAll("-", "")}`;
  await base.superuser.unsafe(
    `create role ${role} login password 'a password' connection limit 2 in role service_role`,
  );
  const database = connect(
    Object.assign(new URL(base.url), { username: role, password: "a password" }).href,
  );
  const ask = async () => {
    const [row] = await database`select pg_backend_pid() as pid, pg_sleep(0.3)`;
    return row!.pid as number;
  };
  const asked = await Promise.allSettled([ask(), ask(), ask()]);
  const there = asked.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  const refused = asked.flatMap((each) => each.status === "rejected" ? [each.reason.code] : []);
  expect(refused).toEqual(["53300"]);
  expect(there).toContain(await ask());
  await database.end();
  await base.superuser.unsafe(`drop role ${role}`);
});

test("while nobody answers everybody is told so at once, however long it takes", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const database = connect(`postgresql://postgres@127.0.0.1:${port}/postgres`);
  for (let time = 0; time < 30; time++) {
    await expect(database`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
  }
  await database.end();
});
