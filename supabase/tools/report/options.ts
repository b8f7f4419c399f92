import { parseArgs } from "node:util";
import { z } from "zod";
import { faultOfDatabaseUrl } from "../open-database.ts";

export const USAGE = `Usage: npm run report -- [options]

Prints the analysts' figures with small charts, and writes them as an HTML page with plots that opens offline.

  --days <n>     UTC days to look at, the last of which is today: 1 to 366 (30)
  --weeks <n>    weeks of the funnel and of retention, this one included: 1 to 53 (13)
  --out <file>   where the page goes (.phoenix/report.html)
  --json         print the figures as JSON instead; the page is written only where --out says so
  --db <url>     the database; else SUPABASE_DB_URL, else the stack that runs on PHOENIX_DATA_DIR
  --help         this text

It reads what role phoenix_analyst may read, and writes nothing. Whoever logs in has to be a member of that role.
A password is safer in SUPABASE_DB_URL than in --db: arguments are shown to everybody on the machine.
What the figures mean: docs/analytics.md.`;

const DEFAULT_PAGE = ".phoenix/report.html";

/** What is wrong with the arguments, in a sentence that names the one at fault. */
export class UsageError extends Error {}

export interface ReportOptions {
  days: number;
  weeks: number;
  /** Where the page goes; nowhere if undefined. */
  out: string | undefined;
  json: boolean;
  db: string | undefined;
}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): ReportOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const parsed = Options.safeParse(values);
  if (!parsed.success) throw new UsageError(parsed.error.issues[0]!.message);
  const { days, weeks, out, json, db } = parsed.data;
  return { days, weeks, out: out ?? (json ? undefined : DEFAULT_PAGE), json, db };
}

function wholeNumber(name: string, most: number, otherwise: number) {
  const wrong = `${name} must be a whole number from 1 to ${most}.`;
  return z.string().regex(/^\d{1,3}$/, wrong).transform(Number)
    .refine((number) => number >= 1 && number <= most, wrong)
    .default(otherwise);
}

const Options = z.object({
  days: wholeNumber("--days", 366, 30),
  weeks: wholeNumber("--weeks", 53, 13),
  out: z.string().min(1, "--out must name a file.").optional(),
  json: z.boolean().default(false),
  // It may hold a password: the message does not repeat it.
  db: z.string().superRefine((url, context) => {
    const fault = faultOfDatabaseUrl(url);
    if (fault) context.addIssue(`--db ${fault}.`);
  }).optional(),
});

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        days: { type: "string" },
        weeks: { type: "string" },
        out: { type: "string" },
        json: { type: "boolean" },
        db: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (positionals.length > 0) throw new UsageError("Every argument has a name, such as --db.");
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
