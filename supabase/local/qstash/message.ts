import { z } from "zod";

export const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** The longest time ahead, in milliseconds: a year, as in QStash's paid plans. */
export const longestDelay = 365 * 86_400_000;

/** Milliseconds. */
export const Duration = z.number().max(longestDelay, "is longer than a year");

const Delivery = z.object({
  method: z.enum(methods),
  /** What the destination is sent besides QStash's own headers; canonical names. */
  headers: z.record(z.string(), z.string()),
  retries: z.int(),
  /** An `Upstash-Retry-Delay` expression; `null` for the default backoff. */
  retryDelay: z.string().nullable(),
  /** `null` for the server's limit. */
  timeout: Duration.nullable(),
  delay: Duration,
});

const Callback = Delivery.extend({ url: z.string() });
export type Callback = z.infer<typeof Callback>;

const FlowControl = z.object({
  key: z.string(),
  parallelism: z.int().nullable(),
  rate: z.int().nullable(),
  period: Duration,
});
export type FlowControl = z.infer<typeof FlowControl>;

const Redaction = z.object({
  body: z.boolean(),
  /** `true` for every header, or canonical names. */
  headers: z.union([z.literal(true), z.array(z.string())]),
});
export type Redaction = z.infer<typeof Redaction>;

/** How a message is to be delivered: what a publisher says in `Upstash-*` headers. */
export const MessageOptions = Delivery.extend({
  callback: Callback.nullable(),
  failureCallback: Callback.nullable(),
  flowControl: FlowControl.nullable(),
  labels: z.array(z.string()),
  redaction: Redaction,
});
export type MessageOptions = z.infer<typeof MessageOptions>;

export type Body = Uint8Array<ArrayBuffer>;

/** A message that is to be accepted. */
export interface NewMessage {
  url: string;
  body: Body;
  options: MessageOptions;
  queue: string | null;
  scheduleId: string | null;
  callerIp: string;
}

/** A message that has been accepted. Times are Unix milliseconds. */
export interface Message extends NewMessage {
  messageId: string;
  /** Place in its queue; a final callback takes its source's, so that the queue waits for it. */
  position: number;
  createdAt: number;
  notBefore: number;
  retried: number;
}

/** What a destination answered; status 0 where it did not. */
export interface DeliveryResult {
  status: number;
  headers: Headers;
  body: Body;
  /** Why the attempt failed; `null` where it did not. */
  error: string | null;
}
