import { z } from "zod";

const databaseErrorSchema = z.object({
  code: z.string().regex(/^[0-9A-Z]{5}$/),
  message: z.string(),
  detail: z.string().nullish(),
  hint: z.string().nullish(),
});

/** An error as PostgREST answers it. */
export function postgrestError(
  status: number,
  code: string,
  message: string,
  details: string | null = null,
  hint: string | null = null,
): Response {
  return Response.json({ code, details, hint, message }, { status });
}

/**
 * PostgREST's answer to an error that the database raised, or to a database that is not there.
 *
 * @param role as whom the request ran: without a privilege, `anon` is told to sign in
 * @returns nothing when the error is not the database's
 */
export function databaseError(error: unknown, role: string): Response | undefined {
  if (isConnectionLoss(error)) return databaseIsDown();
  const parsed = databaseErrorSchema.safeParse(error);
  if (!parsed.success) return undefined;
  const { code, message, detail, hint } = parsed.data;
  return postgrestError(statusOf(code, role), code, message, detail ?? null, hint ?? null);
}

/** PostgREST's answer while there is no database to ask. */
export function databaseIsDown(): Response {
  return postgrestError(503, "PGRST001", "Database connection error. Retrying the connection.");
}

/** Whether the database went away, is starting or stopping. */
function isConnectionLoss(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(CONNECT|ECONN|57P)/.test(code);
}

/** PostgREST's table of SQLSTATE and HTTP status, but for class 54, see below. */
function statusOf(code: string, role: string): number {
  const custom = /^PT([2-5]\d\d)$/.exec(code);
  if (custom) return Number(custom[1]);
  const exact = STATUS_OF_CODE[code];
  if (exact) return exact;
  if (code === "42501") return role === "anon" ? 401 : 403;
  return STATUS_OF_CLASS[code.slice(0, 2)] ?? 400;
}

const STATUS_OF_CODE: Record<string, number> = {
  "23503": 409,
  "23505": 409,
  "25006": 405,
  "42883": 404,
  "42P01": 404,
  "42P17": 500,
  P0001: 400,
};

const STATUS_OF_CLASS: Record<string, number> = {
  "08": 503,
  "09": 500,
  "0L": 403,
  "0P": 403,
  "25": 500,
  "28": 403,
  "2D": 500,
  "38": 500,
  "39": 500,
  "3B": 500,
  "40": 500,
  "53": 503,
  // PostgREST answers 500; but what was too complex is what the client sent, JSON nested too deep above all.
  "54": 400,
  "55": 500,
  "57": 500,
  "58": 500,
  F0: 500,
  HV: 500,
  P0: 500,
  XX: 500,
};
