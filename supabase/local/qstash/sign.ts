import { base64url, SignJWT } from "jose";
import { createIdentifier } from "./identifier.ts";

const lifetimeSeconds = 300;

/**
 * The `Upstash-Signature` of a delivery: a JWT (HS256) by the current signing key, with the
 * destination as subject and the body's SHA-256
 * (https://upstash.com/docs/qstash/features/security#claims).
 */
export async function signDelivery(
  { url, body, signingKey }: { url: string; body: Uint8Array<ArrayBuffer>; signingKey: string },
): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  // Whole seconds of the real clock: a receiver checks `nbf` and `exp` against its own.
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ body: `${base64url.encode(digest)}=` })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("Upstash")
    .setSubject(url)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + lifetimeSeconds)
    .setJti(createIdentifier("jwt"))
    .sign(new TextEncoder().encode(signingKey));
}
