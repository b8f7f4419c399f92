import type { Publication } from "../../shared/flywheel/publication.ts";
import { HttpError } from "../../shared/platform/http/error.ts";

/**
 * The answer's status: 202 where anything was taken; otherwise an error, which is a conflict where all that is wrong is that event ids
 * were used before.
 */
export function publicationStatus(
  { accepted, duplicates, results }: Publication,
): { status: 202 | 409 | 422; error?: HttpError } {
  if (accepted + duplicates > 0) return { status: 202 };
  const errors = results.flatMap(({ error }) => error ?? []);
  if (errors.every(({ code }) => code === "event_id_reused")) {
    const message = "An event_id stands for an event with another content already.";
    return { status: 409, error: new HttpError(409, "event_id_reused", message) };
  }
  const issues = results.flatMap(({ error }, index) =>
    (error?.issues ?? []).map(({ field, message }) => ({
      field: results.length > 1 ? `events[${index}].${field}` : field,
      message,
    }))
  ).slice(0, 100);
  return {
    status: 422,
    error: new HttpError(422, "invalid_events", "No event was accepted.", issues),
  };
}
