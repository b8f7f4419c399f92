import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

let folder: Awaited<ReturnType<typeof tempFolder>>;
let stack: FixtureStack;

beforeAll(async () => {
  folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/functions/slow`, { recursive: true });
  await say("one");
  stack = await fixtureStack({
    functionsDir: `${folder.path}/functions`,
    serviceEnv: { functions: { FUNCTION_INSTANCES: "2" } },
    without: ["postgres", "net", "qstash", "redis-server", "redis"],
  });
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** Serves a word, and who says it, after a while. */
function say(word: string): Promise<void> {
  return Deno.writeTextFile(
    `${folder.path}/functions/slow/index.ts`,
    `export default { async fetch() {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return Response.json({ word: "${word}", pid: Deno.pid });
    } };\n`,
  );
}

async function ask(): Promise<{ word: string; pid: number }> {
  return await (await fetch(`${stack.env.FUNCTIONS_URL}/slow`)).json();
}

const pidsOf = (answers: { pid: number }[]) => new Set(answers.map(({ pid }) => pid));

test("requests at the same moment are shared out evenly", async () => {
  const answers = await Promise.all([ask(), ask(), ask(), ask()]);
  const shares = Map.groupBy(answers, ({ pid }) => pid).values();
  expect([...shares].map(({ length }) => length)).toEqual([2, 2]);
});

test("a change replaces every instance", async () => {
  const before = pidsOf(await Promise.all([ask(), ask()]));
  await say("two");
  await eventually(async () => (await ask()).word === "two");
  const after = await Promise.all([ask(), ask()]);
  expect(after.map(({ word }) => word)).toEqual(["two", "two"]);
  expect(pidsOf(after).size).toBe(2);
  expect(pidsOf(after).isDisjointFrom(before)).toBe(true);
});

test("while one instance is down, the other answers", async () => {
  const [first] = await Promise.all([ask(), ask()]);
  Deno.kill(first!.pid, "SIGKILL");
  await eventually(async () => {
    const answers = await Promise.allSettled([ask(), ask()]);
    const pids = answers.flatMap((each) => each.status === "fulfilled" ? [each.value.pid] : []);
    return pids.length === 2 && new Set(pids).size === 2 && !pids.includes(first!.pid);
  });
});
