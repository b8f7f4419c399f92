import { AsyncLocalStorage } from "node:async_hooks";
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import type { JWTPayload } from "jose";
import { CONNECTION_OPTIONS } from "../postgres/connect.ts";
import { columnTypes } from "./column-types.ts";
import type { GatewayConfig } from "./config.ts";
import type { Tokens } from "./tokens.ts";

/** What Supabase Lite answered, and the database's error where there was one. */
export interface LiteAnswer {
  response: Response;
  databaseError: unknown;
}

/** Supabase Lite on the stack's database, changed so that least grants stand and answers are as PostgREST gives them. */
export interface Lite {
  /** @param claims of the user's token, already verified; nothing for a request without a user */
  answer(request: Request, claims: JWTPayload | undefined): Promise<LiteAnswer>;
  /** Makes it forget what it knows of the schema. */
  reload(): void;
  isDatabaseUp(): Promise<boolean>;
}

export function createLite(config: GatewayConfig, tokens: Tokens): Lite {
  const answers = new AsyncLocalStorage<{ databaseError: unknown }>();
  const connection = createPostgresConnection({
    url: config.databaseUrl,
    postgresOptions: { ...CONNECTION_OPTIONS, max: 20, types: columnTypes },
  });
  const normalizeDbError = connection.normalizeDbError.bind(connection);
  Object.assign(connection, {
    // Lite would grant the API's roles everything on every table of a schema with RLS, which undoes least grants. All that is
    // asked of this is whether to take the request's role: always.
    ensureRlsContext: () => Promise.resolve(true),
    // Lite answers 500 to much of what a database may raise: the caller of answer() gets the error itself.
    normalizeDbError: (error: unknown) => {
      const answer = answers.getStore();
      if (answer) answer.databaseError = error;
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

  return {
    async answer(request, claims) {
      const headers = new Headers(request.headers);
      if (claims) headers.set("authorization", `Bearer ${await tokens.toInner(claims)}`);
      else headers.delete("authorization");
      const answer = { databaseError: undefined as unknown };
      const response = await answers.run(
        answer,
        () => app.fetch(new Request(request, { headers })),
      );
      return { response, ...answer };
    },
    reload: () => connection.clearSchemaCache(),
    isDatabaseUp: () => connection.driver`select 1`.then(() => true, () => false),
  };
}

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
