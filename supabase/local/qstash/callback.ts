import { headerLists } from "./header-names.ts";
import type { Callback, DeliveryResult, Message, NewMessage } from "./message.ts";

/**
 * The message that tells a callback URL how an attempt went, with the body that QStash documents
 * (https://upstash.com/docs/qstash/features/callbacks). Fields without a value are left out.
 *
 * @param dlqId set for a failure callback.
 */
export function callbackMessage(
  { url, ...delivery }: Callback,
  source: Message,
  result: DeliveryResult,
  dlqId?: string,
): NewMessage {
  const body = {
    status: result.status,
    header: headerLists(result.headers),
    body: result.body.toBase64(),
    retried: source.retried,
    maxRetries: source.options.retries,
    dlqId,
    sourceMessageId: source.messageId,
    url: source.url,
    method: source.options.method,
    sourceHeader: headerLists(Object.entries(source.options.headers)),
    sourceBody: source.body.toBase64(),
    notBefore: source.notBefore,
    createdAt: source.createdAt,
    scheduleId: source.scheduleId ?? undefined,
    callerIP: source.callerIp,
  };
  return {
    url,
    body: new TextEncoder().encode(JSON.stringify(body)),
    options: {
      ...delivery,
      callback: null,
      failureCallback: null,
      flowControl: null,
      labels: source.options.labels,
      redaction: source.options.redaction,
    },
    queue: source.queue,
    scheduleId: null,
    callerIp: source.callerIp,
  };
}
