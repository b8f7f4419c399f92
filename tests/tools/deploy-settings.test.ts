import { expect, test } from "vitest";
import {
  describeSettings,
  functionsUrl,
  readSettings,
} from "../../supabase/tools/deploy/settings.ts";

/** What the command prints of these variables, each line without its padding. */
function shown(environment: Record<string, string>): string[] {
  const { settings, problems } = readSettings(environment, []);
  expect(problems).toEqual([]);
  return describeSettings(settings, problems)
    .map((line) => line.replace(/ +/, " "))
    .filter((line) => !line.includes(" not set"));
}

test("a secret is masked though it looks like a URL", () => {
  expect(shown({
    PHOENIX_DOORBELL_SECRET: `prod:${"0123456789abcdef".repeat(2)}`,
    QSTASH_TOKEN: "user:0123",
    QSTASH_NEXT_SIGNING_KEY: "0123456789abcde",
    UPSTASH_REDIS_REST_URL: "https://redis.example",
    UPSTASH_REDIS_REST_TOKEN: "https://default:0123456789@redis.example",
  })).toEqual([
    "PHOENIX_DOORBELL_SECRET ****cdef",
    "QSTASH_TOKEN ****",
    "QSTASH_NEXT_SIGNING_KEY ****",
    "UPSTASH_REDIS_REST_URL https://redis.example/",
    "UPSTASH_REDIS_REST_TOKEN ****mple",
  ]);
});

test("a URL is shown without what opens it", () => {
  expect(shown({
    SUPABASE_DB_URL:
      "postgresql://postgres.ref:one@db.example:5432/postgres?password=two&sslmode=require",
    QSTASH_URL: "https://user:three@qstash.example/",
    UPSTASH_REDIS_REST_URL: "https://four@redis.example/?_Token=five",
    UPSTASH_REDIS_REST_TOKEN: "six",
  })).toEqual([
    "SUPABASE_DB_URL postgresql://postgres.ref@db.example:5432/postgres?password=****&sslmode=require",
    "QSTASH_URL https://qstash.example/",
    "UPSTASH_REDIS_REST_URL https://redis.example/?_Token=****",
    "UPSTASH_REDIS_REST_TOKEN ****",
  ]);
});

test("a blank variable is not set", () => {
  const { settings, problems } = readSettings({
    UPSTASH_REDIS_REST_URL: "   ",
    UPSTASH_REDIS_REST_TOKEN: "",
    SUPABASE_DB_URL: " ",
  }, ["vault"]);
  expect(settings).toEqual({});
  expect(problems.map((problem) => problem.replace(/:.*/, ""))).toEqual([
    "SUPABASE_PROJECT_REF is missing",
    "SUPABASE_DB_URL is missing",
    "PHOENIX_DOORBELL_SECRET is missing",
  ]);
});

test.each(["?x=1", "?", "#here", "#"])(
  "the functions' URL, to which paths are appended, does not end in %s",
  (end) => {
    const url = `https://phoenix.example/functions/v1${end}`;
    expect(readSettings({ PHOENIX_FUNCTIONS_URL: url }, []).problems).toEqual([
      "PHOENIX_FUNCTIONS_URL must not have a query or a fragment",
    ]);
  },
);

test.each(["ops:sEcRet@", "sEcRet@", ":sEcRet@"])(
  "the functions' URL, which the plan prints, has nothing to hide: %s",
  (login) => {
    const url = `https://${login}phoenix.example/functions/v1`;
    const { settings, problems } = readSettings({ PHOENIX_FUNCTIONS_URL: url }, []);
    expect(problems).toEqual(["PHOENIX_FUNCTIONS_URL must not have a user or a password"]);
    expect(describeSettings(settings, problems).join("\n")).not.toContain("sEcRet");
  },
);

const STAGING = "abcdefghijklmnopqrst";
const PRODUCTION = "zzzzzzzzzzzzzzzzzzzz";

