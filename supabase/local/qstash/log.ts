import type { Instant } from "./clock.ts";
import { headerLists } from "./header-names.ts";
import type { DeliveryResult, Message } from "./message.ts";
import type { LogState } from "./store/logs.ts";
import type { Store } from "./store/store.ts";

/** What an entry says besides its message and state. */
export interface LogDetail {
  nextDeliveryTime?: number;
  result?: DeliveryResult;
}

/** Records what happened to a message, as `GET /v2/events` and `/v2/logs` list it. */
export function logState(
  store: Store,
  time: Instant,
  message: Message,
  state: LogState,
  { nextDeliveryTime, result }: LogDetail = {},
): void {
  const { options } = message;
  store.logs.append(message, state, time, {
    time,
    state,
    messageId: message.messageId,
    url: message.url,
    method: options.method,
    queueName: message.queue ?? undefined,
    scheduleId: message.scheduleId ?? undefined,
    callback: options.callback?.url,
    failureCallback: options.failureCallback?.url,
    maxRetries: options.retries,
    retryDelayExpression: options.retryDelay ?? undefined,
    timeout: options.timeout ?? undefined,
    flowControlKey: options.flowControl?.key,
    label: options.labels[0],
    labels: options.labels.length > 0 ? options.labels : undefined,
    nextDeliveryTime,
    error: result?.error ?? undefined,
    responseStatus: result?.status || undefined,
    responseHeaders: result ? headerLists(result.headers) : undefined,
    responseBody: result?.body.toBase64(),
  });
}
