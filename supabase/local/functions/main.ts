/**
 * Serves every folder of `functions` that has an `index.ts`, each in processes of its own, under `/<name>/…`.
 *
 * Environment: `FUNCTIONS_PORT`, `FUNCTIONS_DIR`, `FUNCTION_ENV`, the JSON of the environment that each function gets, and
 * `FUNCTION_INSTANCES`, how many processes serve each function, 1 without.
 */
import { join } from "node:path";
import { z } from "zod";
import { denoEnv } from "../supervisor/deno-program.ts";
import { EdgeFunction } from "./function.ts";
import { watchSources } from "./watch.ts";

const env = z.object({
  FUNCTIONS_PORT: z.coerce.number().int(),
  FUNCTIONS_DIR: z.string(),
  FUNCTION_INSTANCES: z.coerce.number().int().min(1).default(1),
  FUNCTION_ENV: z.string().transform((text) =>
    z.record(z.string(), z.string()).parse(JSON.parse(text))
  ),
}).parse(Deno.env.toObject());

const functions = new Map<string, EdgeFunction>();
const httpClient = Deno.createHttpClient({ poolMaxIdlePerHost: 256 });

function relayError(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status, headers: { "x-relay-error": "true" } });
}

async function proxy(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const name = url.pathname.split("/")[1] ?? "";
  // The stack asks here whether the functions serve.
  if (name === "") await booting;
  const target = functions.get(name);
  if (!target) return relayError(404, "NOT_FOUND", "Requested function was not found");
  try {
    const answer = await target.ask((origin) =>
      fetch(origin + url.pathname + url.search, {
        method: request.method,
        headers: request.headers,
        body: request.body,
        redirect: "manual",
        signal: request.signal,
        client: httpClient,
      })
    );
    if (answer) return answer;
    return relayError(503, "BOOT_ERROR", `Function ${name} failed to start (please check logs)`);
  } catch (error) {
    if (!request.signal.aborted) console.error(`${name}: the request got no answer: ${error}`);
    return relayError(503, "SERVICE_UNAVAILABLE", `Function ${name} ended while it was answering`);
  }
}

function isFunction(name: string): boolean {
  try {
    return !name.startsWith(".") && Deno.statSync(join(env.FUNCTIONS_DIR, name, "index.ts")).isFile;
  } catch {
    return false;
  }
}

/** Brings the processes in line with the folders: new functions are served, deleted ones are not, changed ones are replaced. */
async function refresh(changed: Set<string> | "all"): Promise<void> {
  const present = [...Deno.readDirSync(env.FUNCTIONS_DIR)].map(({ name }) => name).filter(
    isFunction,
  );
  const gone = [...functions].filter(([name]) => !present.includes(name));
  for (const [name] of gone) functions.delete(name);
  const stale = present.filter((name) =>
    changed === "all" || changed.has(name) || !functions.has(name)
  );
  for (const name of present) {
    if (functions.has(name)) continue;
    functions.set(
      name,
      new EdgeFunction(
        name,
        join(env.FUNCTIONS_DIR, name),
        denoEnv(env.FUNCTION_ENV),
        env.FUNCTION_INSTANCES,
      ),
    );
  }
  await Promise.all([
    ...gone.map(([, edgeFunction]) => edgeFunction.stop()),
    ...stale.map((name) => functions.get(name)!.reload()),
  ]);
}

watchSources(env.FUNCTIONS_DIR, (changed) => {
  refresh(changed).then(
    () => console.log(`reloaded ${changed === "all" ? "all functions" : [...changed].join(", ")}`),
    (error) => console.error(error),
  );
});
// Functions that serve do not wait for one that takes its time.
const booting = refresh("all");

const server = Deno.serve(
  { hostname: "127.0.0.1", port: env.FUNCTIONS_PORT, onListen: () => {} },
  (request) => proxy(request),
);

Deno.addSignalListener("SIGTERM", async () => {
  await Promise.all([server.shutdown(), ...[...functions.values()].map((each) => each.stop())]);
  Deno.exit(0);
});
