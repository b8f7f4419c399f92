import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { GatewayConfig } from "../../supabase/local/gateway/config.ts";
import { createTokens } from "../../supabase/local/gateway/tokens.ts";
import { eventually } from "../support/eventually.ts";
import { forge, userToken } from "../support/tokens.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

let stack: FixtureStack;

beforeAll(async () => {
  stack = await fixtureStack({ without: ["qstash", "redis-server", "redis"] });
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

describe("Auth", () => {
  test("a user signs up, out and in again with unmodified supabase-js", async () => {
    const client = stack.anonymous();
    const credentials = {
      email: `${crypto.randomUUID()}@example.com`,
      password: "a long password",
    };
    const signedUp = await client.auth.signUp(credentials);
    expect(signedUp.error).toBeNull();
    expect((await client.auth.signOut()).error).toBeNull();
    const signedIn = await client.auth.signInWithPassword(credentials);
    expect(signedIn.data.user?.id).toBe(signedUp.data.user?.id);
    const wrong = await client.auth.signInWithPassword({ ...credentials, password: "another one" });
    expect(wrong.error?.code).toBe("invalid_credentials");
  });

  test("a refreshed session is the same user's, with a token that works", async () => {
    const user = await stack.signUp();
    const { data, error } = await user.client.auth.refreshSession();
    expect(error).toBeNull();
    expect(data.user?.id).toBe(user.user_id);
    expect((await user.client.auth.getUser()).data.user?.id).toBe(user.user_id);
  });

  test("tokens verify against the published key, which can sign nothing", async () => {
    const user = await stack.signUp();
    const { data, error } = await user.client.auth.getClaims();
    expect(error).toBeNull();
    expect(data?.claims).toMatchObject({ sub: user.user_id, role: "authenticated" });
    const jwks = await (await call("/auth/v1/.well-known/jwks.json")).json();
    expect(jwks.keys[0].kid).toBe(decodeProtectedHeader(user.accessToken).kid);
    expect(jwks.keys[0]).not.toHaveProperty("d");
    expect(jwks.keys[0]).not.toHaveProperty("k");
  });

  test.each([
    ["malformed JSON", "{"],
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["a NUL character", '{"email":"a\\u0000@example.com","password":"a long password"}'],
    ["other types", '{"email":5,"password":[]}'],
    ["a short password", '{"email":"a@example.com","password":"x"}'],
  ])("signing up with %s is a clear 4xx", async (_, body) => {
    const response = await call("/auth/v1/signup", { method: "POST", body });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(await response.json()).toMatchObject({ msg: expect.any(String) });
  });

  test("an address signs up once, however many ask at once", async () => {
    const body = JSON.stringify({
      email: `${crypto.randomUUID()}@example.com`,
      password: "a long password",
    });
    const answers = await Promise.all(Array.from({ length: 5 }, async () => {
      const response = await call("/auth/v1/signup", { method: "POST", body });
      return (await response.json()).error_code ?? response.status;
    }));
    expect(answers.sort()).toEqual([200, ...Array(4).fill("user_already_exists")]);
  });

  test("a path that is not there is a clear 404, with a user's token too", async () => {
    const { accessToken } = await stack.signUp();
    const response = await call("/auth/v1/missing", {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 404, msg: expect.any(String) });
  });

  test("a token that was good is none once its time is over", async () => {
    const tokens = await createTokens(
      { signingKey: JSON.parse(stack.env.JWT_SIGNING_KEY) } as GatewayConfig,
    );
    const exp = Math.floor(Date.now() / 1000) + 60;
    const token = await userToken(stack.env, { claims: { exp } });
    await tokens.verify(token);
    expect((await tokens.verify(token)).exp).toBe(exp);
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      vi.setSystemTime((exp + 1) * 1000);
      await expect(tokens.verify(token)).rejects.toThrow("exp");
    } finally {
      vi.useRealTimers();
    }
  });

  test("a forged token names nobody", async () => {
    const forged = forge(await userToken(stack.env));
    const { error } = await stack.anonymous().auth.getUser(forged);
    expect(error?.status).toBe(403);
  });
});

describe("Auth's administration", () => {
  const credentials = () => ({
    email: `${crypto.randomUUID()}@example.com`,
    password: "a long password",
  });

  test("the secret key creates a user, who signs in, and deletes them", async () => {
    const { admin } = stack.service().auth;
    const login = credentials();
    const created = await admin.createUser({
      ...login,
      email_confirm: true,
      user_metadata: { name: "Zoé" },
      app_metadata: { plan: "pro" },
    });
    expect(created.error).toBeNull();
    const user = created.data.user!;
    expect(user).toMatchObject({
      email: login.email,
      user_metadata: { name: "Zoé" },
      app_metadata: { plan: "pro", provider: "email" },
    });
    expect(user.last_sign_in_at).toBeUndefined();
    expect((await admin.getUserById(user.id)).data.user).toEqual(user);

    const signedIn = await stack.anonymous().auth.signInWithPassword(login);
    expect(signedIn.data.user?.id).toBe(user.id);
    expect(signedIn.data.user?.app_metadata.plan).toBe("pro");

    for (const email of [login.email, login.email.toUpperCase()]) {
      expect((await admin.createUser({ ...login, email })).error).toMatchObject({
        status: 422,
        code: "email_exists",
      });
    }
    expect((await admin.deleteUser(user.id)).error).toBeNull();
    for (const gone of [await admin.getUserById(user.id), await admin.deleteUser(user.id)]) {
      expect(gone.error).toMatchObject({ status: 404, code: "user_not_found" });
    }
    const afterwards = await stack.anonymous().auth.signInWithPassword(login);
    expect(afterwards.error?.code).toBe("invalid_credentials");
  });

  test("users are listed page by page, the newest first", async () => {
    const { admin } = stack.service().auth;
    const older = await stack.signUp();
    const newer = await stack.signUp();
    const first = await admin.listUsers({ perPage: 1 });
    const second = await admin.listUsers({ page: 2, perPage: 1 });
    expect([first, second].map(({ data }) => data.users.map(({ id }) => id))).toEqual([
      [newer.user_id],
      [older.user_id],
    ]);
    const all = await admin.listUsers();
    expect(first.data).toMatchObject({ nextPage: 2, total: all.data.users.length });
  });

  test("the rest of it is 501", async () => {
    const { admin } = stack.service().auth;
    const { user_id, email } = await stack.signUp();
    for (
      const { error } of [
        await admin.updateUserById(user_id, { ban_duration: "1h" }),
        await admin.inviteUserByEmail(email),
        await admin.generateLink({ type: "recovery", email }),
        await admin.createUser({ phone: "+33123456789" }),
        await admin.deleteUser(user_id, true),
      ]
    ) expect(error?.status).toBe(501);
  });

  test("nobody else administers", async () => {
    const { accessToken } = await stack.signUp();
    for (const token of [accessToken, stack.env.PUBLISHABLE_KEY]) {
      const response = await call("/auth/v1/admin/users", {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: 403, error_code: "not_admin" });
    }
  });
});

describe("Functions", () => {
  test("functions.invoke reaches the function under its own path", async () => {
    const { data, error } = await stack.anonymous().functions.invoke("hello/there", {
      body: { name: "été" },
    });
    expect(error).toBeNull();
    expect(data).toMatchObject({ method: "POST", path: "/hello/there", body: '{"name":"été"}' });
  });

  test("a function knows users and secret keys, and refuses what is forged", async () => {
    const { client, user_id } = await stack.signUp();
    expect((await client.functions.invoke("whoami")).data).toEqual({ mode: "user", user: user_id });
    expect((await stack.service().functions.invoke("whoami")).data.mode).toBe("secret");
    const forged = forge(await userToken(stack.env));
    for (
      const bad of [
        forged,
        await userToken(stack.env, { claims: { exp: 1 } }),
        await userToken(stack.env, { kid: "another-kid" }),
      ]
    ) {
      const response = await call("/functions/v1/whoami", {
        headers: { authorization: `Bearer ${bad}` },
      });
      expect(response.status).toBe(401);
      await response.body?.cancel();
    }
  });

  test("a function has the edge runtime's permissions and environment, nothing more", async () => {
    const limits = await (await call("/functions/v1/limits")).json();
    expect(limits).toMatchObject({ writes: "NotCapable", runs: "NotCapable" });
    expect(limits.environment).toEqual(expect.arrayContaining([
      "PHOENIX_DOORBELL_SECRET",
      "QSTASH_CURRENT_SIGNING_KEY",
      "QSTASH_TOKEN",
      "QSTASH_URL",
      "SUPABASE_DB_URL",
      "SUPABASE_JWKS",
      "SUPABASE_PUBLISHABLE_KEYS",
      "SUPABASE_SECRET_KEYS",
      "SUPABASE_URL",
    ]));
    expect(limits.environment).not.toContain("VITEST");
  });

  test("a redirect is the caller's to follow, and the caller's address is told after who told it", async () => {
    const moved = await call("/functions/v1/hello/moved", { redirect: "manual" });
    expect([moved.status, moved.headers.get("location")]).toEqual([302, "/elsewhere"]);
    const headers = { "x-forwarded-for": "203.0.113.7" };
    expect(await (await call("/functions/v1/hello", { headers })).json())
      .toMatchObject({ headers: { "x-forwarded-for": "203.0.113.7, 127.0.0.1" } });
  });

  test("a function hears what was asked and where, and nothing of the connection to the caller", async () => {
    const { hostname, port } = new URL(stack.env.API_URL);
    const asked = [
      "POST /functions/v1/hello?word=%C3%A9t%C3%A9 HTTP/1.1",
      `Host: localhost:${port}`,
      "Connection: close",
      "Keep-Alive: timeout=5",
      "TE: trailers",
      "Trailer: x-last",
      "Upgrade: h2c",
      "Accept-Encoding: gzip",
      "Content-Length: 3",
      "X-Own: 1",
    ];
    const connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(new TextEncoder().encode(`${asked.join("\r\n")}\r\n\r\nété`));
    const [head, body] = (await new Response(connection.readable).text()).split("\r\n\r\n");
    expect(head).not.toMatch(/^content-encoding/im);
    const { headers, search } = JSON.parse(body!);
    expect(search).toBe("?word=%C3%A9t%C3%A9");
    expect(headers).toMatchObject({
      "x-own": "1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": `localhost:${port}`,
      "x-forwarded-port": port,
      "x-forwarded-proto": "http",
      "accept-encoding": "identity",
    });
    for (const name of ["connection", "keep-alive", "te", "trailer", "upgrade"]) {
      expect(headers).not.toHaveProperty(name);
    }
  });

  test("a function hears that its caller is gone, and the log no complaint", async () => {
    const log = async () => await Deno.readTextFile(`${stack.dataDir}/logs/functions.log`);
    const impatient = new AbortController();
    const waiting = call("/functions/v1/hello/waits", { signal: impatient.signal });
    await eventually(async () => (await log()).includes("hello: somebody waits"));
    impatient.abort();
    await expect(waiting).rejects.toThrow();
    await eventually(async () => (await log()).includes("hello: nobody waits any more"));
    expect(await log()).not.toContain("got no answer");
  });

  test("a body of 5 MB passes through", async () => {
    const body = "x".repeat(5_000_000);
    const answer = await (await call("/functions/v1/hello", { method: "POST", body })).json();
    expect(answer.body).toHaveLength(body.length);
  });

  test("a function that is not there is 404", async () => {
    const { error } = await stack.anonymous().functions.invoke("missing");
    expect(error?.context.status).toBe(404);
  });
});

describe("CORS", () => {
  const preflight = {
    method: "OPTIONS",
    headers: {
      origin: "http://localhost:3000",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,x-own",
    },
  };

  test.each(["/rest/v1/notes", "/auth/v1/token", "/functions/v1/hello"])(
    "a browser may call %s",
    async (path) => {
      const asked = await fetch(stack.env.API_URL + path, preflight);
      expect(asked.ok).toBe(true);
      expect(asked.headers.get("access-control-allow-origin")).toBe("*");
      expect(asked.headers.get("access-control-allow-headers")).toContain("x-own");
      await asked.body?.cancel();
      const response = await call(path, { headers: { origin: "http://localhost:3000" } });
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      await response.body?.cancel();
    },
  );

  test("a browser is told once for an hour, whatever it may send", async () => {
    const url = `${stack.env.API_URL}/rest/v1/notes`;
    const { headers } = await fetch(url, preflight);
    expect(Object.fromEntries(headers)).toMatchObject({
      "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
      "access-control-max-age": "3600",
      vary: "access-control-request-headers",
    });
    const plain = await fetch(url, { method: "OPTIONS" });
    expect(plain.headers.get("access-control-allow-headers")).toBe(
      "authorization, apikey, content-type, x-client-info",
    );
  });

  test.each([
    ["OPTIONS", {}],
    ["GET", { "access-control-request-method": "POST" }],
  ])("what is no browser's question reaches the function: %s %j", async (method, headers) => {
    const response = await call("/functions/v1/hello", { method, headers });
    expect(await response.json()).toMatchObject({ method });
  });

  test("a browser may read that no function has answered", async () => {
    const { headers, body } = await call("/functions/v1/missing");
    await body?.cancel();
    expect(headers.get("x-relay-error")).toBe("true");
    expect(headers.get("access-control-expose-headers")?.split(", ")).toEqual([
      "Content-Encoding",
      "Content-Location",
      "Content-Range",
      "Content-Type",
      "Date",
      "Location",
      "Preference-Applied",
      "Range-Unit",
      "Retry-After",
      "Server",
      "X-Relay-Error",
      "X-Request-Id",
      "X-Supabase-Api-Version",
    ]);
  });

  test("what a function says for itself stands, once", async () => {
    for (const init of [preflight, {}]) {
      const response = await call("/functions/v1/whoami", init);
      expect(response.headers.get("access-control-allow-origin")).toBe("https://only.example");
      await response.body?.cancel();
    }
  });
});

test.each([
  ["/rest/v1/%E0%A4%A", 400],
  ["/rest/v1/rpc/%E0%A4%A", 400],
  ["/functions/v1/%E0%A4%A", 404],
])("a path that is not UTF-8, %s, is a clear %i", async (path, status) => {
  const response = await call(path, { method: "POST", body: "{}" });
  expect(response.status).toBe(status);
  await response.body?.cancel();
});

test("a path that is nobody's is 404", async () => {
  const response = await call("/storage/v1/object");
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({ message: "no route for /storage/v1/object" });
});

test("the root says what is where", async () => {
  expect(await (await fetch(stack.env.API_URL)).json()).toMatchObject({
    rest: `${stack.env.API_URL}/rest/v1`,
    auth: `${stack.env.API_URL}/auth/v1`,
    functions: stack.env.FUNCTIONS_URL,
  });
});
