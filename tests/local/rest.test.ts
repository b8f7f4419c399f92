import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogLine } from "../../supabase/local/log.ts";
import { eventually } from "../support/eventually.ts";
import { forge, userToken } from "../support/tokens.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

let stack: FixtureStack;
const lines: LogLine[] = [];

beforeAll(async () => {
  stack = await fixtureStack({
    without: ["qstash", "redis-server", "redis", "functions"],
    log: (line) => lines.push(line),
  });
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

async function call(path: string, init: RequestInit & { body?: BodyInit } = {}): Promise<Response> {
  return await fetch(stack.env.API_URL + path, {
    ...init,
    headers: {
      apikey: stack.env.PUBLISHABLE_KEY,
      "content-type": "application/json",
      ...Object.fromEntries(new Headers(init.headers)),
    },
  });
}

function echo(body: BodyInit): Promise<Response> {
  return call("/rest/v1/rpc/echo", { method: "POST", body });
}

function withoutSpaces(text: string): string {
  return text.replaceAll(/\s/g, "");
}

describe("REST", () => {
  test("filters, order, limit, range and counts answer as on Supabase", async () => {
    const { client } = await stack.signUp();
    for (const text of ["un", "deux", "trois", "été"]) {
      expect((await client.rpc("add_note", { note: { text } })).error).toBeNull();
    }
    const ordered = await client.from("notes").select("text").neq("text", "un").order("id", {
      ascending: false,
    }).limit(2);
    expect(ordered.data).toEqual([{ text: "été" }, { text: "trois" }]);
    const ranged = await client.from("notes").select("text", { count: "exact" }).order("id").range(
      1,
      2,
    );
    expect(ranged.data).toEqual([{ text: "deux" }, { text: "trois" }]);
    expect(ranged.count).toBe(4);
    const one = await client.from("notes").select("text").in("text", ["été"]).single();
    expect(one.data).toEqual({ text: "été" });
    const none = await client.from("notes").select().eq("text", "absent").maybeSingle();
    expect(none).toMatchObject({ data: null, error: null });
  });

  test("each user reads their own rows, and anon none", async () => {
    const [one, other] = await Promise.all([stack.signUp(), stack.signUp()]);
    await one.client.rpc("add_note", { note: { text: "private" } });
    expect((await one.client.from("notes").select()).data).toHaveLength(1);
    expect((await other.client.from("notes").select()).data).toEqual([]);
    expect((await stack.anonymous().from("notes").select()).status).toBe(401);
  });

  test("requests leave the grants as the migrations made them", async () => {
    const { client, user_id } = await stack.signUp();
    await client.from("notes").select();
    await stack.service().from("notes").select();
    const insert = await client.from("notes").insert({ user_id, text: "smuggled" });
    expect(insert.error?.code).toBe("42501");
    const sql = stack.adminSql({ max: 1 });
    const grants = await sql`
      select grantee, string_agg(privilege_type, ',' order by privilege_type) as privileges
      from information_schema.role_table_grants
      where table_name = 'notes' and grantee in ('anon', 'authenticated', 'service_role')
      group by grantee
      order by grantee`;
    await sql.end();
    expect(grants.map((row) => ({ ...row }))).toEqual([
      { grantee: "authenticated", privileges: "SELECT" },
      { grantee: "service_role", privileges: "INSERT,SELECT" },
    ]);
  });

  test("what is refused leaves one line in the log, and none of what was sent", async () => {
    const { client } = await stack.signUp();
    const seen = lines.length;
    const { error } = await client.from("notes").insert({ text: "quite private", tags: ["mine"] });
    expect(error?.code).toBe("42501");
    const logged = await eventually(() => {
      const found = lines.slice(seen).filter(({ service }) => service === "gateway");
      return found.length > 0 ? found : undefined;
    });
    expect(logged.map(({ text }) => text).join("\n")).toMatch(/^.*permission denied.*$/);
    expect(JSON.stringify(lines)).not.toMatch(/quite private|mine/);
  });

  test("a secret key is service_role, and JSON columns keep their structure", async () => {
    const { user_id } = await stack.signUp();
    const tags = [{ name: "été", weight: 0.5 }];
    const { data, error } = await stack.service().from("notes").insert({ user_id, text: "x", tags })
      .select().single();
    expect(error).toBeNull();
    expect(data.tags).toEqual(tags);
    expect((await stack.service().rpc("known_as")).data).toMatchObject({ role: "service_role" });
  });

  test("a column of any type is written as PostgreSQL writes it, from a table and by a function", async () => {
    const sql = stack.adminSql({ max: 1 });
    await sql`
      create table public.kinds (
        id bigint primary key, rate numeric, hash bytea, time timestamptz, local timestamp, payload jsonb, raw json,
        rates numeric[], hashes bytea[], times timestamptz[], day date, wait interval
      )`;
    await sql`
      insert into public.kinds values
        (
          9007199254740993, 1.0000, '\\x0479', '2026-11-27 11:46:29.680001+02', '2026-11-27 11:46:29.68',
          '{"a": 1.0, "b": ["1.0", -0, 12345678901234567890.123]}', '{"e": 1e2}',
          '{1.0, 2, NaN}', '{"\\\\x0479"}', '{2026-11-27 11:46:29+00}', '2026-11-27', '1:02:03.5'
        ),
        (2, 'NaN', '', 'infinity', '-infinity', 'null', 'null', '{}', null, null, 'infinity', null),
        (3, 1e30, null, '0044-03-15 12:00+00 BC', null, '-1.50', '[]', null, null, null, null, null)`;
    await sql`grant select on public.kinds to service_role`;
    await sql.unsafe(
      "create function public.all_kinds() returns setof public.kinds stable language sql as $$ table public.kinds $$",
    );
    await sql.unsafe(
      `create function public.odd_name() returns json stable language sql as $$ select '{"toJSON": 1.50, "a": 2}'::json $$`,
    );
    const [written] = await sql`select json_agg(kinds)::text as rows from public.kinds`;
    await sql.end();

    const read = async (path: string, method = "GET", accept = "application/json") => {
      const headers = { apikey: stack.env.SECRET_KEY, accept };
      return withoutSpaces(await (await call(`/rest/v1/${path}`, { method, headers })).text());
    };
    const rows = withoutSpaces(written!.rows);
    await eventually(async () => (await stack.service().rpc("all_kinds")).error === null);
    expect(await read("kinds")).toBe(rows);
    expect(await read("rpc/all_kinds")).toBe(rows);
    expect(await read("rpc/all_kinds", "POST")).toBe(rows);
    const stripped = "application/vnd.pgrst.array+json;nulls=stripped";
    expect(await read("kinds?select=id,hash&id=neq.2", "GET", stripped))
      .toBe(String.raw`[{"id":9007199254740993,"hash":"\\x0479"},{"id":3}]`);
    const found = await stack.service().from("kinds").select("rate").eq("hash", "\\x0479");
    expect(found.data).toEqual([{ rate: 1 }]);
    expect(JSON.parse(await read("rpc/odd_name"))).toEqual({ toJSON: 1.5, a: 2 });
  });

  test("a table made later is found", async () => {
    const sql = stack.adminSql({ max: 1 });
    await sql`create table public.later (id integer)`;
    await sql.end();
    await eventually(async () => {
      const { data } = await stack.service().from("later").select();
      return data?.length === 0;
    });
  });

  test("keys and tokens that are missing, wrong, forged or expired are refused", async () => {
    const anonymous = await fetch(`${stack.env.API_URL}/rest/v1/notes`);
    expect(anonymous.status).toBe(401);
    await anonymous.body?.cancel();
    const expired = await userToken(stack.env, {
      claims: { exp: Math.floor(Date.now() / 1000) - 60 },
    });
    const forged = forge(await userToken(stack.env, { claims: { role: "service_role" } }));
    const unsigned = `${btoa('{"alg":"none"}')}.${btoa('{"role":"service_role"}')}.`;
    for (
      const headers of [
        { apikey: "sb_secret_wrong" },
        { authorization: `Bearer ${expired}` },
        { authorization: `Bearer ${forged}` },
        { authorization: `Bearer ${unsigned}` },
        { authorization: "Bearer nonsense" },
      ]
    ) {
      const response = await call("/rest/v1/notes", { headers });
      expect(response.status, JSON.stringify(headers)).toBe(401);
      expect(await response.text()).not.toMatch(/ at .*:\d+/);
    }
  });
});

test("a key may stand in the URL, where a link has no headers", async () => {
  const status = async (key: string) => {
    const response = await fetch(`${stack.env.API_URL}/rest/v1/notes?apikey=${key}`);
    await response.body?.cancel();
    return response.status;
  };
  expect(await status(stack.env.SECRET_KEY)).toBe(200);
  expect(await status("sb_secret_wrong")).toBe(401);
});

describe("rpc", () => {
  test("arguments arrive as they were sent, and answers come back so", async () => {
    const client = stack.anonymous();
    for (const value of [{ a: [1, "été", null, true] }, [1, 2], "text", 5, null, '{"a":1}']) {
      const { data, error } = await client.rpc("echo", { value });
      expect(error).toBeNull();
      expect(data).toEqual(value);
    }
  });

  test("a function of another schema is not taken for public's", async () => {
    const { error, status } = await stack.anonymous().schema("private").rpc("echo", { value: 1 });
    expect(status).toBe(406);
    expect(error).toMatchObject({ code: "PGRST106" });
  });

  test("numbers keep every digit", async () => {
    const response = await echo('{"value":12345678901234567890.123456789}');
    expect(await response.text()).toBe("12345678901234567890.123456789");
  });

  test("functions know the user, and run as the role of the request", async () => {
    const { client, user_id } = await stack.signUp();
    expect((await client.rpc("known_as")).data).toEqual({
      role: "authenticated",
      user: user_id,
      claimed: "authenticated",
    });
  });

  test("a token that names no role is nobody's, whatever key it comes with", async () => {
    const token = await userToken(stack.env, { claims: { role: undefined } });
    for (const apikey of [stack.env.PUBLISHABLE_KEY, stack.env.SECRET_KEY]) {
      const response = await call("/rest/v1/rpc/known_as", {
        method: "POST",
        headers: { apikey, authorization: `Bearer ${token}` },
      });
      expect(await response.json()).toMatchObject({ role: "anon" });
    }
  });

  test("sets come as arrays, void as nothing, and filters apply to a function's rows", async () => {
    const { client } = await stack.signUp();
    for (const text of ["un", "deux"]) await client.rpc("add_note", { note: { text } });
    expect((await client.rpc("own_notes")).data).toHaveLength(2);
    expect((await client.rpc("own_notes", { at_most: 1 })).data).toHaveLength(1);
    const filtered = await client.rpc("own_notes").eq("text", "deux").select("text");
    expect(filtered.data).toEqual([{ text: "deux" }]);
    expect(await client.rpc("nothing")).toMatchObject({ data: null, error: null });
  });

  test("a function's rows can be counted without being sent", async () => {
    const { client } = await stack.signUp();
    for (const text of ["un", "deux"]) await client.rpc("add_note", { note: { text } });
    const head = { head: true, count: "exact" } as const;
    const counted = await client.rpc("own_notes", { at_most: 5 }, head);
    expect(counted).toMatchObject({ error: null, data: null, count: 2 });
    expect((await client.rpc("own_notes", {}, head).eq("text", "un")).count).toBe(1);
    expect((await client.rpc("own_notes", { at_most: "many" }, head)).status).toBe(400);
  });

  test.each([
    ["table (x integer)", "select generate_series(1, 2)", [{ x: 1 }, { x: 2 }]],
    ["table (x integer, y integer)", "select 1, 2", [{ x: 1, y: 2 }]],
    ["(out x integer)", "select 7", { x: 7 }],
    ["(out x integer, out y integer)", "select 7, 8", { x: 7, y: 8 }],
    ["public.notes", "select * from public.notes where false", { id: null }],
    ["setof integer", "select generate_series(1, 2)", [1, 2]],
    ["table (x integer)", "select generate_series(1, 1001)", { length: 1_000 }],
    ["setof integer", "select generate_series(1, 1001)", { length: 1_000 }],
  ])("a function %s as %s answers %j, however it is called", async (returns, answer, expected) => {
    const name = `shape_${crypto.randomUUID().replaceAll("-", "")}`;
    const signature = returns.startsWith("(")
      ? `${name}${returns}`
      : `${name}() returns ${returns}`;
    const sql = stack.adminSql({ max: 1 });
    await sql.unsafe(
      `create function public.${signature} stable language sql as $$ ${answer} $$`,
    );
    await sql.end();
    for (const get of [false, true]) {
      const { data } = await eventually(async () => {
        const answered = await stack.service().rpc(name, {}, { get });
        return answered.error === null ? answered : undefined;
      });
      expect(data).toMatchObject(expected);
    }
  });

  test("what a function raises is the caller's to read", async () => {
    const { client } = await stack.signUp();
    const { error, status } = await client.rpc("add_note", { note: {} });
    expect(status).toBe(400);
    expect(error).toMatchObject({
      code: "P0001",
      message: "a note needs a text",
      details: "it has none",
      hint: "write one",
    });
  });

  test("a function that is not there is 404", async () => {
    const { error, status } = await stack.anonymous().rpc("missing", { a: 1 });
    expect(status).toBe(404);
    expect(error?.code).toBe("PGRST202");
  });

  test.each([
    ["malformed JSON", '{"value":'],
    ["an array for the arguments", "[]"],
    ["bytes that are no UTF-8", new Uint8Array([0x7b, 0xff, 0x7d])],
    ["a raw NUL", '{"value":"\0"}'],
    ["an escaped NUL", '{"value":"\\u0000"}'],
    ["a lone surrogate", '{"value":"\\ud800"}'],
    ["lists 100,000 deep", `{"value":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
    ["objects 100,000 deep", `{"value":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`],
  ])("%s is a clear 400", async (_, body) => {
    const response = await echo(body);
    expect(response.status).toBe(400);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      code: expect.any(String),
      message: expect.any(String),
    });
    expect(text).not.toMatch(/ at .*:\d+|node_modules/);
  });
});
