import { createHash, createHmac } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";

/** What the database's doorbell sends in `x-phoenix-signature`. `at` in seconds since 1970. */
export function doorbellSignature(
  secret: string,
  body: string,
  at = Math.floor(Date.now() / 1000),
): string {
  return `t=${at},v1=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}`;
}

/** What QStash sends in `upstash-signature`; `claims` replaces some of its own. */
export async function qstashSignature(
  signingKey: string,
  { url, body, claims }: { url: string; body: string; claims?: JWTPayload },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({
    iss: "Upstash",
    sub: url,
    iat: now,
    nbf: now,
    exp: now + 300,
    jti: crypto.randomUUID(),
    body: createHash("sha256").update(body).digest("base64url"),
    ...claims,
  })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(signingKey));
}
