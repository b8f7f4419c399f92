import { Receiver } from "@upstash/qstash";
import type { Context } from "hono";
import { decodeJwt } from "jose";
import type { Env } from "../env.ts";
import type { Once } from "../once.ts";
import type { AppEnv } from "./app.ts";
import { HttpError } from "./error.ts";

/** How far a signed request's time may be from ours, in seconds; a signature is refused a second time while it counts. */
const tolerance = 300;

/** Whether a request says that it is signed, by the database's doorbell or by QStash. */
export function isSigned(context: Context<AppEnv>): boolean {
  return context.req.header("x-phoenix-signature") !== undefined ||
    context.req.header("upstash-signature") !== undefined;
}

/**
 * Checks the signature of the database's doorbell (`x-phoenix-signature`) or of QStash (`upstash-signature`) over a request's body.
 *
 * @throws HttpError 401 where it is forged, too old, or was used before
 */
export async function requireSignature(
  context: Context<AppEnv>,
  body: string,
  env: Env,
  once: Once,
): Promise<void> {
  const doorbell = context.req.header("x-phoenix-signature");
  const id = doorbell === undefined
    ? await checkQStash(context.req.header("upstash-signature") ?? "", body, context.req.path, env)
    : await checkDoorbell(doorbell, body, env.PHOENIX_DOORBELL_SECRET);
  if (id === undefined) throw refused("The signature does not hold.");
  if (!(await once.firstTime(`signature:${id}`, 2 * tolerance))) {
    throw refused("The signature was used before.");
  }
}

/** `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`: @returns what names this sending */
async function checkDoorbell(
  header: string,
  body: string,
  secret: string,
): Promise<string | undefined> {
  const [, time, mac] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (secret === "" || time === undefined || mac === undefined) return undefined;
  if (Math.abs(Date.now() / 1000 - Number(time)) > tolerance) return undefined;
  const encoder = new TextEncoder();
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  // crypto.subtle.verify compares in constant time.
  const holds = await crypto.subtle.verify(
    "HMAC",
    key,
    Uint8Array.from(mac.match(/../g) ?? [], (byte) => parseInt(byte, 16)),
    encoder.encode(`${time}.${body}`),
  );
  return holds ? mac : undefined;
}

async function checkQStash(
  signature: string,
  body: string,
  path: string,
  env: Env,
): Promise<string | undefined> {
  if (env.QSTASH_CURRENT_SIGNING_KEY === "") return undefined;
  const receiver = new Receiver({
    currentSigningKey: env.QSTASH_CURRENT_SIGNING_KEY,
    nextSigningKey: env.QSTASH_NEXT_SIGNING_KEY || env.QSTASH_CURRENT_SIGNING_KEY,
  });
  try {
    await receiver.verify({ signature, body });
    const { sub, jti } = decodeJwt(signature);
    // Signed for this very address, whatever host it is called by.
    return sub && new URL(sub).pathname.endsWith(path) ? jti : undefined;
  } catch {
    return undefined;
  }
}

function refused(message: string): HttpError {
  return new HttpError(401, "invalid_signature", message);
}
