import { createClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { functionsOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";

/** What a newcomer tries first. */
const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));

let stack: OwnStack;

beforeAll(async () => {
  stack = await ownStack({ without: ["qstash"] });
  // The page shows the first wording.
  const admin = stack.adminSql({ max: 1 });
  await admin`
    update flywheel.settings
    set reactor_settings = '{"nudges": {"holdout": 0, "experiments": {"letters_to_cv": {"weights": {"b": 0}}}}}'
  `;
  await admin.end();
});
afterAll(() => stack?.[Symbol.asyncDispose]());

function firstBlock(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "ms").exec(readme)![1]!;
}

test("the first event from a browser is accepted, and what helps next can be clicked a moment later", async () => {
  const admin = stack.adminSql({ max: 1 });
  const nudged = () => admin`select nudge_id, clicked_at from public.phoenix_nudges_sent`;
  const snippet = firstBlock("ts").replace(/^import .*$/m, "").replace(
    "// What helps next.",
    "await aMoment();\n$&",
  );
  expect(snippet).toContain("aMoment");
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const run = new AsyncFunction(
    ...["createClient", "API_URL", "PUBLISHABLE_KEY", "aMoment"],
    `${snippet}\nreturn { data, nudge };`,
  );
  const aMoment = () => eventually(async () => (await nudged()).length > 0);
  const { API_URL, PUBLISHABLE_KEY } = stack.env;
  const { data, nudge } = await run(createClient, API_URL, PUBLISHABLE_KEY, aMoment);

  expect(data).toMatchObject({ accepted: 1 });
  const [, shown] = /\{ (title: ".*?", cta_label: ".*?"), … \}/.exec(readme)!;
  expect(shown).toBe(`title: "${nudge.title}", cta_label: "${nudge.cta_label}"`);
  expect(await nudged()).toEqual([{ nudge_id: nudge.nudge_id, clicked_at: expect.any(Date) }]);
  await admin.end();
});

test("the first event of a backend is accepted, and known when it is sent again", async () => {
  const call = functionsOf(stack.env);
  const json = JSON.parse(/curl .*\/events".* -d '(\{.*?\})'$/ms.exec(readme)![1]!);
  const send = async () => (await call("POST", "events", { as: "secret", json })).body;
  const { event_id } = json;
  expect(await send()).toMatchObject({ results: [{ event_id, status: "accepted" }] });
  expect(await send()).toMatchObject({ results: [{ event_id, status: "duplicate" }] });
});

test("the first query finds them", async () => {
  const admin = stack.adminSql({ max: 1 });
  const rows = await admin.unsafe(firstBlock("sql"));
  expect(rows.map(({ event_type }) => event_type)).toContain("letter.generated");
  await admin.end();
});

test("what the page says to look at is there", async () => {
  const call = functionsOf(stack.env);
  const paths = [...readme.matchAll(/GET (?:\/functions\/v1\/)?([a-z/-]+)/g)].map(([, path]) =>
    path!
  );
  expect(paths).toEqual(["events/catalogue", "events/queue-status"]);
  for (const path of [...paths, "health"]) {
    expect((await call("GET", path, { as: "secret" })).status, path).toBe(200);
  }
  const admin = stack.adminSql({ max: 1 });
  const queries = [...readme.matchAll(/`(select \* from [^`]+)`/g)].map(([, query]) => query!);
  expect(queries).toHaveLength(2);
  for (const query of queries) await admin.unsafe(query);
  await admin.end();
});