test.each([
  ["SUPABASE_DB_URL", "postgresql://postgres.REF:pw@aws-0.pooler.supabase.com:5432/postgres"],
  ["SUPABASE_DB_URL", "postgresql://postgres:pw@db.REF.supabase.co:5432/postgres"],
  ["PHOENIX_FUNCTIONS_URL", "https://REF.supabase.co/functions/v1"],
])("what belongs to another project is told: %s %s", (name, url) => {
  const problems = (ref: string) =>
    readSettings({ SUPABASE_PROJECT_REF: STAGING, [name]: url.replace("REF", ref) }, []).problems;
  expect(problems(STAGING)).toEqual([]);
  expect(problems(PRODUCTION)).toEqual([
    `${name} is of project ${PRODUCTION}, SUPABASE_PROJECT_REF names ${STAGING}`,
  ]);
});

const UNNAMED = "must name its user and host, with / ? # @ in the password percent-encoded";

test.each([
  [
    "postgresql://postgres:sEcRet%@db.example/postgres",
    "has a % in its user or password that must be written %25",
  ],
  ["postgresql://postgres:#sEcRet@db.example:5432/postgres", UNNAMED],
  ["postgresql://postgres:?sEcRet@db.example:5432/postgres", UNNAMED],
  ["postgresql://postgres:123/sEcRet@db.example:5432/postgres", UNNAMED],
  ["postgresql://postgres:sEc#Ret@db.example:5432/postgres", UNNAMED],
  ["postgresql://postgres:sEc@Ret@db.example:5432/postgres", UNNAMED],
  ["postgresql://db.example:5432/postgres", UNNAMED],
  ["postgresql://:sEcRet@db.example:5432/postgres", UNNAMED],
  ["no URL at all", "must be a URL such as postgresql://user:password@host:5432/postgres"],
])(
  "a database URL that cannot be used is told, and not repeated, before anything is done with it: %s",
  (url, fault) => {
    const { settings, problems } = readSettings({ SUPABASE_DB_URL: url }, []);
    expect(problems).toEqual([`SUPABASE_DB_URL ${fault}`]);
    expect(describeSettings(settings, problems).join("\n")).not.toMatch(/sEc|Ret/);
  },
);

test("a password's percent-encoded characters are no fault", () => {
  const url = "postgresql://postgres:%2F%3F%23%40%25@db.example:5432/postgres?sslmode=require";
  expect(readSettings({ SUPABASE_DB_URL: url }, [])).toEqual({
    settings: { SUPABASE_DB_URL: url },
    problems: [],
  });
});

test.each([
  ["QSTASH_TOKEN", "it's", "must not contain spaces or quotes"],
  ["QSTASH_TOKEN", "one two", "must not contain spaces or quotes"],
  ["PHOENIX_DOORBELL_SECRET", "f".repeat(31), "must have at least 32 characters"],
  ["QSTASH_URL", "ftp://qstash.example", "must be an http(s) URL"],
  ["SUPABASE_PROJECT_REF", "abcdefghijklmnopqrs", "must be the 20 letters of the project's URL"],
])("%s is not taken as %s: it %s", (name, value, fault) => {
  const { settings, problems } = readSettings({ [name]: value }, []);
  expect({ settings, problems }).toEqual({ settings: {}, problems: [`${name} ${fault}`] });
});

test.each([
  ["UPSTASH_REDIS_REST_URL", "https://redis.example", "UPSTASH_REDIS_REST_TOKEN"],
  ["UPSTASH_REDIS_REST_TOKEN", "a-token", "UPSTASH_REDIS_REST_URL"],
])("%s alone is half of Redis", (name, value, absent) => {
  expect(readSettings({ [name]: value }, []).problems).toEqual([
    `${absent} is missing: Redis needs its URL and its token, or neither`,
  ]);
});

test("the functions' URL may end in a slash, which no path is appended to", () => {
  const url = "https://phoenix.example/functions/v1";
  const { settings } = readSettings({ PHOENIX_FUNCTIONS_URL: `${url}/` }, []);
  expect(functionsUrl(settings)).toBe(url);
});
