import type { Clock } from "./clock.ts";
import { createIdentifier } from "./identifier.ts";
import { logState } from "./log.ts";
import type { NewMessage } from "./message.ts";
import type { PublishOptions } from "./read-options.ts";
import type { Store } from "./store/store.ts";

/** How a message came to be published, beyond what it says. */
export interface PublishDetail {
  /** Unix milliseconds; overrides the message's delay. */
  notBefore?: number | null;
  /** The queue place to take; by default the last. */
  position?: number;
}

/** Makes a message durable and due; what it returns may be acknowledged. */
export type Publish = (message: NewMessage, detail?: PublishDetail) => { messageId: string };

export function createPublish({ store, clock }: { store: Store; clock: Clock }): Publish {
  return (message, { notBefore, position } = {}) =>
    store.transaction(() => {
      const now = clock.now();
      const accepted = {
        ...message,
        messageId: createIdentifier("msg"),
        createdAt: now,
        notBefore: Math.round(notBefore ?? now + message.options.delay),
      };
      if (message.queue !== null) store.queues.ensure(message.queue, now);
      if (message.options.flowControl) store.flowControls.upsert(message.options.flowControl);
      store.messages.insert(accepted, position ?? null);
      logState(store, now, { ...accepted, position: 0, retried: 0 }, "CREATED");
      return { messageId: accepted.messageId };
    });
}

/**
 * Publishes unless a message with the same deduplication id, or with the same content where the
 * publisher asks for that, was accepted within the window.
 */
export function publishOnce(
  { store, clock, publish, deduplicationWindow }: {
    store: Store;
    clock: Clock;
    publish: Publish;
    deduplicationWindow: number;
  },
  message: NewMessage,
  { deduplicationId, notBefore, contentFingerprint }: {
    deduplicationId: PublishOptions["deduplicationId"];
    notBefore: PublishOptions["notBefore"];
    contentFingerprint: string | null;
  },
): { messageId: string; deduplicated?: true } {
  const id = deduplicationId === null ? contentFingerprint : `id:${deduplicationId}`;
  return store.transaction(() => {
    const known = id === null ? undefined : store.deduplications.find(id, clock.now());
    if (known !== undefined) return { messageId: known, deduplicated: true };
    const accepted = publish(message, { notBefore });
    if (id !== null) {
      store.deduplications.remember(id, accepted.messageId, clock.now(), deduplicationWindow);
    }
    return accepted;
  });
}

/** SHA-256 over destination, forwarded headers and body: QStash's content-based deduplication. */
export async function fingerprintContent({ url, options, body }: NewMessage): Promise<string> {
  const headers = Object.entries(options.headers).sort(([a], [b]) => a < b ? -1 : 1);
  const content = JSON.stringify([url, headers, body.toBase64()]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
  return `content:${new Uint8Array(digest).toHex()}`;
}
