/** `npm run report`: the analysts' figures in the terminal, and as an HTML page. */
import { dirname } from "node:path";
import { StackError } from "../local/stack-error.ts";
import { asAnalyst } from "./report/as-analyst.ts";
import { databaseUrl, placeOf } from "./report/database-url.ts";
import { readFigures } from "./report/figures.ts";
import { parseOptions, USAGE, UsageError } from "./report/options.ts";
import { toPage } from "./report/page/page.ts";
import { ReportError } from "./report/report-error.ts";
import { toLines } from "./report/terminal/summary.ts";

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === "help") {
    console.log(USAGE);
    return 0;
  }
  const url = await databaseUrl(options.db);
  const figures = await asAnalyst(url, (sql) => readFigures(sql, options));
  console.log(
    options.json ? JSON.stringify(figures, null, 2) : toLines(figures, placeOf(url)).join("\n"),
  );
  if (options.out !== undefined) {
    await writePage(options.out, await toPage(figures, placeOf(url)));
    if (!options.json) console.log(`\nWith plots: ${options.out}`);
  }
  return 0;
}

async function writePage(file: string, page: string): Promise<void> {
  try {
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeTextFile(file, page);
  } catch (error) {
    throw new ReportError(
      `${file} cannot be written: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    const isForPeople = error instanceof UsageError || error instanceof ReportError ||
      error instanceof StackError;
    console.error(isForPeople ? error.message : error);
    if (error instanceof UsageError) console.error("See npm run report -- --help.");
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
