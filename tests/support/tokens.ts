import { type CryptoKey, importJWK, type JWTPayload, SignJWT } from "jose";
import type { StackEnv } from "../../supabase/local/stack-env.ts";

export interface TokenOptions {
  /** Replaces or adds to the claims of an ordinary session. */
  claims?: JWTPayload;
  /** Signs in place of the project's own key. */
  key?: CryptoKey;
  /** Names another key than the project's own. */
  kid?: string;
}

/** A user's token as the stack's own Auth would sign it, or one that somebody tampered with. */
export async function userToken(
  env: StackEnv,
  { claims, key, kid }: TokenOptions = {},
): Promise<string> {
  const jwk = JSON.parse(env.JWT_SIGNING_KEY);
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({
    iss: `${env.API_URL}/auth/v1`,
    sub: crypto.randomUUID(),
    aud: "authenticated",
    role: "authenticated",
    iat: now,
    exp: now + 3600,
    ...claims,
  })
    .setProtectedHeader({ alg: "ES256", typ: "JWT", kid: kid ?? jwk.kid })
    .sign(key ?? await importJWK(jwk, "ES256"));
}

/** The same token with another signature. */
export function forge(token: string): string {
  const [header, claims, signature] = token.split(".");
  return [header, claims, [...signature!].reverse().join("")].join(".");
}
