import { parse } from "libpg-query";
import { z } from "zod";

const Parsed = z.object({
  stmts: z.array(z.object({
    stmt: z.record(z.string(), z.record(z.string(), z.unknown())),
    stmt_location: z.number().default(0),
    stmt_len: z.number().optional(),
  })),
});

/** A statement of a SQL file. */
export interface Statement {
  /** What PostgreSQL's parser calls it, such as `CreateStmt`. */
  kind: string;
  /** The parsed statement. */
  node: Record<string, unknown>;
  /** As it is written, the comment before it included, with its semicolon. */
  text: string;
}

/**
 * Where a statement of `sql/` goes in a migration that takes an older schema further. A difference of two schemas carries most
 * of them. It cannot carry rows, nor what differs between servers or belongs to a whole one: those are copied as they are,
 * after the difference and before it.
 */
export type Place = "before" | "difference" | "after";

const BEFORE = [
  "DoStmt",
  "CreateExtensionStmt",
  "CreateRoleStmt",
  "AlterRoleStmt",
  "AlterRoleSetStmt",
  "GrantRoleStmt",
];
const AFTER = ["InsertStmt", "UpdateStmt", "DeleteStmt", "SelectStmt"];

/**
 * Splits a SQL text into its statements, with PostgreSQL's own parser.
 *
 * @throws SqlError where the text is no SQL
 */
export async function readStatements(sql: string): Promise<Statement[]> {
  // The parser counts bytes.
  const bytes = new TextEncoder().encode(sql);
  return Parsed.parse(await parse(sql)).stmts.map(({ stmt, stmt_location, stmt_len }) => {
    const [kind, node] = Object.entries(stmt)[0]!;
    const end = stmt_len === undefined ? bytes.length : stmt_location + stmt_len;
    const text = new TextDecoder().decode(bytes.subarray(stmt_location, end)).trim();
    return { kind, node, text: `${text};` };
  });
}

/** Says where a statement goes. */
export function placeOf({ kind, node }: Statement): Place {
  const isRoleComment = kind === "CommentStmt" && node.objtype === "OBJECT_ROLE";
  if (BEFORE.includes(kind) || isRoleComment) return "before";
  return AFTER.includes(kind) ? "after" : "difference";
}
