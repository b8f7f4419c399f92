import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { Receiver } from "@upstash/qstash";
import type { Context } from "hono";
import { decodeJwt } from "jose";
import type { Env } from "../env.ts";
import type { Services } from "../services.ts";
import { sign } from "../sign.ts";
import type { AppEnv } from "./app.ts";
import { callerOf } from "./auth.ts";
import { readJson, readText, valueOf } from "./body.ts";
import { HttpError } from "./error.ts";

/** How far a signed request's time may be from ours, in seconds; a signature is refused a second time while it counts. */
const tolerance = 300;
/** How far QStash's clock may be from ours, in seconds. Its signatures count for five minutes, and thus as long on either side. */
const qstashTolerance = 60;

/**
 * Lets in a caller with a secret key, or a signed request: by QStash (`upstash-signature`), for this very address, or by the database's
 * doorbell (`x-phoenix-signature`), whose signature names no address.
 *
 * @param options.maxBytes of the body; most signed calls are small
 * @param options.doorbell whether the doorbell is heard here
 * @returns the body as it reads
 * @throws HttpError 401 where the signature is forged, too old, or was used before
 */
export async function secretOrSigned(
  context: Context<AppEnv>,
  { env, once }: Pick<Services, "env" | "once">,
  { maxBytes = 65_536, doorbell: isHeard = true }: { maxBytes?: number; doorbell?: boolean } = {},
): Promise<unknown> {
  const doorbell = isHeard ? context.req.header("x-phoenix-signature") : undefined;
  const qstash = context.req.header("upstash-signature");
  if (doorbell === undefined && qstash === undefined) {
    await callerOf(context, "secret");
    return (await readJson(context, maxBytes)).value;
  }

  // What nobody has signed is not worth being parsed.
  const text = await readText(context, maxBytes);
  const id = doorbell !== undefined
    ? checkDoorbell(doorbell, text, env.PHOENIX_DOORBELL_SECRET)
    : await checkQStash(qstash ?? "", text, context.req, env);
  if (id === undefined) throw refused("The signature does not hold.");
  if (!(await once.firstTime(`signature:${id}`, 2 * tolerance))) {
    throw refused("The signature was used before.");
  }
  return valueOf(text);
}

/**
 * Checks the doorbell's signature, which is that of {@link sign}.
 *
 * @returns what names this sending; nothing where the signature does not hold
 */
function checkDoorbell(header: string, body: string, secret: string): string | undefined {
  const [, time, mac] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (secret === "" || time === undefined) return undefined;
  if (Math.abs(Date.now() / 1000 - Number(time)) > tolerance) return undefined;
  const expected = sign(body, secret, Number(time) * 1000);
  return header.length === expected.length &&
      timingSafeEqual(Buffer.from(header), Buffer.from(expected))
    ? mac
    : undefined;
}

async function checkQStash(
  signature: string,
  body: string,
  request: Context<AppEnv>["req"],
  env: Env,
): Promise<string | undefined> {
  if (env.QSTASH_CURRENT_SIGNING_KEY === "") return undefined;
  const receiver = new Receiver({
    currentSigningKey: env.QSTASH_CURRENT_SIGNING_KEY,
    nextSigningKey: env.QSTASH_NEXT_SIGNING_KEY || env.QSTASH_CURRENT_SIGNING_KEY,
  });
  try {
    await receiver.verify({ signature, body, clockTolerance: qstashTolerance });
    const { sub, jti } = decodeJwt(signature);
    if (!sub) return undefined;
    // Signed for this very address, whatever host it is called by.
    const [signed, called] = [new URL(sub), new URL(request.url)];
    return signed.pathname.endsWith(called.pathname) && signed.search === called.search
      ? jti
      : undefined;
  } catch {
    return undefined;
  }
}

function refused(message: string): HttpError {
  return new HttpError(401, "invalid_signature", message);
}
