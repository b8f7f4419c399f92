import { z } from "zod";
import type { Instant } from "./clock.ts";
import { parseDuration } from "./duration.ts";
import { canonicalHeaderName } from "./header-names.ts";
import {
  type Callback,
  Duration,
  type FlowControl,
  longestDelay,
  type MessageOptions,
  methods,
  type Redaction,
} from "./message.ts";
import { RequestError } from "./request-error.ts";
import { evaluateRetryDelay } from "./retry-delay.ts";

const defaultRetries = 3;

/** What a publisher says besides how to deliver: when, and under which deduplication id. */
export interface PublishOptions {
  options: MessageOptions;
  /** Unix milliseconds; overrides the delay. */
  notBefore: number | null;
  deduplicationId: string | null;
  contentBasedDeduplication: boolean;
}

const duration = z.string().transform((text, context) => {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  context.addIssue({ code: "custom", message: "is not a duration such as 50s or 1d10h30m" });
  return z.NEVER;
}).pipe(Duration);

const wholeNumber = z.string().regex(/^\d+$/, "is not a whole number").transform(Number).pipe(
  z.int("is too large"),
);

const DeliveryHeaders = z.object({
  "upstash-method": z.string().toUpperCase().pipe(z.enum(methods)).default("POST"),
  "upstash-retries": wholeNumber.optional(),
  "upstash-retry-delay": z.string().refine(
    (expression) => evaluateRetryDelay(expression, 0) !== undefined,
    "is not a valid expression",
  ).nullable().default(null),
  "upstash-timeout": duration.nullable().default(null),
  "upstash-delay": duration.default(0),
});

const PublishHeaders = DeliveryHeaders.extend({
  "upstash-not-before": wholeNumber.transform((seconds) => seconds * 1000).nullable().default(null),
  "upstash-deduplication-id": z.string().nullable().default(null),
  "upstash-content-based-deduplication": z.enum(["true", "false"]).default("false"),
  "upstash-flow-control-key": z.string().optional(),
  "upstash-flow-control-value": z.string().default(""),
  "upstash-label": z.string().default(""),
  "upstash-redact-fields": z.string().default(""),
});

const limit = wholeNumber.refine((count) => count > 0, "is not positive").nullable().default(null);

const FlowControlLimits = z.object({
  parallelism: limit,
  rate: limit,
  period: z.string().transform((text) => /^\d+$/.test(text) ? `${text}s` : text).pipe(duration)
    .refine((milliseconds) => milliseconds > 0, "is not positive").default(1000),
}).refine(
  ({ parallelism, rate }) => parallelism !== null || rate !== null,
  "names neither parallelism nor rate",
);

function checked<T>(schema: z.ZodType<T>, headers: Headers): T {
  const result = schema.safeParse(Object.fromEntries(headers));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = canonicalHeaderName(String(issue?.path[0] ?? ""));
  throw new RequestError(400, `invalid ${name} header: ${issue?.message}`);
}

/**
 * Reads the `Upstash-*` headers of a publish, enqueue, schedule or batch item.
 *
 * @throws RequestError 400 where a header's value is invalid.
 */
export function readPublishOptions(headers: Headers, now: Instant): PublishOptions {
  const read = checked(PublishHeaders, headers);
  const notBefore = read["upstash-not-before"];
  if (notBefore !== null && notBefore > now + longestDelay) {
    throw new RequestError(
      400,
      "invalid Upstash-Not-Before header: is more than a year ahead (it counts seconds)",
    );
  }
  const retries = read["upstash-retries"] ?? defaultRetries;
  return {
    options: {
      ...delivery(read, headers, retries),
      callback: readCallback(headers, "upstash-callback", retries),
      failureCallback: readCallback(headers, "upstash-failure-callback", retries),
      flowControl: readFlowControl(
        read["upstash-flow-control-key"],
        read["upstash-flow-control-value"],
      ),
      labels: list(read["upstash-label"]),
      redaction: readRedaction(list(read["upstash-redact-fields"])),
    },
    notBefore,
    deduplicationId: read["upstash-deduplication-id"],
    contentBasedDeduplication: read["upstash-content-based-deduplication"] === "true",
  };
}

function delivery(read: z.infer<typeof DeliveryHeaders>, headers: Headers, retries: number) {
  return {
    method: read["upstash-method"],
    headers: forwardedHeaders(headers),
    retries,
    retryDelay: read["upstash-retry-delay"],
    timeout: read["upstash-timeout"],
    delay: read["upstash-delay"],
  };
}

const forwardPrefix = "upstash-forward-";

function forwardedHeaders(headers: Headers): Record<string, string> {
  const forwarded: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name.startsWith(forwardPrefix) && name !== forwardPrefix) {
      forwarded[canonicalHeaderName(name.slice(forwardPrefix.length))] = value;
    }
  }
  const contentType = headers.get("content-type");
  if (contentType !== null) forwarded["Content-Type"] ??= contentType;
  return forwarded;
}

/** A callback is configured by the headers of a publish, with its own prefix. */
function readCallback(headers: Headers, prefix: string, retries: number): Callback | null {
  const url = headers.get(prefix);
  if (url === null) return null;
  const own = new Headers({ "content-type": "application/json" });
  for (const [name, value] of headers) {
    if (name.startsWith(`${prefix}-`)) own.set(`upstash${name.slice(prefix.length)}`, value);
  }
  const read = checked(DeliveryHeaders, own);
  return {
    url: readDestination(url, "callback"),
    ...delivery(read, own, read["upstash-retries"] ?? retries),
  };
}

/** @throws RequestError 400 where the destination is no http(s) URL. */
export function readDestination(destination: string, what = "destination"): string {
  if (!/^https?:\/\//i.test(destination)) {
    throw new RequestError(
      400,
      `invalid ${what} url: endpoint has invalid scheme, add http:// or https://`,
    );
  }
  if (!URL.canParse(destination)) {
    throw new RequestError(400, `invalid ${what} url: ${destination}`);
  }
  return destination;
}

function readFlowControl(key: string | undefined, value: string): FlowControl | null {
  if (key === undefined) return null;
  const limits = FlowControlLimits.safeParse(Object.fromEntries(
    list(value).map((pair) => {
      const [name = "", amount = ""] = pair.split("=").map((text) => text.trim());
      return [name, amount];
    }),
  ));
  if (limits.success) return { key, ...limits.data };
  const { path, message } = limits.error.issues[0]!;
  throw new RequestError(
    400,
    `invalid Upstash-Flow-Control-Value header: ${[...path, message].join(" ")}`,
  );
}

function readRedaction(fields: string[]): Redaction {
  if (fields.includes("header") || fields.includes("headers")) {
    return { body: fields.includes("body"), headers: true };
  }
  const names = fields.flatMap((field) => field.match(/^headers?\[(.+)\]$/)?.[1] ?? []);
  return { body: fields.includes("body"), headers: names.map(canonicalHeaderName) };
}

function list(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}
