import { type Client, QstashError } from "@upstash/qstash";
import { timeout, TimeoutStrategy } from "cockatiel";
import type { Database } from "../platform/database.ts";
import { type Env, functionsUrl } from "../platform/env.ts";
import type { Log } from "../platform/log.ts";
import { qstashFromEnv } from "../platform/qstash.ts";
import type { Services } from "../platform/services.ts";
import { sign } from "../platform/sign.ts";

/** A delivery as the outbox has it, for the time of the lease. */
interface Delivery {
  user_id: string;
  delivery_id: string;
  app: string;
  kind: "transition" | "notification";
  transition_id: string | null;
  message: {
    type: string;
    source_app: string;
    target_app: string;
    context: Record<string, unknown>;
    timestamp: string;
  };
  /** Where the app wants it. */
  url: string;
  /** Signs it; null where the vault has lost it. */
  secret: string | null;
}

/** What `flywheel.lease_deliveries()` answers. */
interface LeasedDeliveries {
  retries: number;
  /** QStash's expression of a wait in milliseconds. */
  retry_delay: string;
  timeout_seconds: number;
  parallelism: number;
  deliveries: Delivery[];
}

/**
 * Hands what is due in the outbox over to QStash. Never rejects: what it leaves is due again when its lease ends. A call while it is
 * at work makes it look once more at the end.
 */
export type Deliver = (log: Log) => Promise<void>;

/** How long QStash may take to accept one delivery, or to forget those of one lease. */
const soon = timeout(5_000, TimeoutStrategy.Aggressive);

/**
 * A deliverer for one instance of a function. At least once: a delivery is marked only after QStash has accepted it. If its
 * deliverer dies in between, the next one publishes the same content under the same id, by which QStash and the app know it.
 *
 * @param budgetMs how long a call goes on at most, in milliseconds: then it rings for the next
 * @returns a deliverer that does nothing where QStash is not set up
 */
export function createDeliverer(
  { database, env }: Pick<Services, "database" | "env">,
  budgetMs = 20_000,
): Deliver {
  const client = qstashFromEnv(env);
  if (!client) return () => Promise.resolve();
  const publish = createQStashPublisher(env, client);
  let running: Promise<void> | undefined;
  let isAsked = false;

  const run = async (log: Log): Promise<void> => {
    const until = performance.now() + budgetMs;
    while (isAsked && performance.now() < until) {
      isAsked = false;
      // Where one fails, the other is done all the same.
      for (
        const work of [
          () => withdrawDue(database, client, until),
          () => deliverDue(database, publish, until, log),
        ]
      ) {
        await work().catch((error: unknown) =>
          log("error", "delivering failed", {
            error: error instanceof Error ? error.name : "unknown",
          })
        );
      }
    }
    running = undefined;
  };

  return (log) => {
    isAsked = true;
    return running ??= run(log);
  };
}

async function deliverDue(
  database: Database,
  publish: PublishDelivery,
  until: number,
  log: Log,
): Promise<void> {
  while (performance.now() < until) {
    const leased = await leaseDeliveries(database);
    if (!leased) return;
    const attempts = await Promise.all(
      leased.deliveries.map(async (delivery) => ({
        delivery,
        ...await publish(leased, delivery),
      })),
    );
    const published = attempts.filter(({ outcome }) => outcome === "published");
    if (published.length > 0) {
      await markPublished(database, published.map(({ delivery }) => delivery));
    }
    for (const { delivery: { user_id, delivery_id, app }, outcome, why } of attempts) {
      if (outcome === "published") continue;
      log("warn", "a delivery was not published", { delivery_id, app, outcome, reason: why });
      if (outcome === "refused") {
        await database`select flywheel.fail_delivery(${user_id}, ${delivery_id}, false, ${why})`;
      }
    }
    // QStash is away: further deliveries would fare no better.
    const tried = attempts.filter(({ delivery }) => delivery.secret !== null);
    if (tried.length > 0 && tried.every(({ outcome }) => outcome === "postponed")) return;
  }
  // There may be more: it rings, as a worker does that leaves work behind.
  await database`select flywheel.ring(true)`;
}

async function leaseDeliveries(database: Database): Promise<LeasedDeliveries | null> {
  const [row] = await database<{ lease_deliveries: LeasedDeliveries | null }[]>`
    select flywheel.lease_deliveries()
  `;
  return row?.lease_deliveries ?? null;
}

