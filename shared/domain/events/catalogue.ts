import { z } from "zod";
import { isObject } from "../is-object.ts";
import { accountEvents } from "./account.ts";
import { aubeEvents } from "./aube.ts";
import { cvEvents } from "./cv.ts";
import { flywheelEvents } from "./flywheel.ts";
import { type Issue, issuesOf, maximumIssues } from "./issue.ts";
import { lettersEvents } from "./letters.ts";
import { maximumDepth, normaliseJson, normaliseText } from "./normalise.ts";
import { riseEvents } from "./rise.ts";
import { scoreIssues, scoresJsonSchema } from "./scores.ts";

export type { Issue };

const schemas = {
  ...aubeEvents,
  ...cvEvents,
  ...lettersEvents,
  ...riseEvents,
  ...accountEvents,
  ...flywheelEvents,
};

/** The name of an event type that the catalogue describes, in NFC. */
export type EventType = keyof typeof schemas;

/** What a checked payload of an event type looks like. Keys beyond the known ones are `unknown`. */
export type PayloadOf<Type extends EventType> = z.output<(typeof schemas)[Type]>;

/** The outcome of {@link checkPayload}. */
export type PayloadCheck<Payload = Record<string, unknown>> =
  | { ok: true; payload: Payload }
  | { ok: false; issues: Issue[] };

/** Every event type of the catalogue. */
export const eventTypes = Object.keys(schemas) as readonly EventType[];

// A Map, because an object would also know types such as `constructor`.
const schemaOf: ReadonlyMap<string, z.ZodType> = new Map(Object.entries(schemas));

/** Whether the catalogue describes this event type, however its accents are typed. */
export function isCatalogued(type: string): boolean {
  return schemaOf.has(normaliseText(type));
}

/**
 * Checks a payload against the catalogue. Of a type that is not in it, any object will do.
 *
 * @param payload a JSON value, as a publisher sent it.
 * @returns the payload in NFC with every key that was sent; or at most twenty issues, which never
 * repeat a value. Never throws.
 */
export function checkPayload<Type extends EventType>(
  eventType: Type,
  payload: unknown,
): PayloadCheck<PayloadOf<Type>>;
export function checkPayload(eventType: string, payload: unknown): PayloadCheck;
export function checkPayload(eventType: string, payload: unknown): PayloadCheck {
  if (!isObject(payload)) {
    return refused([{ field: "payload", message: "must be an object" }]);
  }
  const normalised = normaliseJson(payload) as Record<string, unknown> | undefined;
  if (!normalised) {
    return refused([{
      field: "payload",
      message: `must not nest deeper than ${maximumDepth} levels`,
    }]);
  }
  return judge(normaliseText(eventType), normalised);
}

/**
 * The same check for a payload that the store keeps: it is in NFC already, and so is its type.
 *
 * @returns the very payload that was given
 */
export function checkStoredPayload(
  eventType: string,
  payload: Record<string, unknown>,
): PayloadCheck {
  return judge(eventType, payload);
}

function judge(eventType: string, payload: Record<string, unknown>): PayloadCheck {
  const schema = schemaOf.get(eventType);
  if (!schema) return { ok: true, payload };
  const result = schema.safeParse(payload);
  const issues = result.success ? [] : issuesOf(result.error.issues);
  const offScale = scoreIssues(payload);
  if (offScale.length > 0) {
    const seen = new Set(issues.map(({ field }) => field));
    issues.push(...offScale.filter(({ field }) => !seen.has(field)));
  }
  // Not zod's copy: it leaves out a key named `__proto__`, and every key that was sent is kept.
  return issues.length > 0 ? refused(issues) : { ok: true, payload };
}

function refused(issues: Issue[]): PayloadCheck {
  return { ok: false, issues: issues.slice(0, maximumIssues) };
}

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

/**
 * The catalogue as JSON Schemas (draft 2020-12), for publishers: each with a title, a description,
 * examples, and as `x-app` the app whose event it is (`any` where every app may publish it).
 */
export function catalogueSchemas(): Record<EventType, JsonSchema> {
  const groups = {
    aube: aubeEvents,
    cv: cvEvents,
    letters: lettersEvents,
    rise: riseEvents,
    any: accountEvents,
    flywheel: flywheelEvents,
  };
  return Object.fromEntries(
    Object.entries(groups).flatMap(([app, events]) =>
      Object.entries(events).map(([type, schema]) => [type, jsonSchemaOf(schema, app)])
    ),
  ) as Record<EventType, JsonSchema>;
}

function jsonSchemaOf(schema: z.ZodType, app: string): JsonSchema {
  return {
    ...z.toJSONSchema(schema, { target: "draft-2020-12", io: "input" }),
    "x-app": app,
    allOf: [{ $ref: "#/$defs/scores" }],
    $defs: { scores: scoresJsonSchema },
  } as JsonSchema;
}
