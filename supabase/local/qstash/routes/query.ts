import { z } from "zod";
import { RequestError } from "../request-error.ts";
import type { FilterField } from "../store/filter.ts";

const pageFields = new Set(["count", "cursor", "qstash_token", "groupBy", "order"]);

const Page = z.object({
  count: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.coerce.number().int().optional(),
});

/**
 * The filter of a list or bulk request; a field's values come as repeated parameters or separated
 * by commas.
 *
 * @throws RequestError 400 for a field that is none of `allowed`: a misspelt filter must not match all.
 */
export function readFilterFields(
  request: Request,
  allowed: readonly FilterField[],
): Map<FilterField, string[]> {
  const { searchParams } = new URL(request.url);
  const fields = new Map<FilterField, string[]>();
  for (const name of new Set(searchParams.keys())) {
    if (pageFields.has(name)) continue;
    const field = allowed.find((candidate) => candidate === name);
    if (!field) throw new RequestError(400, `unknown query parameter: ${name}`);
    // A comma may be part of a URL or path, so that those are only repeated.
    const values = searchParams.getAll(name);
    fields.set(
      field,
      field === "url" || field === "path" ? values : values.flatMap((value) => value.split(",")),
    );
  }
  return fields;
}

/** @throws RequestError 400 where count or cursor is no number in range. */
export function readPage(request: Request): z.infer<typeof Page> {
  const { searchParams } = new URL(request.url);
  const result = Page.safeParse({
    count: searchParams.get("count") ?? undefined,
    cursor: searchParams.get("cursor") || undefined,
  });
  if (result.success) return result.data;
  throw new RequestError(400, "invalid query parameter: count or cursor");
}

/** The fields that every list can be filtered by. */
export const commonFields = [
  "url",
  "topicName",
  "queueName",
  "scheduleId",
  "label",
  "flowControlKey",
  "callerIp",
  "callerIP",
  "fromDate",
  "toDate",
] as const satisfies FilterField[];
