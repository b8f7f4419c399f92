import { z } from "zod";

const optional = z.string().default("");

const schema = z.object({
  SUPABASE_URL: optional,
  SUPABASE_DB_URL: z.string().min(1),
  PHOENIX_FUNCTIONS_URL: optional,
  PHOENIX_DOORBELL_SECRET: optional,
  QSTASH_URL: optional,
  QSTASH_TOKEN: optional,
  QSTASH_CURRENT_SIGNING_KEY: optional,
  QSTASH_NEXT_SIGNING_KEY: optional,
  UPSTASH_REDIS_REST_URL: optional,
  UPSTASH_REDIS_REST_TOKEN: optional,
});

/** What the functions read from their environment; what is empty is not set. */
export type Env = z.output<typeof schema>;

/** @throws Error that names the variable */
export function readEnv(source: Record<string, string | undefined> = Deno.env.toObject()): Env {
  const read = schema.safeParse(source);
  if (read.success) return read.data;
  const names = read.error.issues.map(({ path }) => path.join("."));
  throw new Error(`not set: ${names.join(", ")}`);
}

/** Where the functions answer, without a slash at the end. */
export function functionsUrl({ PHOENIX_FUNCTIONS_URL, SUPABASE_URL }: Env): string {
  return (PHOENIX_FUNCTIONS_URL || `${SUPABASE_URL}/functions/v1`).replace(/\/+$/, "");
}
