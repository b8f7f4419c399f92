import { beforeAll, expect, test } from "vitest";
import { functionsOf } from "../support/functions.ts";
import { trackedFiles } from "../support/source-files.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const page = await Deno.readTextFile(new URL("../../docs/api.md", import.meta.url));
const files = await trackedFiles();

const stack = testStack();
const call = functionsOf(stack.env);
let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
});

/** The page's calls: `POST`, `nudges/{id}/shown`, `user`. */
const calls = [...page.matchAll(/^\| `(GET|POST|DELETE) ([^`]+)` +\| ([^|]+?) +\|/gm)]
  .map(([, method, path, who]) => ({ method: method!, path: path!, who: who! }));

test("every function's routes are on the page", () => {
  const routes = files
    .filter(({ path }) => /^functions\/\w+\/index\.ts$/.test(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/\bapp\.(get|post|put|patch|delete)\(\s*(?:["`]([^"`]*)["`]|\w+)/g)]
        .map(([, method, route = "/${path}"]) => ({
          method: method!.toUpperCase(),
          path: path.split("/")[1]! + route.replace(/\/$/, ""),
        }))
    );
  expect(routes.length).toBeGreaterThan(15);
  for (const { method, path } of routes) {
    // A parameter is named, and what a loop makes stands for each of its turns.
    const pattern = new RegExp(
      `^${path.replace(/:(\w+)/g, "\\{$1\\}").replace(/\$\{\w+\}/g, "[a-z-]+")}$`,
    );
    const onPage = calls.filter((each) => each.method === method && pattern.test(each.path));
    expect(onPage.length, `${method} ${path}`).toBeGreaterThan(0);
  }
});

test.each(calls)("$method $path is there, for $who", async ({ method, path, who }) => {
  const address = path.replace(/\{\w+\}/g, () => crypto.randomUUID());
  const allowed = [undefined, user, "secret" as const].map(async (as) => {
    // These would be in the way of others who share the stack.
    if (as === "secret" && /^DELETE|process-queue$/.test(`${method} ${path}`)) return true;
    const { status } = await call(method, address, { ...(as && { as }), json: [] });
    return status !== 401 && status !== 403;
  });
  expect(await Promise.all(allowed)).toEqual(
    who === "anybody"
      ? [true, true, true]
      // Somebody else's page is not for a user.
      : [false, who.includes("user") && !path.includes("{user_id}"), who.includes("secret")],
  );
});

test("every error's code is on the page", () => {
  const codes = files.flatMap(({ path, text }) => {
    if (/^(functions|shared)\//.test(path)) {
      return [...text.matchAll(/HttpError\(\s*\d{3},\s*"(\w+)"/g)];
    }
    // What only SQL can ask is on the pages for operators and analysts.
    return /^sql\/(store|flywheel)\//.test(path) && !/(configure_app|export_user)\.sql$/.test(path)
      ? [...text.matchAll(/\bdetail = '(\w+)'/g)]
      : [];
  });
  expect(codes.length).toBeGreaterThan(20);
  for (const [, code] of codes) expect(page).toContain(`\`${code}\``);
});

test("a publication is answered as on the page", async () => {
  const answer = JSON.parse(/```json\n([^]*?)```/.exec(page)![1]!);
  const [accepted] = answer.results;
  const letter = { event_type: "letter.generated", app_source: "letters" };
  const { status, body } = await call("POST", "events", {
    as: user,
    json: {
      events: [
        { ...letter, event_id: accepted.event_id, payload: { match_score: 0.82 } },
        { ...letter, payload: { match_score: 82 } },
      ],
    },
  });
  expect(status).toBe(202);
  expect(body).toEqual(answer);
});
