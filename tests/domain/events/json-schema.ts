import type { JsonSchema } from "../../../shared/domain/events/catalogue.ts";

type Schema = JsonSchema & Record<string, unknown>;

/**
 * Whether a JSON Schema accepts a value, by the keywords that the catalogue uses. An unknown keyword
 * throws, so that the catalogue cannot say what its tests do not read.
 */
export function accepts(root: JsonSchema, value: unknown): boolean {
  return valid(root as Schema, value, root as Schema);
}

const annotations = ["$schema", "$defs", "title", "description", "examples", "x-app"];

function valid(schema: Schema, value: unknown, root: Schema): boolean {
  return Object.keys(schema).every((keyword) => {
    if (annotations.includes(keyword)) return true;
    const check = keywords[keyword];
    if (!check) throw new Error(`The catalogue uses ${keyword}, which its tests do not know`);
    return check(schema[keyword], value, (below, part) => valid(below as Schema, part, root), {
      schema,
      root,
    });
  });
}

type Check = (
  argument: unknown,
  value: unknown,
  recurse: (schema: unknown, value: unknown) => boolean,
  context: { schema: Schema; root: Schema },
) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const bound = (holds: (value: number, limit: number) => boolean): Check => (limit, value) =>
  typeof value !== "number" || holds(value, limit as number);

const types: Record<string, (value: unknown) => boolean> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

const matching = (patterns: unknown, key: string): unknown[] =>
  Object.entries((patterns ?? {}) as Record<string, unknown>)
    .filter(([pattern]) => new RegExp(pattern, "u").test(key))
    .map(([, schema]) => schema);

const keywords: Record<string, Check> = {
  type: (type, value) => [type].flat().some((name) => types[name as string]!(value)),
  minimum: bound((value, limit) => value >= limit),
  maximum: bound((value, limit) => value <= limit),
  minLength: (limit, value) => typeof value !== "string" || value.length >= (limit as number),
  maxLength: (limit, value) => typeof value !== "string" || value.length <= (limit as number),
  maxItems: (limit, value) => !Array.isArray(value) || value.length <= (limit as number),
  pattern: (pattern, value) =>
    typeof value !== "string" || new RegExp(pattern as string, "u").test(value),
  format: () => true,
  items: (items, value, recurse) =>
    !Array.isArray(value) || value.every((item) => recurse(items, item)),
  required: (keys, value) =>
    !isObject(value) || (keys as string[]).every((key) => Object.hasOwn(value, key)),
  properties: (properties, value, recurse) =>
    !isObject(value) ||
    Object.entries(properties as Record<string, unknown>).every(([key, schema]) =>
      !Object.hasOwn(value, key) || recurse(schema, value[key])
    ),
  patternProperties: (patterns, value, recurse) =>
    !isObject(value) ||
    Object.entries(value).every(([key, part]) =>
      matching(patterns, key).every((schema) => recurse(schema, part))
    ),
  additionalProperties: (additional, value, recurse, { schema }) =>
    !isObject(value) ||
    Object.entries(value).every(([key, part]) =>
      Object.hasOwn(schema.properties ?? {}, key) ||
      matching(schema.patternProperties, key).length > 0 ||
      recurse(additional, part)
    ),
  anyOf: (schemas, value, recurse) =>
    (schemas as unknown[]).some((schema) => recurse(schema, value)),
  allOf: (schemas, value, recurse) =>
    (schemas as unknown[]).every((schema) => recurse(schema, value)),
  $ref: (reference, value, recurse, { root }) =>
    recurse(root.$defs![(reference as string).replace("#/$defs/", "")], value),
};
