import { decodeJwt, type JWTPayload } from "jose";
import { z } from "zod";
import type { GatewayConfig } from "./config.ts";
import type { Lite } from "./lite.ts";
import type { Tokens } from "./tokens.ts";

/** `/auth/v1` by Lite, with tokens such as a Supabase project signs. */
export function createAuth(config: GatewayConfig, tokens: Tokens, lite: Lite) {
  return async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname === "/auth/v1/.well-known/jwks.json") {
      return Response.json(tokens.jwks);
    }
    let claims: JWTPayload | undefined;
    try {
      claims = await readClaims(request, tokens);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return authError(403, "bad_jwt", `invalid JWT: ${reason}`);
    }
    if (await holdsNul(request)) {
      return authError(400, "validation_failed", "The body holds a NUL character");
    }
    const { response } = await lite.answer(request, claims);
    if (response.status < 500) return await withProjectToken(response);
    await response.body?.cancel();
    return await lite.isDatabaseUp()
      ? authError(500, "unexpected_failure", "Unexpected failure: see the gateway's log")
      : authError(503, "unexpected_failure", "The database does not answer: try again shortly");
  };

  /** Signs the token of a session that Lite has opened anew, with the claims that a project's tokens have. */
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

/** PostgreSQL keeps no NUL in a text, and Lite answers that with a 500. */
async function holdsNul(request: Request): Promise<boolean> {
  if (request.body === null) return false;
  let found = false;
  try {
    JSON.parse(await request.clone().text(), (key, value) => {
      found ||= `${key}${typeof value === "string" ? value : ""}`.includes("\0");
      return value;
    });
  } catch {
    // Lite says what is wrong with it.
  }
  return found;
}

/** An error as GoTrue answers it. */
function authError(status: number, code: string, message: string): Response {
  return Response.json({ code: status, error_code: code, msg: message }, { status });
}
