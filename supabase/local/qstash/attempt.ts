import type { Body, DeliveryResult, Message } from "./message.ts";
import { signDelivery } from "./sign.ts";

const bytesKept = 1024 * 1024;

/** Headers of the connection, which the HTTP client sets. */
const connectionHeaders = new Set(["Connection", "Content-Length", "Host", "Transfer-Encoding"]);

/**
 * Delivers a message once. A destination that cannot be reached or takes longer than the timeout
 * gives status 0 and an error; only `signal` makes this throw.
 */
export async function attemptDelivery(
  message: Message,
  { fetch, signingKey, maxTimeout, signal }: {
    fetch: typeof globalThis.fetch;
    signingKey: string;
    /** Real milliseconds. */
    maxTimeout: number;
    signal: AbortSignal;
  },
): Promise<DeliveryResult> {
  const { url, options } = message;
  const body = options.method === "GET" ? new Uint8Array() : message.body;
  const timeout = AbortSignal.timeout(Math.min(options.timeout ?? maxTimeout, maxTimeout));
  try {
    const response = await fetch(url, {
      method: options.method,
      headers: {
        ...deliveryHeaders(message),
        "Upstash-Signature": await signDelivery({ url, body, signingKey }),
      },
      body: body.length > 0 ? body : null,
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    const responseBody: Body = (await response.bytes()).slice(0, bytesKept);
    return {
      status: response.status,
      headers: response.headers,
      body: responseBody,
      error: response.ok ? null : `the destination answered ${response.status}`,
    };
  } catch (error) {
    signal.throwIfAborted();
    return {
      status: 0,
      headers: new Headers(),
      body: new Uint8Array(),
      error: error instanceof Error ? error.message : String(error),
    };
  }
}

/** The publisher's headers under QStash's own (https://upstash.com/docs/qstash/howto/receiving). */
function deliveryHeaders(message: Message): Record<string, string> {
  const forwarded = Object.entries(message.options.headers).filter(([name]) =>
    !connectionHeaders.has(name)
  );
  return {
    "User-Agent": "Upstash-QStash",
    ...Object.fromEntries(forwarded),
    "Upstash-Message-Id": message.messageId,
    "Upstash-Retried": String(message.retried),
    "Upstash-Caller-Ip": message.callerIp,
    ...(message.scheduleId === null ? {} : { "Upstash-Schedule-Id": message.scheduleId }),
  };
}
