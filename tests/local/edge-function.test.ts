import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EdgeFunction } from "../../supabase/local/functions/function.ts";
import { denoEnv } from "../../supabase/local/supervisor/deno-program.ts";
import { alive } from "../support/processes.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** As long as the platform lets a function run. */
const wallClockMs = 150_000;

let folder: Awaited<ReturnType<typeof tempFolder>>;
let edgeFunction: EdgeFunction;
/** Where functions say what they are at, and wait until they may go on. */
let server: Deno.HttpServer<Deno.NetAddr>;
/** Once it is resolved nobody waits any more. */
let over: PromiseWithResolvers<void>;
let places: Map<string, { reached: PromiseWithResolvers<void>; left: PromiseWithResolvers<void> }>;

beforeEach(async () => {
  // Time passes as ever, and faster where a test says so.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true });
  folder = await tempFolder();
  places = new Map();
  over = Promise.withResolvers();
  server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { reached, left } = place(new URL(request.url).pathname.slice(1));
      reached.resolve();
      await Promise.race([left.promise, over.promise]);
      return new Response();
    },
  );
  edgeFunction = withProcesses(1);
});

afterEach(async () => {
  over.resolve();
  await edgeFunction.stop();
  await server.shutdown();
  vi.useRealTimers();
  await folder[Symbol.asyncDispose]();
});

function withProcesses(count: number): EdgeFunction {
  return new EdgeFunction("says", folder.path, denoEnv({}), count);
}

function place(name: string) {
  let found = places.get(name);
  if (!found) {
    found = { reached: Promise.withResolvers<void>(), left: Promise.withResolvers<void>() };
    places.set(name, found);
  }
  return found;
}

/**
 * Writes a source that answers what it is asked once its place is left, and says when it is told to end; `/exits` ends it.
 *
 * @param head what it does while it boots
 */
async function write(version: string, head = ""): Promise<void> {
  await Deno.writeTextFile(
    `${folder.path}/index.ts`,
    `${head}
    const go = (place) => fetch("http://127.0.0.1:${server.addr.port}/" + place);
    Deno.addSignalListener("SIGTERM", () => go("${version}-ends"));
    export default {
      async fetch(request) {
        const text = "${version}-" + new URL(request.url).pathname.slice(1);
        if (text.endsWith("-exits")) Deno.exit(1);
        await go(text);
        return new Response(text);
      },
    };`,
  );
}

async function serve(version: string): Promise<void> {
  await write(version);
  await edgeFunction.reload();
}

/** Asks for an answer: resolves once the function is at it. */
async function ask(version: string): Promise<{ answer: Promise<string> }> {
  const answer = edgeFunction.ask((origin) => fetch(`${origin}/answers`))
    .then((response) => response!.text());
  answer.catch(() => {});
  await place(`${version}-answers`).reached.promise;
  return { answer };
}

test("a process that is replaced has the platform's time to answer, and as much to end", async () => {
  await serve("old");
  const { answer } = await ask("old");
  await serve("new");
  using kill = vi.spyOn(Deno.ChildProcess.prototype, "kill");
  await vi.advanceTimersByTimeAsync(wallClockMs - 30_000);
  expect(kill).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(30_000);
  await place("old-ends").reached.promise;
  vi.advanceTimersByTime(wallClockMs - 30_000);
  place("old-answers").left.resolve();
  expect(await answer).toBe("old-answers");
});

test("a process that is replaced and never done is killed in the end", async () => {
  await serve("old");
  const { answer } = await ask("old");
  await serve("new");
  vi.advanceTimersByTime(wallClockMs);
  await place("old-ends").reached.promise;
  vi.advanceTimersByTime(wallClockMs);
  await expect(answer).rejects.toThrow();
});

