import type { z } from "zod";
import { HttpError } from "./error.ts";

/**
 * Reads what a caller sent by its schema; a field that is `null` is one that is left out, as in events.
 *
 * @param options.nulls `refused` where leaving a field out asks for more: a caller whose look-up found nothing did not mean everything
 * @throws HttpError 400 that names each field and what is wrong with it
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  { nulls = "left out" }: { nulls?: "left out" | "refused" } = {},
): z.output<Schema> {
  const read = schema.safeParse(nulls === "refused" ? value : withoutNulls(value));
  if (read.success) return read.data;
  const issues = read.error.issues.map(({ path, message }) => ({
    field: path.join(".") || "body",
    message,
  }));
  throw new HttpError(400, "invalid_request", "The request is not valid.", issues);
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, field]) => field !== null));
}
