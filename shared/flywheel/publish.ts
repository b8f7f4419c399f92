import { checkPayload } from "../domain/events/catalogue.ts";
import type { Issue } from "../domain/events/issue.ts";
import { normaliseText } from "../domain/events/normalise.ts";
import type { Database } from "../platform/database.ts";

/** What became of a publication; the results stand in the order sent. */
export interface Publication {
  accepted: number;
  duplicates: number;
  rejected: number;
  results: {
    event_id: string | null;
    status: "accepted" | "duplicate" | "rejected";
    error?: { code: string; message: string; issues?: Issue[] };
  }[];
}

/**
 * Publishes one event, a list of events, or `{ events, expected_version? }`. Payloads are checked against the catalogue here, envelopes
 * by the database.
 *
 * @param body the same body as text and as it reads; the text is what is stored, so that no digit of a number is lost
 * @param publisher the user who publishes; undefined for a secret key, with which each event names its user
 * @throws PostgresError PT400, PT409, PT413 for a body that is refused whole
 */
export async function publish(
  database: Database,
  body: { text: string; value: unknown },
  publisher: string | undefined,
): Promise<Publication> {
  const refused = refusedPayloads(body.value);
  const [row] = await database<{ publish: Publication }[]>`
    select flywheel.publish(
      ${body.text || "{}"}::text::jsonb,
      ${publisher ?? null},
      ${JSON.stringify(refused)}::text::jsonb
    )
  `;
  return row!.publish;
}

/** What the catalogue finds wrong, by the event's place in the batch. What has no payload of a type is for the envelope's rules. */
function refusedPayloads(body: unknown): Record<number, Issue[]> {
  const events = isObject(body) ? ("events" in body ? body.events : [body]) : body;
  if (!Array.isArray(events)) return {};
  return Object.fromEntries(
    events.flatMap((event: unknown, index) => {
      const { event_type, payload } = readEnvelope(event);
      if (typeof event_type !== "string" || !isObject(payload)) return [];
      const check = checkPayload(event_type, payload);
      return check.ok ? [] : [[index, check.issues]];
    }),
  );
}

/** An event's type and payload, under either name, whatever Unicode form the names have. */
function readEnvelope(event: unknown): { event_type?: unknown; payload?: unknown } {
  if (!isObject(event)) return {};
  return {
    event_type: typeof event.event_type === "string" ? normaliseText(event.event_type) : undefined,
    payload: event.payload ?? event.data ?? {},
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
