import { connect } from "../postgres/connect.ts";
import type { Identity } from "./identity.ts";
import { databaseError, postgrestError } from "./postgrest-error.ts";
import { readFunctions, type RpcFunction, takes } from "./rpc-function.ts";

/** As `supabase/config.toml` has it, and as Lite does with all else. */
const MAX_ROWS = 1_000;

/** Plain calls of functions. */
export interface Rpc {
  /** @returns nothing for a call that is left to Lite */
  answer(request: Request, identity: Identity): Promise<Response | undefined>;
  /** Makes it forget what it knows of the schema. */
  reload(): void;
}

/**
 * `POST /rest/v1/rpc/<function>` with named arguments, as PostgREST does it: the body goes to the database as it came.
 *
 * Lite reads the body itself and encodes a `jsonb` argument twice, so that a function gets a string for an object; it also
 * loses digits of numbers and turns what a function raises into a bare 500. Calls that this file does not know (other
 * methods, filters on the result, overloads, unnamed arguments) stay Lite's.
 *
 * @param databaseUrl the database as `authenticator`
 */
export function createRpc(databaseUrl: string): Rpc {
  const sql = connect(databaseUrl, { max: 20, name: "phoenix-rpc" });
  let functions: Promise<Map<string, RpcFunction>> | undefined;

  async function findFunction(name: string): Promise<RpcFunction | undefined> {
    functions ??= readFunctions(sql);
    try {
      return (await functions).get(name);
    } catch (error) {
      functions = undefined;
      throw error;
    }
  }

  async function run(
    fn: RpcFunction,
    names: string[],
    body: string,
    identity: Identity,
    request: Request,
  ) {
    const settings = {
      role: identity.role,
      "request.jwt.claims": JSON.stringify(identity.claims),
      "request.method": request.method,
      "request.path": new URL(request.url).pathname,
      "request.headers": JSON.stringify(Object.fromEntries(request.headers)),
    };
    const set = Object.keys(settings).map((_, i) =>
      `set_config($${2 * i + 1}, $${2 * i + 2}, true)`
    );
    const [, rows] = await sql.begin((tx) => [
      tx.unsafe(`select ${set.join(", ")}`, Object.entries(settings).flat(), { prepare: true }),
      tx.unsafe<{ body: string | null }[]>(callOf(fn, names), names.length > 0 ? [body] : [], {
        prepare: true,
      }),
    ]);
    return rows[0]?.body ?? "null";
  }

  async function answer(request: Request, identity: Identity): Promise<Response | undefined> {
    const name = callable(request);
    const fn = name === undefined ? undefined : await findFunction(name);
    if (!fn || (fn.returns.startsWith("set") && wantsMoreThanRows(request))) return undefined;
    let body: string;
    let named: unknown;
    try {
      // A copy: what is left to Lite, Lite reads again.
      const bytes = await request.clone().arrayBuffer();
      body = new TextDecoder("utf-8", { fatal: true }).decode(bytes) || "{}";
      named = JSON.parse(body);
    } catch {
      return postgrestError(400, "PGRST102", "Empty or invalid json");
    }
    if (typeof named !== "object" || named === null || Array.isArray(named)) {
      return postgrestError(400, "PGRST102", "The body must be an object of the arguments");
    }
    const names = Object.keys(named);
    if (!takes(fn, names)) return undefined;
    const answered = await run(fn, names, body, identity, request);
    if (fn.returns === "void") return new Response(null, { status: 204 });
    return new Response(answered, {
      headers: { "content-type": "application/json; charset=utf-8" },
    });
  }

  return {
    async answer(request, identity) {
      try {
        return await answer(request, identity);
      } catch (error) {
        const known = databaseError(error, identity.role);
        if (known) return known;
        throw error;
      }
    },
    reload() {
      functions = undefined;
    },
  };
}

/** The function's name, if this is a plain call of one. */
function callable(request: Request): string | undefined {
  const url = new URL(request.url);
  const name = /^\/rest\/v1\/rpc\/([^/]+)$/.exec(url.pathname)?.[1];
  if (name === undefined || request.method !== "POST") return undefined;
  if ([...url.searchParams.keys()].some((key) => key !== "apikey")) return undefined;
  // A function of a schema that is not exposed is for Lite to refuse.
  if ((request.headers.get("content-profile") ?? "public") !== "public") return undefined;
  const type = request.headers.get("content-type");
  if (type !== null && !type.startsWith("application/json")) return undefined;
  return decodeURIComponent(name);
}

function wantsMoreThanRows(request: Request): boolean {
  return /count=/.test(request.headers.get("prefer") ?? "") || request.headers.has("range") ||
    /vnd\.pgrst|csv/.test(request.headers.get("accept") ?? "");
}

/** The statement that calls a function with the fields of the JSON object `$1`. */
function callOf(fn: RpcFunction, names: string[]): string {
  const given = fn.args.filter((arg) => names.includes(arg.name));
  const columns = given.map((arg) => `${quote(arg.name)} ${arg.type}`).join(", ");
  const call = `public.${quote(fn.name)}(${
    given.map((arg) => `${quote(arg.name)} => given.${quote(arg.name)}`).join(", ")
  })`;
  const from = given.length > 0
    ? `from json_to_record($1::text::json) as given (${columns}), `
    : "from ";
  switch (fn.returns) {
    case "void":
      return `select ''::text as body ${from}${call}`;
    case "value":
      return `select to_json(result.value)::text as body ${from}${call} as result (value)`;
    case "row":
      return `select row_to_json(result)::text as body from (select result.* ${from}${call} as result) as result`;
    case "set of values":
      return `select coalesce(json_agg(result.value), '[]')::text as body
        from (select result.value ${from}${call} as result (value) limit ${MAX_ROWS}) as result`;
    case "set of rows":
      return `select coalesce(json_agg(result), '[]')::text as body
        from (select result.* ${from}${call} as result limit ${MAX_ROWS}) as result`;
  }
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
