import { createApp } from "./app.ts";
import { createClock } from "./clock.ts";
import { createDeliverer } from "./deliver.ts";
import { createPublish } from "./publish.ts";
import { createScheduler } from "./schedule.ts";
import { openStore } from "./store/store.ts";

const minute = 60_000;

export interface QStashOptions {
  token: string;
  currentSigningKey: string;
  nextSigningKey: string;
  /** The SQLite file; one server at a time. */
  databasePath: string;
  /** How destinations are called; by default the platform's `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** How many times faster than real time every wait passes; by default 1. */
  timeScale?: number;
  /**
   * Milliseconds for which a deduplication id is remembered; by default 10 minutes, as QStash's website says
   * (its SDK's comments say 90 days).
   */
  deduplicationWindow?: number;
  /** Real milliseconds after which an attempt is given up at the latest; by default 15 minutes. */
  maxTimeout?: number;
  /** Attempts in flight at a time; by default 100. */
  maxParallelism?: number;
}

export interface QStash {
  fetch(request: Request): Promise<Response>;
  /**
   * Stops delivering and closes the file. Attempts in flight get two seconds to end; one that does
   * not is made again after the next start.
   */
  close(): Promise<void>;
}

/**
 * A QStash of one's own: what it has acknowledged survives its process and is delivered at least
 * once.
 *
 * It speaks `/v2` for messages, batches, queues, schedules, dead letters, logs and signing keys, and
 * honours flow-control headers. It has no URL groups, no LLM or e-mail providers, no plan limits and
 * no routes to read or pin flow control; unlike the hosted one it calls loopback addresses.
 *
 * @throws where the file is held by another server.
 */
export function createQStash(
  {
    token,
    currentSigningKey,
    nextSigningKey,
    databasePath,
    fetch = globalThis.fetch,
    timeScale = 1,
    deduplicationWindow = 10 * minute,
    maxTimeout = 900_000,
    maxParallelism = 100,
  }: QStashOptions,
): QStash {
  const store = openStore(databasePath, { current: currentSigningKey, next: nextSigningKey });
  const clock = createClock(store.settings.clockOrigin(), timeScale);
  store.setAsideUnreadable(clock.now());
  const publish = createPublish({ store, clock });
  const deliverer = createDeliverer({ store, clock, publish, fetch, maxTimeout, maxParallelism });
  const scheduler = createScheduler({ store, clock, publish, onPublished: deliverer.wake });
  const app = createApp(
    { store, clock, publish, deliverer, scheduler, deduplicationWindow },
    token,
  );
  return {
    fetch: async (request) => await app.fetch(request),
    async close() {
      scheduler.close();
      await deliverer.close(2000);
      store.close();
    },
  };
}
