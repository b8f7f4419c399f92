import {
  checkStoredPayload,
  type EventType,
  isCatalogued,
  type PayloadCheck,
  type PayloadOf,
} from "./catalogue.ts";
import type { StoredEvent } from "./envelope.ts";

/** A stored event of a given type, whose payload was checked. */
export type EventOf<Type extends EventType> =
  & Omit<StoredEvent, "event_type" | "payload">
  & { event_type: Type; payload: PayloadOf<Type> };

/** A stored event of any catalogued type: `switch (event.event_type)` tells its payload's type. */
export type KnownEvent = { [Type in EventType]: EventOf<Type> }[EventType];

/** What {@link recognise} makes of a stored event. */
export type Recognised =
  | { kind: "known"; event: KnownEvent }
  | { kind: "free"; event: StoredEvent }
  | { kind: "refused"; issues: Extract<PayloadCheck, { ok: false }>["issues"] };

/**
 * Reads a stored event for the reactors. The store keeps types and payloads in NFC.
 *
 * @returns a catalogued event with its typed payload; an event of a free type;
 * or the issues of an event whose payload the catalogue refuses. None of them happened after it was received.
 */
export function recognise(stored: StoredEvent): Recognised {
  const check = checkStoredPayload(stored.event_type, stored.payload);
  if (!check.ok) return { kind: "refused", issues: check.issues };
  const event = untilReceived(stored);
  return isCatalogued(event.event_type)
    ? { kind: "known", event: event as KnownEvent }
    : { kind: "free", event };
}

/** An event that a clock ahead of ours puts after its receipt happened by then: it has not happened after what is told later. */
function untilReceived(event: StoredEvent): StoredEvent {
  const { timestamp, received_at } = event;
  return timestamp > received_at ? { ...event, timestamp: received_at } : event;
}

/**
 * A recognised event, to `switch` on its type: in the case of a catalogue's name its payload has that type. An event of a free type
 * never has such a name, and so comes to the default.
 */
export function asKnown(event: KnownEvent | StoredEvent): KnownEvent {
  return event as KnownEvent;
}
