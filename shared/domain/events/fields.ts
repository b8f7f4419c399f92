import { z } from "zod";
import { atsScale, expected, moodScale, satisfactionScale, type Scale, share } from "./scores.ts";

/**
 * The kinds of fields that payloads are made of. Each says in plain English what it expects, and never
 * repeats what it got: payloads are personal data.
 */

/** zod's error option for a field: what was expected, and that it was required where it is missing. */
function must(be: string): { error: (issue: { input?: unknown }) => string } {
  return {
    error: ({ input }) => input === undefined ? `is required and must be ${be}` : `must be ${be}`,
  };
}

function number(scale: Scale): z.ZodNumber {
  const error = must(expected(scale));
  return z.number(error).min(scale.min, error).max(scale.max, error);
}

/** A whole number from 0 to `max`. */
export function count(max = 1_000_000_000): z.ZodInt {
  const error = must(`a whole number from 0 to ${max}`);
  return z.int(error).min(0, error).max(max, error);
}

/** A text of at most `max` characters; it may be empty, as a form field left blank is. */
export function text(max = 500): z.ZodString {
  const error = must(`a text of at most ${max} characters`);
  return z.string(error).max(max, error);
}

/** A text that says something: 1 to `max` characters, and not all of them blank. */
export function name(max = 500): z.ZodString {
  const error = must(`a text of 1 to ${max} characters, not blank`);
  return z.string(error).max(max, error).regex(/\S/, error);
}

/** A list of at most `max` items. */
export function list<Item extends z.ZodType>(item: Item, max = 200): z.ZodArray<Item> {
  const error = must(`a list of at most ${max} items`);
  return z.array(item, error).max(max, error);
}

/** An object whose further keys are kept. */
export function object<Shape extends z.ZodRawShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$loose> {
  return z.looseObject(shape, must("an object"));
}

/** Any of several shapes; `be` says which, for the error. */
export function either<Options extends readonly [z.ZodType, z.ZodType]>(
  be: string,
  options: Options,
): z.ZodUnion<Options> {
  return z.union(options, must(be));
}

/** A field that a publisher may leave out, or send as `null`, as Python apps do. */
export function optional<Field extends z.ZodType>(
  field: Field,
  description: string,
): z.ZodOptional<z.ZodNullable<Field>> {
  return field.nullish().describe(description);
}

/** What an app calls one of its own things by: a text or a whole number. */
export const id = either("a text of 1 to 200 characters or a whole number", [name(200), count()]);
export const uuid = z.guid(must("a UUID"));
export const flag = z.boolean(must("true or false"));
export const longText = text(20_000);
export const url = text(2000);
export const texts = list(text());
/** 0 to 1. */
export const score = number(share);
/** 0 to 100. */
export const atsScore = number(atsScale);
/** 1 to 10. */
export const mood = number(moodScale);
/** 1 to 5. */
export const satisfaction = number(satisfactionScale);
/** 0 to 100. */
export const percent = number({ min: 0, max: 100 });
/** At most a year. */
export const minutes = number({ min: 0, max: 525_600 });
export const seconds = number({ min: 0, max: 86_400 });
export const euros = number({ min: 0, max: 1_000_000 });
