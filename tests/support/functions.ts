import { expect } from "vitest";
import { z } from "zod";
import type { StackEnv } from "../../supabase/local/stack-env.ts";

/** An answer of a function, read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The text as JSON, where it is JSON. */
  body: unknown;
}

/** What a call sends beside its method and path. */
export interface Call {
  /** A user by their token, or the project by its secret key; without it an anonymous caller. */
  as?: { accessToken: string } | "secret";
  /** What is sent as JSON. */
  json?: unknown;
  /** What is sent as it is. */
  body?: BodyInit;
  headers?: Record<string, string>;
}

export type CallFunction = (method: string, path: string, call?: Call) => Promise<Answer>;

/** Calls the functions of a stack as an app's backend would, with nothing but fetch. */
export function functionsOf(env: StackEnv): CallFunction {
  return async (method, path, { as, json, body, headers } = {}) => {
    const response = await fetch(`${env.FUNCTIONS_URL}/${path}`, {
      method,
      headers: {
        ...(as === "secret" && { apikey: env.SECRET_KEY }),
        ...(typeof as === "object" && {
          apikey: env.PUBLISHABLE_KEY,
          authorization: `Bearer ${as.accessToken}`,
        }),
        ...(method !== "GET" && { "content-type": "application/json" }),
        ...headers,
      },
      ...(method !== "GET" && { body: body ?? (json === undefined ? null : JSON.stringify(json)) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: readJson(text) };
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const issueSchema = z.strictObject({ field: z.string().min(1), message: z.string().min(1) });

const errorSchema = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^[a-z_]+$/),
    message: z.string().min(1),
    issues: z.array(issueSchema).optional(),
    request_id: z.string(),
  }),
});

/** `POST events`, as the contract has it, to the last field. */
export const publicationSchema = z.strictObject({
  accepted: z.int(),
  duplicates: z.int(),
  rejected: z.int(),
  results: z.array(z.strictObject({
    event_id: z.guid().nullable(),
    status: z.enum(["accepted", "duplicate", "rejected"]),
    error: errorSchema.shape.error.omit({ request_id: true }).optional(),
  })),
});

export type Publication = z.output<typeof publicationSchema>;

/** Reads the answer to a publication of which something was taken, and expects it to be one. */
export function publicationOf(answer: Answer): Publication {
  expect(answer.status, answer.text).toBe(202);
  return publicationSchema.parse(answer.body);
}

/** What an error says. */
export interface Refusal {
  status: number;
  code: string;
  message: string;
  issues?: { field: string; message: string }[] | undefined;
}

/** Reads an error, and expects it to be in the contract's form and to show nothing of the program's inside. */
export function refusalOf(answer: Answer): Refusal {
  expect(answer.text).not.toMatch(/\.ts\b|\.js\b|\bat \S+ \(|node_modules|PostgresError|SQLSTATE/);
  const body = answer.status === 422
    ? publicationSchema.extend(errorSchema.shape).parse(answer.body)
    : errorSchema.parse(answer.body);
  const { request_id, ...error } = body.error;
  expect(request_id).toBe(answer.headers.get("x-request-id"));
  return { status: answer.status, ...error };
}
