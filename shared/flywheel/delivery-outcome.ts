import { Buffer } from "node:buffer";
import { z } from "zod";
import { normaliseText } from "../domain/events/normalise.ts";
import type { Database } from "../platform/database.ts";
import { parseJson } from "../platform/parse-json.ts";
import { longestReason } from "./transitions.ts";

/** Which delivery QStash's callback is about; it stands in the callback's signed address. */
export const deliveryQuery = z.object({ user_id: z.guid(), delivery_id: z.guid() });
export type DeliveryQuery = z.output<typeof deliveryQuery>;

/** What QStash's callback says about an attempt (https://upstash.com/docs/qstash/features/callbacks). */
export const callback = z.object({
  /** What the app answered with; 0 where it did not answer. */
  status: z.int().default(0),
  /** The app's answer, in base64. */
  body: z.string().nullish(),
});
export type Callback = z.output<typeof callback>;

/** An app that answers a delivery with this takes its step at once. */
const answer = z.object({
  status: z.enum(["accepted", "rejected"]),
  // What cannot be kept is left out: an answer that QStash has brought is not sent back.
  reason: z.string().optional().catch(undefined).transform((reason) =>
    normaliseText(reason ?? "").replaceAll("\0", "").slice(0, longestReason)
      .replace(halfOfPair, "").toWellFormed() || undefined
  ),
});

/** What is left at the end of a text that was cut within a character. */
const halfOfPair = /[\ud800-\udbff]$/;

/**
 * Hears of an attempt to deliver. An app that answered 2xx has been notified, and where its answer is
 * `{ "status": "accepted" | "rejected", "reason"? }` it has decided. After any other attempt QStash tries again: it is only noted that
 * QStash is not silent.
 */
export async function hearAnswer(
  database: Database,
  { user_id, delivery_id }: DeliveryQuery,
  { status, body }: Callback,
): Promise<void> {
  if (status < 200 || status > 299) {
    await database`select flywheel.mark_attempted(${user_id}, ${delivery_id})`;
    return;
  }
  const decided = readAnswer(body ?? "");
  await database`
    select flywheel.answer_delivery(
      ${user_id}, ${delivery_id}, ${decided?.status ?? null}, ${decided?.reason ?? null}
    )
  `;
}

/** Hears that QStash has given a delivery up. */
export async function hearFailure(
  database: Database,
  { user_id, delivery_id }: DeliveryQuery,
  { status }: Callback,
): Promise<void> {
  const why = status > 0 ? `the app answered ${status}` : "the app did not answer";
  await database`select flywheel.fail_delivery(${user_id}, ${delivery_id}, true, ${why})`;
}

function readAnswer(base64: string): z.output<typeof answer> | undefined {
  try {
    return answer.safeParse(parseJson(Buffer.from(base64, "base64").toString("utf8"))).data;
  } catch {
    return undefined;
  }
}
