import { beforeAll, describe, expect, test } from "vitest";
import { functionsOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);
let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
});

describe("A request id", () => {
  test("that the caller gives comes back, on answers and errors", async () => {
    const headers = { "x-request-id": "my-Request_42" };
    for (
      const answer of [
        await call("GET", "events", { as: user, headers }),
        await call("GET", "events", { headers }),
        await call("GET", "events/nowhere", { headers }),
        await call("POST", "events", { as: user, body: "{", headers }),
        await call("POST", "nudges/1/shown", { as: user, headers }),
        await call("GET", "health", { headers }),
        await call("OPTIONS", "events", { headers: { ...headers, origin: "https://example.com" } }),
      ]
    ) {
      expect(answer.headers.get("x-request-id")).toBe("my-Request_42");
      if (answer.status >= 400) refusalOf(answer);
    }
  });

  test("is made up where the caller gives none, or one that is not valid", async () => {
    const made = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
    for (const given of [undefined, "", "a b", "x".repeat(101), "<script>"]) {
      const headers = given === undefined ? {} : { "x-request-id": given };
      const first = await call("GET", "events", { as: user, headers });
      const second = await call("GET", "events", { headers });
      expect(first.headers.get("x-request-id")).toMatch(made);
      expect(second.headers.get("x-request-id")).toMatch(made);
      expect(first.headers.get("x-request-id")).not.toBe(second.headers.get("x-request-id"));
    }
  });
});

describe("A browser of another origin", () => {
  const origin = "https://phoenix-cv.onrender.com";

  test.each([
    ["POST", "events"],
    ["GET", "events"],
    ["GET", "nudges"],
    ["POST", `nudges/${crypto.randomUUID()}/shown`],
  ])("may send %s %s with what supabase-js sends", async (method, path) => {
    const asked = "apikey,authorization,content-type,x-client-info";
    const { status, headers } = await call("OPTIONS", path, {
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": asked,
      },
    });
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-methods")?.split(",")).toContain(method);
    const allowed = headers.get("access-control-allow-headers")?.toLowerCase().split(/, ?/);
    expect(allowed).toEqual(expect.arrayContaining(asked.split(",")));
  });

  test("may name its request, and ask whether an answer is still the one it has", async () => {
    const asked = "if-none-match,x-request-id,x-region,traceparent";
    const { headers } = await call("OPTIONS", "nudges", {
      headers: {
        origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": asked,
      },
    });
    const allowed = headers.get("access-control-allow-headers")?.toLowerCase().split(/, ?/);
    expect(allowed).toEqual(expect.arrayContaining(asked.split(",")));
  });

  test("may read answers, errors, and what tells of them", async () => {
    for (
      const answer of [
        await call("GET", "nudges", { as: user, headers: { origin } }),
        await call("GET", "nudges", { headers: { origin } }),
        await call("POST", "events", { as: user, body: "{", headers: { origin } }),
      ]
    ) {
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("access-control-expose-headers")?.split(",")).toEqual(
        expect.arrayContaining([
          "date",
          "x-request-id",
          "etag",
          "retry-after",
          "x-ratelimit-remaining",
        ]),
      );
    }
  });
});

test.each(["events", "nudges", "transitions", "health", "events/catalogue"])(
  "%s is there with a slash at the end too",
  async (path) => {
    const [plain, slashed] = await Promise.all(
      [path, `${path}/`].map((each) => call("GET", each, { as: user })),
    );
    expect(slashed!.status).toBe(200);
    expect(Object.keys(slashed!.body as object)).toEqual(Object.keys(plain!.body as object));
  },
);

test.each([
  ["POST", "transitions/%E0%A4%A/accepted", 400, "invalid_request"],
  ["GET", "user/%E0%A4%A/dashboard", 403, "forbidden"],
  ["GET", "events/%E0%A4%A", 404, "not_found"],
])("%s %s, which is no text, is answered with %i %s", async (method, path, status, code) => {
  expect(refusalOf(await call(method, path, { as: user }))).toMatchObject({ status, code });
});

describe("An address where nothing is", () => {
  test.each([
    ["GET", "events/nowhere"],
    ["DELETE", "events"],
    ["GET", "events/process-queue"],
    ["PUT", "nudges"],
    ["POST", `nudges/${crypto.randomUUID()}/eaten`],
    ["POST", "health"],
  ])("answers %s %s with 404 in the form of every error", async (method, path) => {
    expect(refusalOf(await call(method, path, { as: user }))).toMatchObject({
      status: 404,
      code: "not_found",
    });
  });
});
