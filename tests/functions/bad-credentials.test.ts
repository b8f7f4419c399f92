import { generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import { doorbellSignature, qstashSignature } from "../support/signatures.ts";
import type { TestUser } from "../support/stack.ts";
import { storeContents } from "../support/store-contents.ts";
import { userToken } from "../support/tokens.ts";

let stack: OwnStack;
let sql: ReturnType<OwnStack["adminSql"]>;
let user: TestUser;
let before: Record<string, string>;

// A backlog waits that a call with good credentials would handle.
beforeAll(async () => {
  stack = await ownStack({ without: ["net", "qstash"] });
  sql = stack.adminSql({ max: 1 });
  user = await stack.signUp();
  publicationOf(await functionsOf(stack.env)("POST", "events", { as: user, json: event }));
  before = await storeContents(sql);
});

afterAll(async () => {
  await sql?.end();
  await stack?.[Symbol.asyncDispose]();
});

const event = { event_type: "letter.generated", app_source: "letters" };
const now = () => Math.floor(Date.now() / 1000);

describe("A user's token is refused with 401", () => {
  afterEach(async () => expect(await storeContents(sql)).toEqual(before));

  const mine = (claims: JWTPayload) =>
    userToken(stack.env, { claims: { sub: user.user_id, ...claims } });
  const tokens: Record<string, () => Promise<string> | string> = {
    "that another key signed": async () => {
      const { privateKey } = await generateKeyPair("ES256");
      return userToken(stack.env, { claims: { sub: user.user_id }, key: privateKey });
    },
    "that a known text signed": () => {
      const { kid } = JSON.parse(stack.env.JWT_SIGNING_KEY);
      return new SignJWT({ sub: user.user_id, role: "authenticated", aud: "authenticated" })
        .setProtectedHeader({ alg: "HS256", kid })
        .sign(new TextEncoder().encode(stack.env.PUBLISHABLE_KEY));
    },
    "that nobody signed": () =>
      new UnsecuredJWT({ sub: user.user_id, role: "authenticated" }).encode(),
    "whose claims were changed": () => {
      const [header, , signature] = user.accessToken.split(".");
      const claims = { sub: crypto.randomUUID(), role: "authenticated", aud: "authenticated" };
      return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
    },
    "that has expired": () => mine({ iat: now() - 7200, exp: now() - 60 }),
    "that does not count yet": () => mine({ nbf: now() + 600 }),
    "of the role anon": () => mine({ role: "anon" }),
    "of the role service_role": () => mine({ role: "service_role" }),
    "without a role": () => mine({ role: undefined }),
    "for another audience": () => mine({ aud: "https://example.com" }),
    "for other audiences": () => mine({ aud: ["anon", "https://example.com"] }),
    "that names no user": () => mine({ sub: "me" }),
    "that is none": () => "a.b.c",
  };

  test.each(Object.entries(tokens))("%s", async (_, make) => {
    const as = { accessToken: await make() };
    const call = functionsOf(stack.env);
    for (
      const answer of [
        await call("POST", "events", { as, json: event }),
        await call("GET", "events", { as }),
        await call("GET", "nudges", { as }),
        await call("POST", `nudges/${crypto.randomUUID()}/shown`, { as }),
        await call("POST", "events/process-queue", { as }),
      ]
    ) {
      expect(refusalOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
    }
  });

  test("by REST as well, where it is forged or has expired", async () => {
    for (const name of ["that another key signed", "that has expired", "that nobody signed"]) {
      const response = await fetch(`${stack.env.API_URL}/rest/v1/rpc/publish_events`, {
        method: "POST",
        headers: {
          apikey: stack.env.PUBLISHABLE_KEY,
          authorization: `Bearer ${await tokens[name]!()}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({ events: event }),
      });
      expect(response.status, await response.text()).toBe(401);
    }
  });
});

describe("A user's token is taken", () => {
  const tokens: Record<string, { aud?: unknown }> = {
    "that says not for whom it is": { aud: undefined },
    "that is for others as well": { aud: ["https://example.com", "authenticated"] },
    "that names its user in capitals": {},
  };

  test.each(Object.entries(tokens))("%s", async (name, claims) => {
    const sub = name.includes("capitals") ? user.user_id.toUpperCase() : user.user_id;
    const token = userToken(stack.env, { claims: { sub, ...claims } as JWTPayload });
    const as = { accessToken: await token };
    const call = functionsOf(stack.env);
    const events = await call("GET", "events", { as });
    expect(events.body).toMatchObject({ events: [{ user_id: user.user_id }] });
    expect((await call("GET", `user/${user.user_id}/journey`, { as })).status).toBe(200);
  });
});

describe("A key is refused", () => {
  afterEach(async () => expect(await storeContents(sql)).toEqual(before));

  test.each(["sb_secret_forged", "", "null"])("with 401: %j", async (apikey) => {
    const call = functionsOf(stack.env);
    for (
      const answer of [
        await call("POST", "events", { headers: { apikey }, json: event }),
        await call("POST", "events/process-queue", { headers: { apikey } }),
        await call("GET", "events/queue-status", { headers: { apikey } }),
      ]
    ) {
      expect(refusalOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
    }
  });

  test("with 401 where it is publishable and nobody has signed in", async () => {
    const { error } = await stack.anonymous().functions.invoke("events", { body: event });
    expect(error.context.status).toBe(401);
    const { status, error: rpcError } = await stack.anonymous().rpc("publish_events", {
      events: event,
    });
    expect({ status, code: rpcError?.code }).toEqual({ status: 401, code: "42501" });
  });
});

describe("A webhook is refused with 401", () => {
  afterEach(async () => expect(await storeContents(sql)).toEqual(before));

  const body = JSON.stringify({ ring_id: "75ad2f5c-9d8e-4f0f-9d7e-8d3a1b1c6f10" });
  const url = () => `${stack.env.FUNCTIONS_URL}/events/process-queue`;

  async function expectRefused(headers: Record<string, string>, code = "invalid_signature") {
    for (const path of ["events/process-queue", "events/force-reprocess"]) {
      const answer = await functionsOf(stack.env)("POST", path, { body, headers });
      expect(refusalOf(answer)).toMatchObject({ status: 401, code });
    }
  }

  test("unsigned", () => expectRefused({}, "unauthorized"));

  const doorbells: Record<string, () => string> = {
    "signed with another secret": () => doorbellSignature("another secret", body),
    "signed with no secret": () => doorbellSignature("", body),
    "signed for another body": () => doorbellSignature(stack.env.DOORBELL_SECRET, `${body} `),
    "of 301 s ago": () => doorbellSignature(stack.env.DOORBELL_SECRET, body, now() - 301),
    "of in 310 s": () => doorbellSignature(stack.env.DOORBELL_SECRET, body, now() + 310),
    "with the time changed": () =>
      doorbellSignature(stack.env.DOORBELL_SECRET, body, now() - 600)
        .replace(/t=\d+/, `t=${now()}`),
    "with half a signature": () => doorbellSignature(stack.env.DOORBELL_SECRET, body).slice(0, -32),
    "with no signature": () => "",
    "with anything for a signature": () => "t=now,v1=yes",
  };

  test.each(Object.entries(doorbells))("%s", async (_, sign) => {
    await expectRefused({ "x-phoenix-signature": sign() });
  });

  test("as the doorbell, where QStash alone tells how a delivery went", async () => {
    for (const path of ["delivery-answered", "delivery-failed"]) {
      const headers = { "x-phoenix-signature": doorbellSignature(stack.env.DOORBELL_SECRET, body) };
      const address = `transitions/${path}?delivery_id=${crypto.randomUUID()}`;
      const answer = await functionsOf(stack.env)("POST", address, { body, headers });
      expect(refusalOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
    }
  });

  const qstash = (changes: { url?: string; body?: string; claims?: JWTPayload; key?: string }) =>
    qstashSignature(changes.key ?? stack.env.QSTASH_CURRENT_SIGNING_KEY, {
      url: url(),
      body,
      ...changes,
    });
  const deliveries: Record<string, () => Promise<string> | string> = {
    "as QStash, with another key": () => qstash({ key: "sig_another" }),
    "as QStash, for another address": () => qstash({ url: `${stack.env.FUNCTIONS_URL}/nudges` }),
    "as QStash, for an address like it": () => qstash({ url: `${url()}/more` }),
    "as QStash, for the address with a query": () => qstash({ url: `${url()}?delivery_id=a` }),
    "as QStash, for no address": () => qstash({ claims: { sub: "" } }),
    "as QStash, for another body": () => qstash({ body: "{}" }),
    "as QStash, too late": () => qstash({ claims: { exp: now() - 60, nbf: now() - 360 } }),
    "as QStash, too early": () => qstash({ claims: { nbf: now() + 600 } }),
    "as QStash, from somebody else": () => qstash({ claims: { iss: "Somebody" } }),
    "as QStash, with anything": () => "a.b.c",
  };

  test.each(Object.entries(deliveries))("%s", async (_, sign) => {
    await expectRefused({ "upstash-signature": await sign() });
  });

  test("with a user's token in place of a signature", async () => {
    await expectRefused({ "upstash-signature": user.accessToken });
  });
});

test("QStash is heard though its clock is half a minute from ours", async () => {
  for (const skew of [-30, 30]) {
    const signed = { nbf: now() + skew, exp: now() + (skew > 0 ? 330 : skew) };
    const body = JSON.stringify({ ring_id: crypto.randomUUID() });
    const signature = await qstashSignature(stack.env.QSTASH_CURRENT_SIGNING_KEY, {
      url: `${stack.env.FUNCTIONS_URL}/events/process-queue`,
      body,
      claims: signed,
    });
    const headers = { "upstash-signature": signature };
    const { status } = await functionsOf(stack.env)("POST", "events/process-queue", {
      body,
      headers,
    });
    expect({ skew, status }).toEqual({ skew, status: 200 });
  }
});

describe("A webhook that is sent again", () => {
  test("is refused with 401, by doorbell and by QStash, whatever its attempt did", async () => {
    const call = functionsOf(stack.env);
    const body = JSON.stringify({ ring_id: crypto.randomUUID() });
    const url = `${stack.env.FUNCTIONS_URL}/events/process-queue`;
    for (
      const headers of [
        { "x-phoenix-signature": doorbellSignature(stack.env.DOORBELL_SECRET, body) },
        {
          "upstash-signature": await qstashSignature(stack.env.QSTASH_CURRENT_SIGNING_KEY, {
            url,
            body,
          }),
        },
      ]
    ) {
      const sent = await Promise.all(
        Array.from({ length: 5 }, () => call("POST", "events/process-queue", { body, headers })),
      );
      expect(sent.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
      const unchanged = await storeContents(sql);
      const again = await call("POST", "events/process-queue", { body, headers });
      expect(refusalOf(again)).toMatchObject({ status: 401, code: "invalid_signature" });
      expect(await storeContents(sql)).toEqual(unchanged);
    }
  });
});
