import { z } from "zod";
import { faultOfDatabaseUrl } from "../open-database.ts";

/**
 * In the order they run. The vault comes before the functions' secrets: it is where a generated doorbell secret is read
 * from when a deployment is resumed.
 */
export const STEP_NAMES = ["db", "functions", "vault", "secrets", "schedules"] as const;
export type StepName = typeof STEP_NAMES[number];

interface Variable {
  schema: z.ZodType<string>;
  /** Steps that cannot run without it. */
  neededBy: readonly StepName[];
  /**
   * How it is printed. The variable says, not the look of its value: `user:0123…` is a token, and would pass for a URL.
   */
  shown: "whole" | "masked" | "as URL" | "as database URL";
  /** Handed to the functions as one of their secrets. */
  toFunctions: boolean;
  /** What it means when it is not set, for those that may be absent. */
  otherwise?: string;
}

const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http(s) URL" });
// They travel through a dotenv file in single quotes.
const token = z.string().regex(/^[^\s']+$/, "must not contain spaces or quotes");

function hasNoLogin(text: string): boolean {
  const url = URL.parse(text);
  return !url?.username && !url?.password;
}

/** Every variable the command reads, in the order of the plan. */
export const VARIABLES = {
  SUPABASE_PROJECT_REF: {
    schema: z.string().regex(/^[a-z]{20}$/, "must be the 20 letters of the project's URL"),
    neededBy: STEP_NAMES,
    shown: "whole",
    toFunctions: false,
  },
  SUPABASE_ACCESS_TOKEN: {
    schema: token,
    neededBy: ["functions", "secrets"],
    shown: "masked",
    toFunctions: false,
  },
  SUPABASE_DB_URL: {
    schema: z.string().superRefine((url, context) => {
      const fault = faultOfDatabaseUrl(url);
      if (fault) context.addIssue(fault);
    }),
    neededBy: ["db", "vault"],
    shown: "as database URL",
    toFunctions: false,
  },
  PHOENIX_FUNCTIONS_URL: {
    // Paths are appended to it, and the plan prints it whole, as do the database and QStash.
    schema: httpUrl.regex(/^[^?#]*$/, "must not have a query or a fragment").refine(
      hasNoLogin,
      "must not have a user or a password",
    ),
    neededBy: [],
    shown: "as URL",
    toFunctions: true,
    otherwise: "derived from SUPABASE_PROJECT_REF",
  },
  PHOENIX_DOORBELL_SECRET: {
    schema: token.min(32, "must have at least 32 characters"),
    neededBy: [],
    shown: "masked",
    toFunctions: true,
    otherwise: "the vault's own, or generated",
  },
  QSTASH_URL: {
    schema: httpUrl,
    neededBy: [],
    shown: "as URL",
    toFunctions: true,
    otherwise: "https://qstash.upstash.io",
  },
  QSTASH_TOKEN: {
    schema: token,
    neededBy: ["secrets", "schedules"],
    shown: "masked",
    toFunctions: true,
  },
  QSTASH_CURRENT_SIGNING_KEY: {
    schema: token,
    neededBy: ["secrets"],
    shown: "masked",
    toFunctions: true,
  },
  QSTASH_NEXT_SIGNING_KEY: {
    schema: token,
    neededBy: ["secrets"],
    shown: "masked",
    toFunctions: true,
  },
  UPSTASH_REDIS_REST_URL: {
    schema: httpUrl,
    neededBy: [],
    shown: "as URL",
    toFunctions: true,
    otherwise: "each function instance keeps its own memory",
  },
  UPSTASH_REDIS_REST_TOKEN: {
    schema: token,
    neededBy: [],
    shown: "masked",
    toFunctions: true,
    otherwise: "each function instance keeps its own memory",
  },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof VARIABLES;
export const VARIABLE_NAMES = Object.keys(VARIABLES) as VariableName[];

/** The variables that are set and well-formed. */
export type Settings = { readonly [name in VariableName]?: string };

export interface ReadSettings {
  settings: Settings;
  /** One line a variable that stops the command, beginning with its name. */
  problems: string[];
}

/**
 * Reads the variables from an environment. A blank value counts as not set.
 *
 * @param steps the steps that are to run: what only others need may be missing
 */
export function readSettings(
  environment: Readonly<Record<string, string | undefined>>,
  steps: readonly StepName[],
): ReadSettings {
  const given: { [name in VariableName]?: string } = {};
  for (const name of VARIABLE_NAMES) {
    const value = environment[name]?.trim();
    if (value) given[name] = value;
  }

  const settings: { [name in VariableName]?: string } = {};
  const problems: string[] = [];
  for (const name of VARIABLE_NAMES) {
    const variable: Variable = VARIABLES[name];
    const value = given[name];
    if (value) {
      const parsed = variable.schema.safeParse(value);
      if (parsed.success) settings[name] = parsed.data;
      else problems.push(`${name} ${parsed.error.issues[0]?.message}`);
      continue;
    }
    const waiting = steps.filter((step) => variable.neededBy.includes(step));
    if (waiting.length > 0) problems.push(`${name} is missing: needed for ${waiting.join(", ")}`);
  }
  const { UPSTASH_REDIS_REST_URL: redisUrl, UPSTASH_REDIS_REST_TOKEN: redisToken } = given;
  if (Boolean(redisUrl) !== Boolean(redisToken)) {
    const absent = redisUrl ? "UPSTASH_REDIS_REST_TOKEN" : "UPSTASH_REDIS_REST_URL";
    problems.push(`${absent} is missing: Redis needs its URL and its token, or neither`);
  }
  const needsDoorbell = steps.includes("secrets") || steps.includes("vault");
  if (needsDoorbell && !given.PHOENIX_DOORBELL_SECRET && !given.SUPABASE_DB_URL) {
    problems.push(
      "PHOENIX_DOORBELL_SECRET is missing: set it, or SUPABASE_DB_URL to read it from the vault",
    );
  }
  const { SUPABASE_PROJECT_REF: ref } = settings;
  for (const name of ["SUPABASE_DB_URL", "PHOENIX_FUNCTIONS_URL"] as const) {
    const other = ref && projectsOf(settings[name]).find((each) => each !== ref);
    if (other) problems.push(`${name} is of project ${other}, SUPABASE_PROJECT_REF names ${ref}`);
  }
  return { settings, problems };
}

/** The projects that a URL names: in its host, and for a pooler, which serves them all, in its user. */
function projectsOf(url: string | undefined): string[] {
  if (!url) return [];
  const { hostname, username } = new URL(url);
  return [
    /(?:^|\.)([a-z]{20})\.supabase\.co$/.exec(hostname)?.[1],
    /\.([a-z]{20})$/.exec(username)?.[1],
  ].filter((ref) => ref !== undefined);
}

/** The value of a variable that {@link readSettings} has found for this step. */
export function need(settings: Settings, name: VariableName): string {
  const value = settings[name];
  if (value === undefined) throw new Error(`${name} is missing`);
  return value;
}

/** The base URL of the deployed functions, without a slash at the end. */
export function functionsUrl(settings: Settings): string {
  const url = settings.PHOENIX_FUNCTIONS_URL ??
    `https://${need(settings, "SUPABASE_PROJECT_REF")}.supabase.co/functions/v1`;
  return url.replace(/\/+$/, "");
}

/** A line a variable: of its value what is no secret, or what its absence means. */
export function describeSettings(settings: Settings, problems: readonly string[]): string[] {
  const width = Math.max(...VARIABLE_NAMES.map((name) => name.length));
  return VARIABLE_NAMES.map((name) => {
    const variable: Variable = VARIABLES[name];
    const value = settings[name];
    const wrong = problems.find((problem) => problem.startsWith(`${name} `));
    const shown = value !== undefined
      ? PRINT[variable.shown](value)
      : wrong !== undefined
      ? wrong.slice(name.length + 1)
      : `not set${variable.otherwise ? `: ${variable.otherwise}` : ""}`;
    return `${name.padEnd(width)}  ${shown}`;
  });
}

/** What of a value may be printed. */
const PRINT: Record<Variable["shown"], (value: string) => string> = {
  whole: (value) => value,
  masked: (value) => value.length < 16 ? "****" : `****${value.slice(-4)}`,
  "as URL": (value) => {
    const url = new URL(value);
    url.username = "";
    return withoutSecrets(url);
  },
  // The user of a pooler says which project's database it is.
  "as database URL": (value) => withoutSecrets(new URL(value)),
};

function withoutSecrets(url: URL): string {
  url.password = "";
  for (const name of [...url.searchParams.keys()]) {
    if (/password|secret|token|key/i.test(name)) url.searchParams.set(name, "****");
  }
  return url.href;
}
