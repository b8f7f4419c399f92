import type { z } from "zod";
import { HttpError } from "./error.ts";

/** Reads what a caller sent by its schema. @throws HttpError 400 that names each field and what is wrong with it */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const issues = read.error.issues.map(({ path, message }) => ({
    field: path.join(".") || "body",
    message,
  }));
  throw new HttpError(400, "invalid_request", "The request is not valid.", issues);
}
