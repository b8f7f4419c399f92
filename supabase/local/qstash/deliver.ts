import { attemptDelivery } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import { logState } from "./log.ts";
import type { Message } from "./message.ts";
import type { Publish } from "./publish.ts";
import { settleAttempt } from "./settle.ts";
import type { Store } from "./store/store.ts";
import { createTimer } from "./timer.ts";

export interface Deliverer {
  /** Looks for messages that may start; called whenever there may be one. */
  wake(): void;
  /** Starts nothing more and waits for what is in flight, which is given up after the grace. */
  close(graceMilliseconds: number): Promise<void>;
}

/** Delivers what is due, each message in its own attempt, `maxParallelism` at a time. */
export function createDeliverer(
  { store, clock, publish, fetch, maxTimeout, maxParallelism }: {
    store: Store;
    clock: Clock;
    publish: Publish;
    fetch: typeof globalThis.fetch;
    maxTimeout: number;
    maxParallelism: number;
  },
): Deliverer {
  const inFlight = new Set<Promise<void>>();
  const giveUp = new AbortController();
  const timer = createTimer(clock, startDue);

  function startDue(): number | undefined {
    while (inFlight.size < maxParallelism) {
      const now = clock.now();
      const message = store.messages.claim(now);
      if (!message) {
        return Math.min(
          store.messages.nextDue(now) ?? Infinity,
          store.flowControls.nextWindow(now) ?? Infinity,
        );
      }
      if (message.options.flowControl) {
        store.flowControls.countStart(message.options.flowControl.key, now);
      }
      logState(store, now, message, "ACTIVE");
      const attempt = deliver(message).finally(() => {
        inFlight.delete(attempt);
        timer.wake();
      });
      inFlight.add(attempt);
    }
  }

  async function deliver(message: Message): Promise<void> {
    try {
      const result = await attemptDelivery(message, {
        fetch,
        signingKey: store.settings.signingKeys().current,
        maxTimeout,
        signal: giveUp.signal,
      });
      settleAttempt({ store, clock, publish }, message, result);
    } catch (error) {
      // With a file that cannot be written nothing can be promised: the process may well end.
      if (!giveUp.signal.aborted) throw error;
    }
  }

  timer.wake();
  return {
    wake: timer.wake,
    async close(graceMilliseconds) {
      timer.close();
      const grace = setTimeout(() => giveUp.abort(), graceMilliseconds);
      await Promise.all(inFlight);
      clearTimeout(grace);
    },
  };
}
