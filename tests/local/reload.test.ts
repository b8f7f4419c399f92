import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../supabase/local/ports.ts";
import { eventually } from "../support/eventually.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { type FixtureStack, fixtureStack } from "./fixtures/stack.ts";

const NODE_MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

let folder: Awaited<ReturnType<typeof tempFolder>>;
let stack: FixtureStack;

beforeAll(async () => {
  folder = await tempFolder();
  await Deno.symlink(NODE_MODULES, `${folder.path}/node_modules`);
  await Deno.mkdir(`${folder.path}/shared`);
  await write("shared/word.ts", 'export const word = "un";');
  await write(
    "functions/says/index.ts",
    says('import { word } from "../../shared/word.ts";', "word"),
  );
  await write("functions/other/index.ts", says("", "String(Deno.pid)"));
  stack = await fixtureStack({
    functionsDir: `${folder.path}/functions`,
    without: ["postgres", "net", "qstash", "redis-server", "redis"],
  });
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(`${folder.path}/${path}/..`.replace(/[^/]+\/\.\.$/, ""), { recursive: true });
  await Deno.writeTextFile(`${folder.path}/${path}`, text);
}

function says(head: string, expression: string): string {
  return `${head}\nexport default { fetch: () => new Response(${expression}) };\n`;
}

async function ask(name: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${stack.env.FUNCTIONS_URL}/${name}`);
  return { status: response.status, text: await response.text() };
}

async function untilSays(name: string, text: string): Promise<void> {
  await eventually(async () => (await ask(name)).text === text);
}

async function untilLogged(text: string): Promise<void> {
  const log = `${stack.dataDir}/logs/functions.log`;
  await eventually(async () => (await Deno.readTextFile(log)).includes(text));
}

test("a change is served without a moment's silence, and the other functions stay as they are", async () => {
  const other = (await ask("other")).text;
  const answers = new Map<string, number>();
  let isOver = false;
  const askers = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const { status, text } = await ask("says");
      answers.set(text, status);
    }
  });
  await eventually(() => answers.has("un"));
  for (let n = 1; n <= 10; n++) {
    await write("functions/says/index.ts", says("", `"${n}"`));
    await eventually(() => answers.has(String(n)));
  }
  isOver = true;
  await Promise.all(askers);
  expect(Object.fromEntries(answers)).toEqual(
    Object.fromEntries(["un", ...Array.from({ length: 10 }, (_, n) => String(n + 1))]
      .map((text) => [text, 200])),
  );
  expect((await ask("other")).text).toBe(other);
});

test("what a replaced process has begun it ends, and nobody waits for that", async () => {
  const doors = {
    waiting: Promise.withResolvers<void>(),
    abandoned: Promise.withResolvers<void>(),
  };
  const heard: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const name = new URL(request.url).pathname.slice(1);
      heard.push(name);
      await doors[name as keyof typeof doors]?.promise;
      return new Response();
    },
  );
  await write(
    "functions/says/index.ts",
    `const tell = (name) => fetch("http://127.0.0.1:${server.addr.port}/" + name);
    Deno.addSignalListener("SIGTERM", () => tell("end"));
    export default {
      async fetch(request) {
        const name = new URL(request.url).searchParams.get("name");
        if (!name) return new Response("before");
        await tell(name);
        console.log(name + " has ended");
        return new Response(name);
      },
    };`,
  );
  await untilSays("says", "before");
  const waiting = ask("says?name=waiting");
  const impatient = new AbortController();
  const abandoned = fetch(`${stack.env.FUNCTIONS_URL}/says?name=abandoned`, {
    signal: impatient.signal,
  });
  await eventually(() => heard.length === 2);
  impatient.abort();
  await expect(abandoned).rejects.toThrow();

  await write("functions/says/index.ts", says("", '"first"'));
  await untilSays("says", "first");
  await write("functions/says/index.ts", says("", '"second"'));
  await untilSays("says", "second");
  expect(heard).not.toContain("end");
  doors.waiting.resolve();
  expect(await waiting).toEqual({ status: 200, text: "waiting" });
  await eventually(() => heard.includes("end"));
  doors.abandoned.resolve();
  await untilLogged("abandoned has ended");
});

test("a function may print whatever it likes while it loads", async () => {
  const head =
    'console.log("listening on 1"); Deno.stdout.writeSync(new TextEncoder().encode("half a line"));';
  await write("functions/says/index.ts", says(head, '"printed"'));
  await untilSays("says", "printed");
  await untilLogged("says: listening on 1");
  await untilLogged("says: half a line\n");
});

test("a change in what functions share is served as well", async () => {
  await write(
    "functions/says/index.ts",
    says('import { word } from "../../shared/word.ts";', "word"),
  );
  await untilSays("says", "un");
  await write("shared/word.ts", 'export const word = "trois";');
  await untilSays("says", "trois");
});

test("a folder that is moved into what functions share is served as well", async () => {
  await write("functions/says/index.ts", says("", '"before"'));
  await untilSays("says", "before");
  await write(
    "functions/says/index.ts",
    says('import { word } from "../../shared/words/french.ts";', "word"),
  );
  await write("aside/french.ts", 'export const word = "quatre";');
  await Deno.rename(`${folder.path}/aside`, `${folder.path}/shared/words`);
  await untilSays("says", "quatre");
});

test.each(["shared", "functions"])(
  "%s may be replaced by what lay ready elsewhere",
  async (name) => {
    const head = 'import { word } from "../../shared/word.ts";';
    await write("shared/word.ts", `export const word = "${name} before";`);
    await write("functions/says/index.ts", says(head, "word"));
    await untilSays("says", `${name} before`);
    await write("ready/word.ts", `export const word = "${name} after";`);
    await write("ready/says/index.ts", says("", `"${name} after"`));
    await write("ready/other/index.ts", says("", "String(Deno.pid)"));
    await Deno.rename(`${folder.path}/${name}`, `${folder.path}/${name}-aside`);
    await Deno.rename(`${folder.path}/ready`, `${folder.path}/${name}`);
    await untilSays("says", `${name} after`);
  },
);

test("a change in a file beside the functions is served, and so are two functions' at once", async () => {
  await write("functions/common.ts", 'export const word = "cinq";');
  await write("functions/says/index.ts", says('import { word } from "../common.ts";', "word"));
  await untilSays("says", "cinq");
  await write("functions/common.ts", 'export const word = "six";');
  await untilSays("says", "six");
  await write("functions/says/index.ts", says("", '"sept"'));
  await write("functions/other/index.ts", says("", '"huit"'));
  await untilSays("says", "sept");
  await untilSays("other", "huit");
});

test("only what has changed is reloaded, and for a hidden file nothing is", async () => {
  const log = () => Deno.readTextFile(`${stack.dataDir}/logs/functions.log`);
  await write("functions/says/index.ts", says("", '"neuf"'));
  await untilSays("says", "neuf");
  await eventually(async () => (await log()).trimEnd().split("\n").at(-1)?.includes("reloaded"));
  const before = (await log()).length;
  await write("functions/says/.hidden", "");
  await write("functions/other/index.ts", says("", '"dix"'));
  await untilSays("other", "dix");
  const reloaded = await eventually(async () => {
    const found = [...(await log()).slice(before).matchAll(/reloaded (.*)/g)].map(([, names]) =>
      names
    );
    return found.length > 0 && found.join(";");
  });
  expect(new Set((reloaded as string).split(";"))).toEqual(new Set(["other"]));
});

test.each(["shared", "functions"])("%s may be replaced as a whole", async (name) => {
  const head = 'import { word } from "../../shared/word.ts";';
  await write("shared/word.ts", `export const word = "${name} before";`);
  await write("functions/says/index.ts", says(head, "word"));
  await untilSays("says", `${name} before`);
  await Deno.rename(`${folder.path}/${name}`, `${folder.path}/${name}-before`);
  await write("shared/word.ts", `export const word = "${name} after";`);
  await write("functions/says/index.ts", says(head, "word"));
  await untilSays("says", `${name} after`);
  await write("functions/says/index.ts", says(head, "word.toUpperCase()"));
  await untilSays("says", `${name} after`.toUpperCase());
});

test.each([
  ["export default {{{", "SyntaxError"],
  ["export default {};", "does not export default { fetch }"],
])(
  "source that cannot be started leaves the last good one serving, until it is mended: %s",
  async (source, error) => {
    await write("functions/says/index.ts", says("", '"good"'));
    await untilSays("says", "good");
    await write("functions/says/index.ts", source);
    await untilLogged(error);
    expect(await ask("says")).toEqual({ status: 200, text: "good" });
    await write("functions/says/index.ts", says("", '"mended"'));
    await untilSays("says", "mended");
  },
);

test("a new function is served, and one that is deleted is not", async () => {
  expect((await ask("late")).status).toBe(404);
  await write("functions/late/index.ts", says("", '"here"'));
  await untilSays("late", "here");
  await Deno.remove(`${folder.path}/functions/late`, { recursive: true });
  await eventually(async () => (await ask("late")).status === 404);
});

test("a function that never comes to an end of booting is told by its name, and the others serve meanwhile", async () => {
  await using another = await tempFolder();
  const functionsDir = `${another.path}/functions`;
  for (const [name, source] of [["hangs", "await new Promise(() => {});"], ["says", ""]] as const) {
    await Deno.mkdir(`${functionsDir}/${name}`, { recursive: true });
    await Deno.writeTextFile(`${functionsDir}/${name}/index.ts`, says(source, '"here"'));
  }
  const apiPort = freePort();
  const starting = fixtureStack({
    functionsDir,
    apiPort,
    without: ["postgres", "net", "qstash", "redis-server", "redis"],
  });
  const origin = `http://127.0.0.1:${apiPort}/functions/v1`;
  await eventually(async () => (await (await fetch(`${origin}/says`)).text()) === "here");
  const hanging = await fetch(`${origin}/hangs`);
  expect(hanging.status).toBe(503);
  expect(await hanging.json()).toMatchObject({ code: "BOOT_ERROR" });
  await using started = await starting;
  expect(await Deno.readTextFile(`${started.dataDir}/logs/functions.log`)).toContain(
    "hangs did not serve within 10 s",
  );
});
