import { errors, type JWTPayload } from "jose";
import type { GatewayConfig } from "./config.ts";
import type { Tokens } from "./tokens.ts";

/** On whose behalf a request comes. */
export interface Identity {
  /** The database role that its key or its user's token stands for. */
  role: string;
  claims: JWTPayload;
  /** Whether a user's token came with the request, and not a key alone. */
  isUser: boolean;
}

/** Why a request is turned away, in the form of PostgREST's and the API gateway's errors; always 401. */
export interface Refusal {
  message: string;
  hint?: string | null;
  code?: string;
  details?: string | null;
}

/**
 * Checks a request's `apikey` and, where there is one, its user's token. A key sent as the bearer token, as supabase-js does
 * before anybody has signed in, is no user's token.
 */
export async function identify(
  request: Request,
  config: GatewayConfig,
  tokens: Tokens,
): Promise<Identity | Refusal> {
  const key = request.headers.get("apikey") ?? new URL(request.url).searchParams.get("apikey");
  if (!key) {
    return {
      message: "No API key found in request",
      hint: "No `apikey` request header or url param was found.",
    };
  }
  const keyRole = key === config.secretKey
    ? "service_role"
    : key === config.publishableKey
    ? "anon"
    : undefined;
  if (!keyRole) {
    return { message: "Invalid API key", hint: "Double check your Supabase `apikey`" };
  }
  const token = /^bearer\s+(.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1]?.trim();
  if (!token || token === key) {
    return { role: keyRole, claims: { role: keyRole }, isUser: false };
  }
  try {
    const claims = await tokens.verify(token);
    const role = typeof claims.role === "string" ? claims.role : "anon";
    return { role, claims, isUser: true };
  } catch (error) {
    return refusal(error);
  }
}

export function isRefusal(found: Identity | Refusal): found is Refusal {
  return "message" in found;
}

function refusal(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) {
    return { code: "PGRST303", message: "JWT expired", details: null, hint: null };
  }
  return {
    code: "PGRST301",
    message: "No suitable key or wrong key type",
    details: "None of the keys was able to decode the JWT",
    hint: null,
  };
}
