import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keepDoorbell } from "../../supabase/local/doorbell.ts";
import { freePort } from "../../supabase/local/ports.ts";
import { connect } from "../../supabase/local/postgres/connect.ts";
import { eventually } from "../support/eventually.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

let stack: FixtureStack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await fixtureStack({
    without: ["functions", "gateway", "qstash", "redis-server", "redis"],
  });
  sql = stack.adminSql();
});

afterAll(async () => {
  await sql?.end();
  await stack?.[Symbol.asyncDispose]();
});

/** Runs statements as one of the API's roles. */
async function as<T>(role: string, run: (tx: postgres.TransactionSql) => Promise<T>): Promise<T> {
  return await sql.begin(async (tx) => {
    await tx`select set_config('role', ${role}, true)`;
    return await run(tx);
  }) as T;
}

describe("as on Supabase", () => {
  test("postgres, as whom migrations run, is no superuser and sees through RLS", async () => {
    const [role] = await sql`
      select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user`;
    expect(role).toMatchObject({
      rolsuper: false,
      rolbypassrls: true,
      rolcreaterole: true,
      rolcreatedb: true,
    });
  });

  test("service_role sees through RLS, anon and authenticated do not, none of them logs in", async () => {
    const roles = await sql`
      select rolname, rolbypassrls, rolcanlogin from pg_roles
      where rolname in ('anon', 'authenticated', 'service_role') order by rolname`;
    expect(roles.map((row) => Object.values(row))).toEqual([
      ["anon", false, false],
      ["authenticated", false, false],
      ["service_role", true, false],
    ]);
  });

  test("a new table of public is open to the API's roles until a migration closes it", async () => {
    await sql`create table public.fresh (id integer)`;
    for (const role of ["anon", "authenticated", "service_role"]) {
      await as(role, (tx) => tx`insert into public.fresh values (1)`);
    }
    await sql`drop table public.fresh`;
  });

  test("text is UTF-8, French letters have cases, time is UTC", async () => {
    const [row] = await sql`
      select current_setting('server_encoding') as encoding, upper('été œuvre') as upper,
        current_setting('timezone') as timezone, current_setting('fsync') as fsync`;
    expect(row).toEqual({ encoding: "UTF8", upper: "ÉTÉ ŒUVRE", timezone: "UTC", fsync: "on" });
  });

  test("the migrations are recorded as the Supabase CLI records them", async () => {
    const rows =
      await sql`select version, name, statements from supabase_migrations.schema_migrations`;
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ version: "20260101000000", name: "notes" });
    expect(rows[0]!.statements.join("")).toContain("create table public.notes");
  });

  test("another database begins as bare as a new project", async () => {
    await using empty = await stack.emptyDatabase();
    const other = postgres(empty.url, { max: 1, onnotice: () => {} });
    const [row] = await other`select current_user, to_regclass('auth.users') as users`;
    expect(row).toEqual({ current_user: "postgres", users: "auth.users" });
    expect(await other`select from pg_tables where schemaname = 'public'`).toEqual([]);
    await other.end();
  });

  test("the publication of Realtime is there, empty, and takes a table", async () => {
    expect(await sql`select from pg_publication_tables where pubname = 'supabase_realtime'`)
      .toEqual([]);
    await sql`alter publication supabase_realtime add table public.notes`;
    await sql`alter publication supabase_realtime drop table public.notes`;
  });
});

describe("vault", () => {
  test("a secret comes back as it went in, changes, and is not kept in the clear", async () => {
    const [made] = await sql`select vault.create_secret('première', 'a_name', 'what for') as id`;
    const read = () =>
      sql`select decrypted_secret, secret, description from vault.decrypted_secrets where name = 'a_name'`;
    const [kept] = await read();
    expect(kept).toMatchObject({ decrypted_secret: "première", description: "what for" });
    expect(kept!.secret).not.toContain("première");
    await sql`select vault.update_secret(${made!.id}, 'seconde')`;
    expect((await read())[0]).toMatchObject({
      decrypted_secret: "seconde",
      description: "what for",
    });
    await expect(sql`select vault.create_secret('x', 'a_name')`).rejects.toMatchObject({
      code: "23505",
    });
  });

  test("users get at no secret, and nobody at the key", async () => {
    for (const role of ["anon", "authenticated"]) {
      await expect(as(role, (tx) => tx`select from vault.decrypted_secrets`)).rejects
        .toMatchObject({ code: "42501" });
      await expect(as(role, (tx) => tx`select vault.create_secret('x')`)).rejects
        .toMatchObject({ code: "42501" });
    }
    await expect(sql`select pg_read_file('vault.key')`).rejects.toMatchObject({ code: "42501" });
  });

  test("the doorbell's address and secret are there", async () => {
    const rows = await sql`
      select name, decrypted_secret from vault.decrypted_secrets
      where name like 'phoenix_doorbell_%' order by name`;
    expect(rows.map((row) => row.decrypted_secret)).toEqual([
      stack.env.DOORBELL_SECRET,
      `${stack.env.FUNCTIONS_URL}/events/process-queue`,
    ]);
  });

  test("the doorbell follows a stack that starts on another port", async () => {
    const admin = connect(stack.env.SUPERUSER_DB_URL);
    const address = async () => {
      const [row] = await sql`
        select decrypted_secret as url from vault.decrypted_secrets where name = 'phoenix_doorbell_url'`;
      return row!.url;
    };
    try {
      const FUNCTIONS_URL = "http://127.0.0.1:1/functions/v1";
      await keepDoorbell(admin, { ...stack.env, FUNCTIONS_URL });
      expect(await address()).toBe(`${FUNCTIONS_URL}/events/process-queue`);
    } finally {
      await keepDoorbell(admin, stack.env);
      await admin.end();
    }
    expect(await address()).toBe(`${stack.env.FUNCTIONS_URL}/events/process-queue`);
  });
});

