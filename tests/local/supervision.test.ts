import { afterAll, beforeAll, expect, test } from "vitest";
import { findRedisServer } from "../../supabase/local/redis/find-redis.ts";
import type { ServiceName } from "../../supabase/local/stack.ts";
import { eventually } from "../support/eventually.ts";
import { alive } from "../support/processes.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

let stack: FixtureStack;

beforeAll(async () => {
  stack = await fixtureStack();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

/** Kills a service's process as a crash would, and waits until another runs in its place. */
async function crash(name: ServiceName): Promise<void> {
  const service = stack.stack.service(name);
  const before = service.pid;
  service.kill("SIGKILL");
  await eventually(() => Promise.resolve(service.pid !== undefined && service.pid !== before));
}

test("a killed database comes back with what was committed", async () => {
  const user = await stack.signUp();
  await user.client.rpc("add_note", { note: { text: "kept" } });
  await crash("postgres");
  await eventually(async () => {
    const { data } = await user.client.from("notes").select("text");
    return data?.[0]?.text === "kept";
  });
  expect((await user.client.rpc("add_note", { note: { text: "after" } })).error).toBeNull();
});

test("while the database is down, REST and Auth say so", async () => {
  await stack.stack.service("postgres").stop();
  // supabase-js would try again and again.
  const ask = async (path: string, body?: unknown) => {
    const response = await fetch(stack.env.API_URL + path, {
      headers: { apikey: stack.env.SECRET_KEY, "content-type": "application/json" },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const down = { status: 503, body: { code: "PGRST001" } };
  expect(await ask("/rest/v1/rpc/echo", { value: 1 })).toMatchObject(down);
  expect(await ask("/rest/v1/notes")).toMatchObject(down);
  const credentials = { email: "a@example.com", password: "a long password" };
  expect(await ask("/auth/v1/token?grant_type=password", credentials)).toMatchObject({
    status: 503,
    body: { msg: expect.stringContaining("database") },
  });
  await stack.stack.service("postgres").start();
  await eventually(async () => (await stack.anonymous().rpc("echo", { value: 1 })).data === 1);
});

test("a killed gateway comes back, and sessions outlive it", async () => {
  const user = await stack.signUp();
  await crash("gateway");
  await eventually(async () => (await (await fetch(stack.env.API_URL)).json()).rest);
  await eventually(async () => (await user.client.auth.getUser()).data.user?.id === user.user_id);
  expect((await user.client.auth.refreshSession()).error).toBeNull();
});

test("killed functions come back", async () => {
  await crash("functions");
  await eventually(async () =>
    (await stack.anonymous().functions.invoke("hello")).data?.path === "/hello"
  );
});

test("a function that crashes comes back, and the others never notice", async () => {
  const limits = async () => (await stack.anonymous().functions.invoke("limits")).data?.pid;
  const before = await limits();
  await stack.anonymous().functions.invoke("limits/crash");
  expect((await stack.anonymous().functions.invoke("hello")).data?.path).toBe("/hello");
  await eventually(async () => {
    const now = await limits();
    return now !== undefined && now !== before;
  });
});

test("a function that spins ends with the server of the functions", async () => {
  const limits = `${stack.env.FUNCTIONS_URL}/limits`;
  const { pid } = await (await fetch(limits)).json();
  const abandon = new AbortController();
  const spinning = fetch(`${limits}/spin`, { signal: abandon.signal }).catch(() => {});
  try {
    await eventually(() =>
      fetch(limits, { signal: AbortSignal.timeout(200) }).then(async (response) => {
        await response.body?.cancel();
        return false;
      }, () => true)
    );
    await crash("functions");
    await eventually(async () => (await alive([pid])).length === 0);
  } finally {
    for (const left of await alive([pid])) Deno.kill(left, "SIGKILL");
    abandon.abort();
    await spinning;
  }
});

test("while the functions are stopped, callers get a 503 that a browser can read", async () => {
  await stack.stack.service("functions").stop();
  const url = `${stack.env.FUNCTIONS_URL}/hello`;
  const asked = await fetch(url, {
    method: "OPTIONS",
    headers: { "access-control-request-method": "GET" },
  });
  expect(asked.status).toBe(204);
  const response = await fetch(url);
  expect(response.status).toBe(503);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "access-control-allow-origin": "*",
    "retry-after": "1",
    "x-relay-error": "true",
  });
  expect(await response.json()).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  expect((await stack.anonymous().rpc("echo", { value: 1 })).data).toBe(1);
  await stack.stack.service("functions").start();
  expect((await stack.anonymous().functions.invoke("hello")).data?.path).toBe("/hello");
});

test("a killed net worker comes back and sends what was queued meanwhile", async () => {
  const sql = stack.adminSql({ max: 1 });
  stack.stack.service("net").kill("SIGKILL");
  const [queued] = await sql`select net.http_post(${`${stack.env.FUNCTIONS_URL}/hello`}) as id`;
  await eventually(async () => {
    const [response] = await sql`select status_code from net._http_response where id = ${
      queued!.id
    }`;
    return response?.status_code === 200;
  });
  await sql.end();
});

test("the net worker outlives a restart of the database", async () => {
  await stack.stack.service("postgres").restart();
  const sql = stack.adminSql({ max: 1 });
  const [queued] = await sql`select net.http_post(${`${stack.env.FUNCTIONS_URL}/hello`}) as id`;
  await eventually(async () => {
    const [response] = await sql`select status_code from net._http_response where id = ${
      queued!.id
    }`;
    return response?.status_code === 200;
  });
  await sql.end();
});

test("a killed QStash comes back with its schedules", async () => {
  const schedules = async () => {
    const response = await fetch(`${stack.env.QSTASH_URL}/v2/schedules`, {
      headers: { authorization: `Bearer ${stack.env.QSTASH_TOKEN}` },
    });
    return await response.json() as { scheduleId: string }[];
  };
  await fetch(`${stack.env.QSTASH_URL}/v2/schedules/${stack.env.FUNCTIONS_URL}/hello`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${stack.env.QSTASH_TOKEN}`,
      "upstash-cron": "0 0 1 1 *",
      "upstash-schedule-id": "kept",
    },
  }).then((response) => response.body?.cancel());
  await crash("qstash");
  await eventually(async () => (await schedules()).some((each) => each.scheduleId === "kept"));
});

test.skipIf(!findRedisServer())(
  "a killed Redis and its REST front come back with what was written",
  async () => {
    const command = async (...words: string[]) => {
      const response = await fetch(stack.env.UPSTASH_REDIS_REST_URL, {
        method: "POST",
        headers: { authorization: `Bearer ${stack.env.UPSTASH_REDIS_REST_TOKEN}` },
        body: JSON.stringify(words),
      });
      return (await response.json()).result;
    };
    expect(await command("SET", "key", "kept")).toBe("OK");
    await crash("redis");
    await eventually(async () => (await command("GET", "key")) === "kept");
    await crash("redis-server");
    await eventually(async () => (await command("GET", "key")) === "kept");
  },
);
