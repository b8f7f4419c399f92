import type { Context } from "hono";
import type { AppEnv } from "./app.ts";
import { parseJson } from "../parse-json.ts";
import { HttpError } from "./error.ts";

/** A body as it was sent and as it reads. */
export interface JsonBody {
  text: string;
  value: unknown;
}

/**
 * Reads a request's body as text.
 *
 * @throws HttpError 413 beyond `maxBytes`, without reading on; 400 where it breaks off or is not UTF-8
 */
export async function readText(context: Context<AppEnv>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body = context.req.raw.body?.values() ?? [];
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > maxBytes) {
        throw new HttpError(413, "body_too_large", `A body holds ${maxBytes} bytes at most.`);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    // Who was sending it has gone away.
    throw new HttpError(400, "incomplete_body", "The body broke off before its end.");
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new HttpError(400, "invalid_text", "The body is not UTF-8.");
  }
}

/**
 * Reads a request's body as {@link readText} and {@link valueOf} do.
 *
 * @throws HttpError 400 with the field, 413 where it is too large
 */
export async function readJson(context: Context<AppEnv>, maxBytes: number): Promise<JsonBody> {
  const text = await readText(context, maxBytes);
  return { text, value: valueOf(text) };
}

/**
 * Reads a body's text as JSON that every part of the system can hold: no NUL, lone surrogate or endless accents in text, no number
 * beyond a double, nesting within reason. An empty body reads as `{}`.
 *
 * @throws HttpError 400 with the field
 */
export function valueOf(text: string): unknown {
  let value: unknown;
  try {
    value = text === "" ? {} : parseJson(text);
  } catch {
    throw new HttpError(400, "invalid_json", "The body is not JSON.");
  }
  const path: (string | number)[] = [];
  const message = flawOf(value, path);
  if (message) {
    const field = fieldOf(path);
    throw new HttpError(400, "invalid_json", `${field} ${message}.`, [{ field, message }]);
  }
  return value;
}

// The body, its list of events, an event, and what an event may nest: the database says exactly how much.
const maxDepth = 64;

/**
 * Why a JSON value cannot be stored, or nothing; `path` then leads to what is wrong. Goes no deeper than is allowed, and keeps nothing but
 * the path: a body may hold half a million values.
 */
function flawOf(value: unknown, path: (string | number)[]): string | undefined {
  if (typeof value === "string") return flawOfText(value);
  if (typeof value === "number") {
    return Number.isFinite(value) ? undefined : "is beyond the range of a number";
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (path.length >= maxDepth) return `is nested more than ${maxDepth} levels deep`;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  for (const key of keys) {
    const ofKey = typeof key === "string" && flawOfText(key);
    if (ofKey) return `has a key that ${ofKey}`;
    path.push(key);
    const flaw = flawOf((value as Record<string | number, unknown>)[key], path);
    if (flaw) return flaw;
    path.pop();
  }
  return undefined;
}

/** A path as people write it, which need not be whole. */
function fieldOf(path: readonly (string | number)[]): string {
  const field = path.map((key) => typeof key === "number" ? `[${key}]` : `.${key}`).join("");
  return field.replace(/^\./, "").slice(0, 200).toWellFormed() || "body";
}

// To normalise more takes time with the square of their number; no language writes as many. flywheel.refuse_mark_runs() counts fewer kinds
// of marks: those that normalising may reorder, for which JavaScript has no name.
const manyMarks = /\p{M}{31}/u;

function flawOfText(text: string): string | undefined {
  if (text.includes("\0")) return "holds a NUL character";
  if (manyMarks.test(text)) return "holds more than 30 combining marks in a row";
  return text.isWellFormed() ? undefined : "holds a lone surrogate";
}