test("a function that stops ends its replaced processes as well", async () => {
  await serve("old");
  const { answer } = await ask("old");
  await serve("new");
  let isTold = false;
  const told = place("old-ends").reached.promise.then(() => isTold = true);
  const stopping = edgeFunction.stop();
  await Promise.race([told, stopping]);
  expect(isTold).toBe(true);
  place("old-answers").left.resolve();
  expect(await answer).toBe("old-answers");
  await stopping;
  expect(vi.getTimerCount()).toBe(0);
});

test("a function that stops while it is replaced leaves no process behind", async () => {
  const pids: number[] = [];
  using _ = vi.spyOn(console, "log").mockImplementation((text: string) => {
    const pid = /process (\d+)/.exec(text)?.[1];
    if (pid) pids.push(Number(pid));
  });
  const head = 'console.log("process " + Deno.pid);';
  await write("old", head);
  await edgeFunction.reload();
  await write("new", head);
  const reloading = edgeFunction.reload();
  await edgeFunction.stop();
  await reloading;
  expect(await edgeFunction.ask((origin) => fetch(origin))).toBeUndefined();
  expect(new Set(pids).size).toBe(2);
  expect(await alive(pids)).toEqual([]);
});

test("what is asked while a function boots is answered once it has", async () => {
  await write("new");
  place("new-answers").left.resolve();
  const reloading = edgeFunction.reload();
  const response = await edgeFunction.ask((origin) => fetch(`${origin}/answers`));
  expect(await response?.text()).toBe("new-answers");
  await reloading;
});

test("a request goes to the process with the fewest under way", async () => {
  edgeFunction = withProcesses(2);
  await serve("new");
  const origins: string[] = [];
  const askFor = async (name: string) => {
    await edgeFunction.ask((origin) => {
      origins.push(origin);
      return fetch(`${origin}/${name}`);
    });
  };
  place("new-quick").left.resolve();
  const long = askFor("long");
  await askFor("quick");
  await askFor("quick");
  const [busy, ...idle] = origins;
  expect(new Set(idle).size).toBe(1);
  expect(idle).not.toContain(busy);
  place("new-long").left.resolve();
  await long;
});

test("a process that has ended is asked nothing more", async () => {
  await serve("new");
  const asked = Promise.withResolvers<Response | undefined>();
  using _ = vi.spyOn(console, "log").mockImplementation((text: string) => {
    if (!text.includes("ended unexpectedly")) return;
    asked.resolve(edgeFunction.ask((origin) => fetch(origin)));
  });
  await expect(edgeFunction.ask((origin) => fetch(`${origin}/exits`))).rejects.toThrow();
  expect(await asked.promise).toBeUndefined();
});

test("of new processes of which one cannot start none is left", async () => {
  edgeFunction = withProcesses(2);
  await serve("old");
  const pids: number[] = [];
  await using boots = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      pids.push(Number(new URL(request.url).pathname.slice(1)));
      return Response.json(pids.length === 1);
    },
  );
  await write(
    "new",
    `const mayStart = await (await fetch("http://127.0.0.1:${boots.addr.port}/" + Deno.pid)).json();
    if (!mayStart) throw new Error("not this one");`,
  );
  using complaint = vi.spyOn(console, "error").mockImplementation(() => {});
  await edgeFunction.reload();
  expect(complaint).toHaveBeenCalledWith(expect.stringContaining("not this one"));
  expect(pids).toHaveLength(2);
  expect(await alive(pids)).toEqual([]);
  place("old-answers").left.resolve();
  const response = await edgeFunction.ask((origin) => fetch(`${origin}/answers`));
  expect(await response?.text()).toBe("old-answers");
});

test("a process that is told to end does so, whatever it has set going for later", async () => {
  await write("new", "setInterval(() => {}, 1000);");
  await edgeFunction.reload();
  using kill = vi.spyOn(Deno.ChildProcess.prototype, "kill");
  await edgeFunction.stop();
  // What ties it to this process is ended as well, and otherwise.
  const [first] = kill.mock.contexts;
  const signals = kill.mock.calls.filter((_, call) => kill.mock.contexts[call] === first);
  expect(signals).toEqual([["SIGTERM"]]);
});
