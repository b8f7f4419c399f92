import postgres from "postgres";

/** A node of a plan, as auto_explain tells of it. */
interface Node {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Cond"?: string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  "Temp Read Blocks"?: number;
  Plans?: Node[];
}

/** How a statement was executed. */
export interface Plan {
  "Query Text": string;
  Plan: Node;
}

/** One connection that tells how each of its statements is executed, those within functions too. */
export interface Watched extends AsyncDisposable {
  sql: postgres.Sql;
  /** Runs statements and returns how each was executed: @throws Error where there was none */
  explained(run: (sql: postgres.Sql) => Promise<unknown>): Promise<Plan[]>;
}

/** @param url where the superuser logs in */
export async function watch(url: string): Promise<Watched> {
  let plans: Plan[] = [];
  const sql = postgres(url, {
    max: 1,
    onnotice({ message }) {
      const json = /plan:\s*(\{[\s\S]*\})\s*$/.exec(message ?? "")?.[1];
      if (json) plans.push(JSON.parse(json) as Plan);
    },
  });
  await sql.unsafe(`
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_analyze = on;
    set auto_explain.log_buffers = on;
    set auto_explain.log_timing = off;
    set auto_explain.log_nested_statements = on;
    set auto_explain.log_format = json;
    set auto_explain.log_level = notice;
  `);
  return {
    sql,
    async explained(run) {
      plans = [];
      await run(sql);
      if (plans.length === 0) throw new Error("no plan was seen");
      return plans;
    },
    [Symbol.asyncDispose]: () => sql.end(),
  };
}

/**
 * Where a table was read from end to end, or as good as: by any kind of scan that no index condition bounds, whether or not it came to
 * that, or by one that looked at more rows than a batch has to do with.
 */
export function fullReads(
  plans: readonly Plan[],
  { tables, rows }: { tables: readonly string[]; rows: number },
): string[] {
  return plans.flatMap((plan) =>
    nodesOf(plan.Plan)
      .filter((node) => tables.includes(node["Relation Name"] ?? ""))
      .filter((node) => isRead(node) && (!isBounded(node) || rowsOf(node) > rows))
      .map((node) =>
        `${node["Node Type"]} of ${node["Relation Name"]}, ${rowsOf(node)} rows, in: ${
          plan["Query Text"]
        }`
      )
  );
}

/** How many blocks of what had found no room in memory were read again, by the statement that read most of them. */
export function spillReads(plans: readonly Plan[]): number {
  return Math.max(...plans.map(({ Plan }) => Plan["Temp Read Blocks"] ?? 0));
}

function nodesOf(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** Whether a node reads: one that writes names its table, too. */
function isRead(node: Node): boolean {
  return / Scan$/.test(node["Node Type"]);
}

function isBounded(node: Node): boolean {
  switch (node["Node Type"]) {
    case "Index Scan":
    case "Index Only Scan":
      return node["Index Cond"] !== undefined;
    case "Bitmap Heap Scan":
      return nodesOf(node)
        .filter((each) => each["Node Type"] === "Bitmap Index Scan")
        .every((each) => each["Index Cond"] !== undefined);
    // By a row's own place.
    case "Tid Scan":
      return true;
    default:
      return false;
  }
}

/** How many rows a scan has looked at, all in all. */
function rowsOf(node: Node): number {
  const once = node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0) +
    (node["Rows Removed by Index Recheck"] ?? 0);
  return Math.round(once * node["Actual Loops"]);
}
