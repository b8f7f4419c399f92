import { AsyncLocalStorage } from "node:async_hooks";
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { decodeJwt } from "jose";
import postgres from "postgres";
import { z } from "zod";
import type { GatewayConfig } from "./config.ts";
import { identify, isRefusal } from "./identity.ts";
import { databaseError, postgrestError } from "./postgrest-error.ts";
import { createRpc } from "./rpc.ts";
import type { Tokens } from "./tokens.ts";

/** REST and Auth: Supabase Lite, with what it takes for unmodified clients and for least grants. */
export function createApi(config: GatewayConfig, tokens: Tokens) {
  const failures = new AsyncLocalStorage<{ error?: unknown }>();
  const connection = createPostgresConnection({
    url: config.databaseUrl,
    postgresOptions: { max: 20, onnotice: () => {} },
  });
  const normalizeDbError = connection.normalizeDbError.bind(connection);
  Object.assign(connection, {
    // Lite would grant everything on every table of a schema with RLS to the API's roles, which undoes least grants. What
    // it asks here is only whether to take the request's role: always.
    ensureRlsContext: () => Promise.resolve(true),
    // Lite answers 500 to what a trigger or a check raises. The error is kept, to be answered as PostgREST does.
    normalizeDbError: (error: unknown) => {
      const failure = failures.getStore();
      if (failure) failure.error = error;
      return briefly(normalizeDbError(error));
    },
  });
  const app = new App({
    connection,
    auth: {
      enabled: true,
      site_url: config.apiUrl,
      jwt_secret: tokens.innerSecret,
      publishable_key: config.publishableKey,
      secret_key: config.secretKey,
      email: { enable_signup: true, enable_confirmations: false },
    },
  });
  const rpc = createRpc(config.authenticatorUrl);

  // As PostgREST does; event triggers of the database notify of every change of the schema.
  const listener = postgres(config.databaseUrl, { max: 1, onnotice: () => {} });
  const reload = () => {
    rpc.reload();
    connection.clearSchemaCache();
  };
  listenWhenServed();

  async function listenWhenServed(): Promise<void> {
    while (true) {
      try {
        await listener.listen("pgrst", reload, reload);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async function rest(request: Request): Promise<Response> {
    const identity = await identify(request, config, tokens);
    if (isRefusal(identity)) return Response.json(identity, { status: 401 });
    const answered = await rpc.answer(request, identity);
    if (answered) return answered;
    const failure: { error?: unknown } = {};
    const response = await failures.run(
      failure,
      () => app.fetch(withToken(request, identity.innerToken)),
    );
    if (response.status < 500) return response;
    return databaseError(failure.error, identity.role) ??
      postgrestError(
        500,
        "PGRSTX00",
        "The request could not be answered: see the log of the gateway",
      );
  }

  async function auth(request: Request): Promise<Response> {
    const token = /^bearer\s+(.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1]?.trim();
    let innerToken: string | undefined;
    if (token && !token.startsWith("sb_")) {
      try {
        innerToken = await tokens.toInner(await tokens.verify(token));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return Response.json(
          { code: 403, error_code: "bad_jwt", msg: `invalid JWT: ${reason}` },
          { status: 403 },
        );
      }
    }
    const response = await app.fetch(withToken(request, innerToken));
    return await withOuterToken(response);
  }

  /** Signs the token of a session that Lite has opened anew, with the claims that a project's tokens have. */
  async function withOuterToken(response: Response): Promise<Response> {
    if (!response.headers.get("content-type")?.includes("application/json")) return response;
    const body: unknown = await response.json();
    const session = sessionSchema.safeParse(body);
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    if (!session.success) return Response.json(body, { status: response.status, headers });
    const { access_token, user } = session.data;
    const outer = await tokens.toOuter({
      iss: `${config.apiUrl}/auth/v1`,
      aal: "aal1",
      ...decodeJwt(access_token),
      app_metadata: user?.app_metadata ?? {},
      user_metadata: user?.user_metadata ?? {},
      is_anonymous: false,
    });
    return Response.json({ ...session.data, access_token: outer }, {
      status: response.status,
      headers,
    });
  }

  return (request: Request): Promise<Response> =>
    new URL(request.url).pathname.startsWith("/auth/") ? auth(request) : rest(request);
}

const sessionSchema = z.looseObject({
  access_token: z.string(),
  user: z.looseObject({
    app_metadata: z.record(z.string(), z.unknown()).optional(),
    user_metadata: z.record(z.string(), z.unknown()).optional(),
  }).optional(),
});

/** Lite logs every error whole, with the client's data in it: what is left to log is one line. */
function briefly<T>(error: T): T {
  if (typeof error === "object" && error !== null) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    Object.defineProperty(error, Symbol.for("Deno.customInspect"), {
      value: () => [code, message].filter(Boolean).join(": "),
    });
  }
  return error;
}

function withToken(request: Request, token: string | undefined): Request {
  const headers = new Headers(request.headers);
  if (token === undefined) headers.delete("authorization");
  else headers.set("authorization", `Bearer ${token}`);
  return new Request(request, { headers });
}
