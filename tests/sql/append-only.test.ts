import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { testStack } from "../support/stack.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

const roles = ["anon", "authenticated", "service_role"];
const denied = { code: "42501" };

async function as(role: string, statement: string): Promise<void> {
  await base.admin.begin(async (sql) => {
    await sql.unsafe(`set local role ${role}`);
    await sql.unsafe(statement);
  });
}

describe.each(roles)("%s", (role) => {
  test.each([
    "update public.phoenix_events set payload = '{}'",
    "update public.phoenix_events set ai_processing_error = null",
    "delete from public.phoenix_events",
    "truncate public.phoenix_events",
    "insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, \"timestamp\", event_hash) values (gen_random_uuid(), 1, gen_random_uuid(), 'a', 'cv', '{}', now(), '')",
    "alter table public.phoenix_events disable trigger all",
    "drop table public.phoenix_events",
  ])("may not: %s", async (statement) => {
    await expect(as(role, statement)).rejects.toMatchObject(denied);
  });

  test("may write no table of the store or the flywheel but the settings", async () => {
    const writable = await base.admin`
      select format('%s %s', c.oid::regclass, p.privilege) as right
      from pg_class as c
      cross join unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger', 'maintain'])
        as p (privilege)
      where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
        and c.relkind in ('r', 'p', 'v', 'm')
        and has_table_privilege(${role}, c.oid, p.privilege)
    `;
    const allowed = role === "service_role" ? ["flywheel.settings update"] : [];
    expect(writable.map(({ right }) => right)).toEqual(allowed);
  });
});

test("the functions have service_role's rights and no more, whoever they log in as", async () => {
  const functions = base.connect();
  await expect(functions`delete from public.phoenix_events`).rejects.toMatchObject(denied);
  await expect(functions.begin((sql) => sql`delete from public.phoenix_events`)).rejects
    .toMatchObject(denied);
  expect(await functions`select current_user as role`).toEqual([{ role: "service_role" }]);
});

test("nobody but service_role may use schema flywheel", async () => {
  for (const role of ["anon", "authenticated"]) {
    await expect(as(role, "select * from flywheel.streams")).rejects.toMatchObject(denied);
    await expect(as(role, "select flywheel.queue_status()")).rejects.toMatchObject(denied);
  }
});

test("no function of the flywheel can be called by public", async () => {
  const open = await base.admin`
    select p.oid::regprocedure::text as name
    from pg_proc as p
    where p.pronamespace = 'flywheel'::regnamespace
      and has_function_privilege('anon', p.oid, 'execute')
  `;
  expect(open.map(({ name }) => name)).toEqual([]);
});

test("no API role may change the audit", async () => {
  for (const role of roles) {
    for (
      const verb of ["update flywheel.audit set details = '{}'", "delete from flywheel.audit"]
    ) {
      await expect(as(role, verb)).rejects.toMatchObject(denied);
    }
    await expect(as(role, "truncate flywheel.audit")).rejects.toMatchObject(denied);
    await expect(
      as(role, "insert into flywheel.audit (action, by_role) values ('a', 'b')"),
    ).rejects.toMatchObject(denied);
  }
});

test("nobody but service_role may erase or export a user", async () => {
  for (const role of ["anon", "authenticated"]) {
    await expect(as(role, "select flywheel.erase_user(gen_random_uuid(), 'x')")).rejects
      .toMatchObject(denied);
    await expect(as(role, "select flywheel.export_user(gen_random_uuid())")).rejects
      .toMatchObject(denied);
  }
});

describe("through the REST API", () => {
  test("a secret key can read events, and neither change nor delete nor insert one", async () => {
    const stack = testStack();
    const user = await stack.signUp();
    const { error } = await user.client.rpc("publish_events", {
      events: { event_type: "test.happened", app_source: "website", payload: { a: 1 } },
    });
    expect(error).toBeNull();
    const service = stack.service();
    const mine = () => service.from("phoenix_events").select().eq("user_id", user.user_id);
    const before = await mine();
    expect(before.data).toHaveLength(1);

    for (const client of [service, user.client, stack.anonymous()]) {
      const events = () => client.from("phoenix_events");
      const attempts = [
        await events().update({ payload: {} }).eq("user_id", user.user_id),
        await events().update({ ai_processing_error: "x" }).eq("user_id", user.user_id),
        await events().delete().eq("user_id", user.user_id),
        await events().insert({ ...before.data![0], version: 2, event_id: crypto.randomUUID() }),
        await events().upsert(before.data![0]),
      ];
      for (const { error } of attempts) expect(error?.code).toBe("42501");
    }
    expect((await mine()).data).toEqual(before.data);
  });
});
