import { z } from "zod";

/** What a client of the stack needs to know; the names are those that `npm run -s status` prints. */
export const stackEnvSchema = z.object({
  API_URL: z.string(),
  FUNCTIONS_URL: z.string(),
  DB_URL: z.string(),
  PUBLISHABLE_KEY: z.string(),
  SECRET_KEY: z.string(),
  QSTASH_URL: z.string(),
  QSTASH_TOKEN: z.string(),
  QSTASH_CURRENT_SIGNING_KEY: z.string(),
  QSTASH_NEXT_SIGNING_KEY: z.string(),
  /** Empty where the machine has no Redis. */
  UPSTASH_REDIS_REST_URL: z.string(),
  UPSTASH_REDIS_REST_TOKEN: z.string(),
});

export type PublicStackEnv = z.infer<typeof stackEnvSchema>;

/** The same with what only the stack itself and its tests need. */
export interface StackEnv extends PublicStackEnv {
  /** Secret of the database webhook's signature. */
  DOORBELL_SECRET: string;
  /** Private JSON Web Key that signs users' tokens. */
  JWT_SIGNING_KEY: string;
  /** The database as its superuser; `DB_URL` is `postgres`, which is none, as on Supabase. */
  SUPERUSER_DB_URL: string;
}

/** The lines `NAME="value"` that `supabase status -o env` would print. */
export function toStatusLines(env: PublicStackEnv): string[] {
  return Object.entries(stackEnvSchema.parse(env)).map(([name, value]) => `${name}="${value}"`);
}