describe("net", () => {
  interface Received {
    url: string;
    headers: Headers;
    body: unknown;
  }

  let received: Received[];
  let server: Deno.HttpServer<Deno.NetAddr>;
  let target: string;

  beforeAll(() => {
    received = [];
    server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/nul") return new Response("a\0b");
      if (pathname === "/slow") await new Promise((resolve) => setTimeout(resolve, 1_000));
      received.push({
        url: pathname + search,
        headers: request.headers,
        body: await request.json(),
      });
      return Response.json({ ok: true }, { status: pathname === "/refused" ? 418 : 200 });
    });
    target = `http://127.0.0.1:${server.addr.port}`;
  });

  afterAll(() => server.shutdown());

  async function response(id: unknown) {
    return await eventually(async () =>
      (await sql`select * from net._http_response where id = ${id as string}`)[0]
    );
  }

  test("what is posted arrives, and what came back is recorded", async () => {
    const [{ id }] = await sql`
      select net.http_post(
        ${`${target}/hook`},
        '{"name": "été"}',
        '{"a b": "c&d"}',
        '{"content-type": "application/json", "x-signature": "s"}'
      ) as id` as [{ id: string }];
    expect(await response(id)).toMatchObject({
      status_code: 200,
      content_type: "application/json",
      content: '{"ok":true}',
      timed_out: false,
      error_msg: null,
    });
    const request = received.find((each) => each.url.startsWith("/hook"))!;
    expect(request.url).toBe("/hook?a%20b=c%26d");
    expect(request.body).toEqual({ name: "été" });
    expect(request.headers.get("x-signature")).toBe("s");
    expect(request.headers.get("content-type")).toBe("application/json");
    expect(await sql`select from net.http_request_queue where id = ${id}`).toEqual([]);
  });

  test("a failure is recorded and not tried again", async () => {
    const closedPort = freePort();
    const [refused, closed, slow] = await Promise.all([
      sql`select net.http_post(${`${target}/refused`}) as id`,
      sql`select net.http_post(${`http://127.0.0.1:${closedPort}/`}) as id`,
      sql`select net.http_post(${`${target}/slow`}, timeout_milliseconds => 50) as id`,
    ]);
    expect(await response(refused[0]!.id)).toMatchObject({ status_code: 418 });
    expect(await response(closed[0]!.id)).toMatchObject({
      status_code: null,
      timed_out: false,
      error_msg: expect.stringContaining("onnect"),
    });
    expect(await response(slow[0]!.id)).toMatchObject({ timed_out: true });
    expect(received.filter((each) => each.url === "/refused")).toHaveLength(1);
  });

  test("an answer that no text column holds is recorded all the same", async () => {
    const [{ id }] = await sql`select net.http_post(${`${target}/nul`}) as id` as [{ id: string }];
    expect(await response(id)).toMatchObject({ status_code: 200, content: "ab" });
  });

  test("a burst arrives whole", async () => {
    await sql`select net.http_post(${`${target}/burst`}, to_jsonb(n)) from generate_series(1, 500) as n`;
    await eventually(() =>
      Promise.resolve(received.filter((each) => each.url === "/burst").length === 500)
    );
  });

  test("nothing is sent for a transaction that is rolled back", async () => {
    await sql.begin(async (tx) => {
      await tx`select net.http_post(${`${target}/never`})`;
      throw new Error("rolled back");
    }).catch(() => {});
    const [{ id }] = await sql`select net.http_post(${`${target}/after`}) as id` as [
      { id: string },
    ];
    await response(id);
    expect(received.map((each) => each.url)).not.toContain("/never");
  });

  test("any role may post, and only JSON", async () => {
    await as("authenticated", (tx) => tx`select net.http_post(${`${target}/role`})`);
    await expect(sql`select net.http_post(${target}, headers => '{"Content-Type": "text/plain"}')`)
      .rejects.toThrow("Content-Type");
  });
});
