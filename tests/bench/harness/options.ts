import { parseArgs } from "node:util";
import type { Sizes, Suite } from "./bench.ts";

export interface Options {
  sizes: Sizes;
  quick: boolean;
  suites: readonly Suite[];
  /** Where the figures go as JSON. */
  json: string | undefined;
  /** Where the chart goes. */
  chart: string | undefined;
}

export const usage = `npm run bench -- [options]

  --only <name,…>   some measures or suites only; --list names them
  --quick           small sizes: whether it runs, not how fast
  --runs <n>        how often everything is measured; the median counts (5)
  --json <file>     also write [ { name, value, unit, reach, aim, better } ]
  --chart <file>    also write the chart, such as docs/bench.svg
  --list            name suites and measures
`;

/** @throws UsageError with a sentence, where the arguments make no sense */
export function readOptions(args: string[], all: readonly Suite[]): Options | "help" | "list" {
  const { values } = parse(args);
  if (values.help) return "help";
  if (values.list) return "list";
  const quick = values.quick ?? false;
  const runs = Number(values.runs ?? (quick ? 1 : 5));
  if (!Number.isInteger(runs) || runs < 1) throw new UsageError("--runs is a whole number from 1.");
  const size = quick ? { events: 10_000, users: 500 } : { events: 100_000, users: 5_000 };
  return {
    sizes: { ...size, batch: 500, clients: 4, runs },
    quick,
    suites: choose(all, values.only),
    json: values.json,
    chart: values.chart,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== "--"),
      options: {
        only: { type: "string" },
        quick: { type: "boolean" },
        runs: { type: "string" },
        json: { type: "string" },
        chart: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function choose(all: readonly Suite[], only: string | undefined): readonly Suite[] {
  if (only === undefined) return all;
  const asked = only.split(",").map((name) => name.trim());
  const isAsked = ({ name, measures }: Suite) =>
    [name, ...measures].some((each) => asked.includes(each));
  const known = all.flatMap(({ name, measures }) => [name, ...measures]);
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`There is no ${unknown.join(", ")}: see --list.`);
  return all.filter(isAsked);
}

/** What is wrong with the arguments. */
export class UsageError extends Error {}
