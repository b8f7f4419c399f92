import { z } from "zod";

/** A private key for ES256, as a JSON Web Key. */
export const signingKeySchema = z.object({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string(),
  y: z.string(),
  d: z.string(),
  kid: z.string(),
});

export type SigningKey = z.infer<typeof signingKeySchema>;

export const gatewayConfigSchema = z.object({
  port: z.number().int(),
  apiUrl: z.string(),
  /** The database as its superuser: Auth writes `auth`, REST takes the request's role for each request. */
  databaseUrl: z.string(),
  /** The database as `authenticator`, as whom PostgREST logs in. */
  authenticatorUrl: z.string(),
  /** Where the functions server listens. */
  functionsOrigin: z.string(),
  publishableKey: z.string(),
  secretKey: z.string(),
  signingKey: signingKeySchema,
});

/** What the gateway has to know, as the stack hands it over. */
export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
