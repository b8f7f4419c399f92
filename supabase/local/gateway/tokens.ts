import { importJWK, type JSONWebKeySet, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { BoundedMap } from "../../../shared/platform/bounded-map.ts";
import type { GatewayConfig, SigningKey } from "./config.ts";

/**
 * The two kinds of user tokens: outside, ES256 with a `kid`, as Supabase's projects sign them and as `@supabase/server`
 * wants them; inside, HS256 without, the only kind that Supabase Lite reads and writes.
 */
export interface Tokens {
  /** What verifies the tokens outside. */
  jwks: JSONWebKeySet;
  /** What Lite signs with; it never leaves this process. */
  innerSecret: string;
  /** @returns the claims of a token that a client sent; throws jose's error when it is forged or expired */
  verify(token: string): Promise<JWTPayload>;
  /** @returns a token with these claims for Lite */
  toInner(claims: JWTPayload): Promise<string>;
  /** @returns a token with these claims for clients */
  toOuter(claims: JWTPayload): Promise<string>;
}

/** The public part of a signing key, in the form of SUPABASE_JWKS. */
export function toJwks({ kty, crv, x, y, kid }: SigningKey): JSONWebKeySet {
  return { keys: [{ kty, crv, x, y, kid, alg: "ES256", use: "sig", key_ops: ["verify"] }] };
}

export async function createTokens(config: GatewayConfig): Promise<Tokens> {
  const { d: _, ...publicPart } = config.signingKey;
  const [privateKey, publicKey] = await Promise.all([
    importJWK(config.signingKey, "ES256"),
    importJWK(publicPart, "ES256"),
  ]);
  const innerSecret = crypto.randomUUID() + crypto.randomUUID();
  const innerKey = new TextEncoder().encode(innerSecret);
  const verified = new BoundedMap<JWTPayload>(1_000);
  const outerHeader = { alg: "ES256", typ: "JWT", kid: config.signingKey.kid };

  return {
    jwks: toJwks(config.signingKey),
    innerSecret,
    async verify(token) {
      // A client sends the same token again and again; its signature does not change, only its time runs out.
      const known = verified.get(token);
      if (known?.exp && known.exp > Date.now() / 1000) return known;
      const { payload } = await jwtVerify(token, publicKey, { algorithms: ["ES256"] });
      verified.set(token, payload);
      return payload;
    },
    toInner: (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(innerKey),
    toOuter: (claims) => new SignJWT(claims).setProtectedHeader(outerHeader).sign(privateKey),
  };
}