async function markPublished(database: Database, published: readonly Delivery[]): Promise<void> {
  const ids = published.map(({ user_id, delivery_id }) => ({ user_id, delivery_id }));
  await database`select flywheel.mark_published(${JSON.stringify(ids)}::text::jsonb)`;
}

/** Has QStash forget deliveries of users who were erased, what it gave up included. */
async function withdrawDue(database: Database, client: Client, until: number): Promise<void> {
  while (performance.now() < until) {
    const rows = await database<{ id: string }[]>`select flywheel.lease_withdrawals() as id`;
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return;
    await soon.execute(() =>
      Promise.all(ids.flatMap((label) => [
        client.messages.cancel({ filter: { label } }),
        client.dlq.delete({ filter: { label } }),
      ]))
    );
    await database`select flywheel.mark_withdrawn(${ids})`;
  }
}

/** What became of handing a delivery over. Refused is for good: QStash will not take it. Postponed is for now. */
interface Attempt {
  outcome: "published" | "refused" | "postponed";
  why: string;
}

type PublishDelivery = (lease: LeasedDeliveries, delivery: Delivery) => Promise<Attempt>;

function createQStashPublisher(env: Env, client: Client): PublishDelivery {
  const ready = new Map<string, Promise<void>>();

  /** Makes a queue that is not there yet; what its operator has set in QStash stays. */
  async function makeQueue(queueName: string, parallelism: number): Promise<void> {
    const queue = client.queue({ queueName });
    // Not asked for by name: where there is none, that is an error, of which the client prints a line of its own.
    const queues = await queue.list();
    if (!queues.some(({ name }) => name === queueName)) await queue.upsert({ parallelism });
  }

  function queueIsThere(queueName: string, parallelism: number): Promise<void> {
    const made = ready.get(queueName) ?? makeQueue(queueName, parallelism).catch(() => {
      // The first message makes the queue as well, with less parallelism.
      ready.delete(queueName);
    });
    ready.set(queueName, made);
    return made;
  }

  async function publish(
    lease: LeasedDeliveries,
    delivery: Delivery,
    signal: AbortSignal,
  ): Promise<void> {
    if (delivery.secret === null) throw new Error("the app has no secret in Vault");
    const { queueName, body } = messageOf(delivery);
    await queueIsThere(queueName, lease.parallelism);
    // After the timeout the delivery is left to the next deliverer, and its user may be erased by now.
    signal.throwIfAborted();
    const heard = new URLSearchParams({
      user_id: delivery.user_id,
      delivery_id: delivery.delivery_id,
    });
    await client.queue({ queueName }).enqueue({
      url: delivery.url,
      body,
      headers: {
        "content-type": "application/json",
        "x-phoenix-signature": sign(body, delivery.secret, Date.now()),
        "upstash-callback-retry-delay": lease.retry_delay,
        "upstash-failure-callback-retry-delay": lease.retry_delay,
      },
      deduplicationId: delivery.delivery_id,
      label: delivery.delivery_id,
      retries: lease.retries,
      retryDelay: lease.retry_delay,
      timeout: lease.timeout_seconds,
      callback: `${functionsUrl(env)}/transitions/delivery-answered?${heard}`,
      failureCallback: `${functionsUrl(env)}/transitions/delivery-failed?${heard}`,
      // A context is personal data: QStash's console shows its hash.
      redact: { body: true },
    });
  }

  return async (lease, delivery) => {
    try {
      await soon.execute(({ signal }) => publish(lease, delivery, signal));
      return { outcome: "published", why: "" };
    } catch (error) {
      const why = error instanceof Error ? error.message : "unknown";
      return { outcome: isRefusal(error) ? "refused" : "postponed", why };
    }
  };
}

/** The queue and the body, in the order in which the product's documents write it. */
function messageOf(delivery: Delivery): { queueName: string; body: string } {
  const { type, source_app, target_app, context, timestamp } = delivery.message;
  return {
    queueName: `phoenix_${delivery.app}_${delivery.kind}s`,
    body: JSON.stringify({
      type,
      user_id: delivery.user_id,
      source_app,
      target_app,
      context,
      timestamp,
      delivery_id: delivery.delivery_id,
      transition_id: delivery.transition_id,
    }),
  };
}

/** Whether QStash will never take this message: too large, or an option that the plan does not have. */
function isRefusal(error: unknown): boolean {
  return error instanceof QstashError && [400, 413, 422].includes(error.status ?? 0);
}
