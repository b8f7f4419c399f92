import { decodeJwt, type JWTPayload } from "jose";
import { z } from "zod";
import { createAuthAdmin } from "./auth-admin.ts";
import { authError } from "./auth-error.ts";
import type { GatewayConfig } from "./config.ts";
import { identify, isRefusal } from "./identity.ts";
import type { Lite } from "./lite.ts";
import type { Tokens } from "./tokens.ts";

/** `/auth/v1` by Lite, with tokens such as a Supabase project signs, and what the secret key may do with users. */
export function createAuth(config: GatewayConfig, tokens: Tokens, lite: Lite) {
  const admin = createAuthAdmin(config, ask);
  let lastSignUp: Promise<unknown> = Promise.resolve();

  return async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === "/auth/v1/.well-known/jwks.json") return Response.json(tokens.jwks);
    let claims: JWTPayload | undefined;
    try {
      claims = await readClaims(request, tokens);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return authError(403, "bad_jwt", `invalid JWT: ${reason}`);
    }
    const flaw = await flawOfBody(request);
    if (flaw) return flaw;
    if (/^\/auth\/v1\/(admin|invite)(\/|$)/.test(pathname)) return await askAdmin(request);
    return await withProjectToken(await ask(request, claims));
  };

  async function askAdmin(request: Request): Promise<Response> {
    const identity = await identify(request, config, tokens);
    if (isRefusal(identity)) return Response.json(identity, { status: 401 });
    if (identity.role !== "service_role") return authError(403, "not_admin", "User not allowed");
    try {
      return await admin.fetch(request);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      return await failure();
    }
  }

  async function ask(request: Request, claims?: JWTPayload): Promise<Response> {
    const { response } =
      await (isSignUp(request)
        ? inTurn(() => lite.answer(request, claims))
        : lite.answer(request, claims));
    const isPage = response.headers.get("content-type")?.startsWith("text/html");
    if (response.status < 500 && !isPage) return response;
    await response.body?.cancel();
    // For a path that it does not know, Lite has a page of its own.
    return isPage ? authError(404, "not_found", "There is no such endpoint") : await failure();
  }

  /** One after the other: two sign-ups for one address at a time would both find it free, and one of them would fail. */
  function inTurn<Result>(signUp: () => Promise<Result>): Promise<Result> {
    const turn = lastSignUp.then(signUp, signUp);
    lastSignUp = turn;
    return turn;
  }

  async function failure(): Promise<Response> {
    return await lite.isDatabaseUp()
      ? authError(500, "unexpected_failure", "Unexpected failure: see the gateway's log")
      : authError(503, "unexpected_failure", "The database does not answer: try again shortly");
  }

  /** Where Lite has opened a session, replaces its token by one with the claims that a project's tokens have. */
  async function withProjectToken(response: Response): Promise<Response> {
    if (!response.headers.get("content-type")?.includes("application/json")) return response;
    const body: unknown = await response.json();
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    const session = sessionSchema.safeParse(body);
    if (!session.success) return Response.json(body, { status: response.status, headers });
    const { access_token, user } = session.data;
    const token = await tokens.toOuter({
      iss: `${config.apiUrl}/auth/v1`,
      aal: "aal1",
      ...decodeJwt(access_token),
      app_metadata: user?.app_metadata ?? {},
      user_metadata: user?.user_metadata ?? {},
      is_anonymous: false,
    });
    return Response.json({ ...session.data, access_token: token }, {
      status: response.status,
      headers,
    });
  }
}

const metadataSchema = z.record(z.string(), z.unknown()).optional();

const sessionSchema = z.looseObject({
  access_token: z.string(),
  user: z.looseObject({ app_metadata: metadataSchema, user_metadata: metadataSchema }).optional(),
});

/** The claims of the user's token, if one came; throws jose's error when it is forged or expired. */
async function readClaims(request: Request, tokens: Tokens): Promise<JWTPayload | undefined> {
  const token = /^bearer\s+(.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1]?.trim();
  // A key sent as the bearer token, as supabase-js does before anybody has signed in, is no user's token.
  if (!token || token.startsWith("sb_")) return undefined;
  return await tokens.verify(token);
}

function isSignUp({ method, url }: Request): boolean {
  return method === "POST" && new URL(url).pathname === "/auth/v1/signup";
}

/** What is wrong with a body that Lite would answer with a 500: PostgreSQL keeps no NUL in a text. */
async function flawOfBody(request: Request): Promise<Response | undefined> {
  if (request.body === null) return undefined;
  let body: unknown;
  let holdsNul = false;
  try {
    body = JSON.parse(await request.clone().text(), (key, value) => {
      holdsNul ||= `${key}${typeof value === "string" ? value : ""}`.includes("\0");
      return value;
    });
  } catch {
    // Lite says what is wrong with it.
    return undefined;
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return authError(400, "bad_json", "The body must be a JSON object");
  }
  return holdsNul
    ? authError(400, "validation_failed", "The body holds a NUL character")
    : undefined;
}
