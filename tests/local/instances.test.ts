import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

let folder: Awaited<ReturnType<typeof tempFolder>>;
let stack: FixtureStack;

/** Where a request's answer waits for others: `/2` until two are under way. */
const meeting = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const count = Number(new URL(request.url).pathname.slice(1));
  const { promise, resolve } = Promise.withResolvers<void>();
  if (waiting.push(resolve) === count) { for (const go of waiting.splice(0)) go(); }
  await promise;
  return new Response();
});
const waiting: (() => void)[] = [];

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
  await meeting.shutdown();
});

/** Serves a word, and who says it, after a while, or once so many ask. */
function say(word: string): Promise<void> {
  return Deno.writeTextFile(
    `${folder.path}/functions/slow/index.ts`,
    `export default { async fetch({ url }) {
      const together = new URL(url).searchParams.get("together");
      if (together) await fetch("http://127.0.0.1:${meeting.addr.port}/" + together);
      else await new Promise((resolve) => setTimeout(resolve, 200));
      return Response.json({ word: "${word}", pid: Deno.pid });
    } };\n`,
  );
}

async function ask(query = ""): Promise<{ word: string; pid: number }> {
  return await (await fetch(`${stack.env.FUNCTIONS_URL}/slow${query}`)).json();
}

/** Asks so often that all are under way at the same moment. */
function askTogether(count: number) {
  return Promise.all(Array.from({ length: count }, () => ask(`?together=${count}`)));
}

const pidsOf = (answers: { pid: number }[]) => new Set(answers.map(({ pid }) => pid));

test("requests at the same moment are shared out evenly", async () => {
  const answers = await askTogether(4);
  const shares = Map.groupBy(answers, ({ pid }) => pid).values();
  expect([...shares].map(({ length }) => length)).toEqual([2, 2]);
});

test("a change replaces every instance", async () => {
  const before = pidsOf(await askTogether(2));
  await say("two");
  await eventually(async () => (await ask()).word === "two");
  const after = await askTogether(2);
  expect(after.map(({ word }) => word)).toEqual(["two", "two"]);
  expect(pidsOf(after).size).toBe(2);
  expect(pidsOf(after).isDisjointFrom(before)).toBe(true);
});

test("while one instance is down, the other answers", async () => {
  const [first] = await askTogether(2);
  Deno.kill(first!.pid, "SIGKILL");
  await eventually(async () => {
    const answers = await Promise.allSettled([ask(), ask()]);
    const pids = answers.flatMap((each) => each.status === "fulfilled" ? [each.value.pid] : []);
    return pids.length === 2 && new Set(pids).size === 2 && !pids.includes(first!.pid);
  });
});
