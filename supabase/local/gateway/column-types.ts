/** The part of `JSON` that V8 has and TypeScript does not know yet. */
interface ExactJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  /** What `JSON.stringify` writes as it stands. */
  rawJSON(text: string): unknown;
}

const { parse, rawJSON } = JSON as unknown as ExactJson;

/** How the database's client reads columns, by type, so that `JSON.stringify` writes each as PostgreSQL's `to_json` does. */
export const columnTypes = {
  bytea: { to: 17, from: [17], serialize: String, parse: String },
  bigint: { to: 20, from: [20], serialize: String, parse: exactNumber },
  numeric: { to: 1700, from: [1700], serialize: String, parse: exactNumber },
  json: { to: 114, from: [114], serialize: toJson, parse: exactJson },
  jsonb: { to: 3802, from: [3802], serialize: toJson, parse: exactJson },
  timestamp: { to: 1114, from: [1114], serialize: String, parse: isoTime },
  timestamptz: { to: 1184, from: [1184], serialize: String, parse: isoTime },
};

/** A number or, where a JavaScript number would lose digits, the digits themselves; a numeric may also be `NaN` or `Infinity`. */
function exactNumber(text: string): unknown {
  const number = Number(text);
  if (!Number.isFinite(number) && !/\d/.test(text)) return text;
  return String(number) === text ? number : digits(text);
}

/** Digits that are written as they stand. A function holds them, because Lite copies objects field by field and hands functions on. */
function digits(text: string): () => string {
  return Object.assign(() => text, { toString: () => text, toJSON: () => rawJSON(text) });
}

function exactJson(text: string): unknown {
  return parse(
    text,
    // Under this name JSON.stringify would call the digits in place of the object that has them.
    (key, value, { source }) =>
      typeof value === "number" && source !== undefined && key !== "toJSON"
        ? exactNumber(source)
        : value,
  );
}

function toJson(value: unknown): string {
  return JSON.stringify(value);
}

/** `2026-01-02 03:04:05.678+00`, with a `T` and the minutes of the offset; `infinity` has neither. */
function isoTime(text: string): string {
  return text.replace(
    /^(\S+) (\S+?)([+-]\d\d)?(?= |$)/,
    (_, date, time, offset) => `${date}T${time}${offset ? `${offset}:00` : ""}`,
  );
}
