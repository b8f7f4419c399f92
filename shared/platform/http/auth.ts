import { verifyAuth } from "@supabase/server/core";
import type { Context } from "hono";
import type { AppEnv } from "./app.ts";
import { HttpError } from "./error.ts";

/** Who calls: a signed-in user, or somebody with a secret key, who speaks for the project. */
export type Caller = { kind: "user"; userId: string } | { kind: "secret" };

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The caller, where they may be one of these kinds.
 *
 * @throws HttpError 401 without valid credentials, 403 with valid ones of another kind
 */
export async function callerOf<Kind extends Caller["kind"]>(
  context: Context<AppEnv>,
  ...kinds: Kind[]
): Promise<Extract<Caller, { kind: Kind }>> {
  // A secret key stands above a session: supabase-js sends both where a server signs a user in.
  const { data, error } = await verifyAuth(context.req.raw, { auth: ["secret:*", "user"] });
  if (error) {
    throw error.status >= 500
      ? new HttpError(500, "misconfigured", "This function cannot check credentials.")
      : new HttpError(401, "unauthorized", "Valid credentials are required.");
  }
  const caller: Caller = data.authMode === "secret"
    ? { kind: "secret" }
    : { kind: "user", userId: userOf(data.jwtClaims ?? { sub: "" }) };
  if (!(kinds as string[]).includes(caller.kind)) {
    throw new HttpError(403, "forbidden", "These credentials do not allow this call.");
  }
  return caller as Extract<Caller, { kind: Kind }>;
}

interface UserClaims {
  sub: string;
  role?: string;
  aud?: string | string[];
}

/** The signed-in user whom a valid token names; a token that says for whom it is has to be for us. */
function userOf({ sub, role, aud = "authenticated" }: UserClaims): string {
  if (role !== "authenticated" || ![aud].flat().includes("authenticated") || !uuid.test(sub)) {
    throw new HttpError(401, "unauthorized", "The token names no signed-in user.");
  }
  return sub.toLowerCase();
}
