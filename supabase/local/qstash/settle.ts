import { callbackMessage } from "./callback.ts";
import type { Clock } from "./clock.ts";
import { logState } from "./log.ts";
import type { DeliveryResult, Message } from "./message.ts";
import type { Publish } from "./publish.ts";
import { defaultRetryDelay, evaluateRetryDelay, requestedRetryDelay } from "./retry-delay.ts";
import type { Store } from "./store/store.ts";

const nonRetryableStatus = 489;

/**
 * Writes down how an attempt ended, in one transaction with the callbacks it causes: delivered,
 * to be retried, or dead. A message that was cancelled meanwhile stays cancelled.
 */
export function settleAttempt(
  { store, clock, publish }: { store: Store; clock: Clock; publish: Publish },
  message: Message,
  result: DeliveryResult,
): void {
  const { options } = message;
  store.transaction(() => {
    if (!store.messages.find(message.messageId)) return;
    const now = clock.now();

    if (result.error === null) {
      store.messages.remove(message.messageId);
      store.schedules.recordOutcome(message.messageId, "SUCCESS");
      logState(store, now, message, "DELIVERED");
    } else if (message.retried < options.retries && !isNonRetryable(result)) {
      const nextDeliveryTime = Math.round(now + retryDelay(message, result));
      store.messages.retryAt(message.messageId, nextDeliveryTime);
      logState(store, now, message, "ERROR", { result });
      logState(store, now, message, "RETRY", { nextDeliveryTime });
      if (options.callback) {
        // The queue waits for a message's last callbacks only: its own retry is still to come.
        publish({ ...callbackMessage(options.callback, message, result), queue: null });
      }
      return;
    } else {
      const dlqId = store.deadLetters.insert(message.messageId, now, result);
      store.messages.bury(message.messageId);
      store.schedules.recordOutcome(message.messageId, "FAIL");
      logState(store, now, message, "ERROR", { result });
      logState(store, now, message, "FAILED");
      if (options.failureCallback) {
        publish(callbackMessage(options.failureCallback, message, result, dlqId), {
          position: message.position,
        });
      }
    }
    if (options.callback) {
      publish(callbackMessage(options.callback, message, result), { position: message.position });
    }
  });
}

function isNonRetryable({ status, headers }: DeliveryResult): boolean {
  return status === nonRetryableStatus &&
    headers.get("upstash-nonretryable-error")?.toLowerCase() === "true";
}

/** Milliseconds: what the destination asked for, else the publisher's expression, else the default. */
function retryDelay({ retried, options }: Message, { headers }: DeliveryResult): number {
  const own = options.retryDelay === null
    ? undefined
    : evaluateRetryDelay(options.retryDelay, retried);
  return requestedRetryDelay(headers) ?? own ?? defaultRetryDelay(retried + 1);
}
