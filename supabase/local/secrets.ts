import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { z } from "zod";
import { type SigningKey, signingKeySchema } from "./gateway/config.ts";
import { StackError } from "./stack-error.ts";

const secretsSchema = z.object({
  publishableKey: z.string().startsWith("sb_publishable_"),
  secretKey: z.string().startsWith("sb_secret_"),
  /** Signs users' tokens. */
  signingKey: signingKeySchema,
  databasePassword: z.string().min(1),
  vaultKey: z.string().min(32),
  doorbellSecret: z.string().min(32),
  qstashToken: z.string().min(1),
  qstashCurrentSigningKey: z.string().min(1),
  qstashNextSigningKey: z.string().min(1),
  redisRestToken: z.string().min(1),
});

/** Every key and password of one stack; made once a data folder, so that clients keep working after a restart. */
export type Secrets = z.infer<typeof secretsSchema>;

/**
 * The secrets of a data folder, made at the first call and kept in a file that its owner alone can read.
 *
 * @throws StackError when the file is there but is not what this function once wrote
 */
export async function readOrMakeSecrets(folder: string): Promise<Secrets> {
  const path = join(folder, "secrets.json");
  const kept = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (kept === undefined) {
    const made = await makeSecrets();
    // Written aside and then renamed, so that a full disk or a boot that is cut short leaves no half of them behind.
    await Deno.writeTextFile(`${path}.new`, JSON.stringify(made, null, 2) + "\n", { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
    return made;
  }
  try {
    return secretsSchema.parse(JSON.parse(kept));
  } catch {
    throw new StackError(
      `The data folder is damaged (${path} is unreadable): delete ${folder} to begin anew.`,
    );
  }
}

async function makeSecrets(): Promise<Secrets> {
  return {
    publishableKey: `sb_publishable_${supabaseKeyBody()}`,
    secretKey: `sb_secret_${supabaseKeyBody()}`,
    signingKey: await makeSigningKey(),
    databasePassword: hex(16),
    vaultKey: hex(32),
    doorbellSecret: hex(32),
    qstashToken: hex(24),
    qstashCurrentSigningKey: `sig_${hex(16)}`,
    qstashNextSigningKey: `sig_${hex(16)}`,
    redisRestToken: hex(24),
  };
}

async function makeSigningKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  return signingKeySchema.parse({ ...jwk, kid: await calculateJwkThumbprint(jwk) });
}

/** 22 random characters and 8 more after `_`, as in the keys of a Supabase project. */
function supabaseKeyBody(): string {
  const text = randomBytes(24).toString("base64url");
  return `${text.slice(0, 22)}_${randomBytes(6).toString("base64url")}`;
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}
