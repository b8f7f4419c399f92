import { chmodSync, closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";

export type Row = Record<string, SQLOutputValue>;
export type Parameters = Record<string, SQLInputValue>;

/** The server's SQLite file, with the few ways the stores use it. */
export interface Database {
  execute(sql: string): void;
  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, parameters?: Parameters): number;
  first(sql: string, parameters?: Parameters): Row | undefined;
  all(sql: string, parameters?: Parameters): Row[];
  /** Runs `work` in one transaction; nested calls join the outer one. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/**
 * Opens the file and holds it alone until `close`: two servers on one file would deliver twice.
 *
 * WAL with `synchronous = normal` keeps every commit when the process is killed; the newest may be
 * lost when the machine is.
 */
export function openDatabase(path: string): Database {
  keepPrivate(path);
  const database = new DatabaseSync(path);
  database.exec("pragma locking_mode = exclusive");
  database.exec("pragma journal_mode = wal");
  database.exec("pragma synchronous = normal");
  database.exec("pragma foreign_keys = on");

  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  function prepared(sql: string) {
    let statement = statements.get(sql);
    if (!statement) {
      statement = database.prepare(sql);
      // Reading an integer that no number holds would throw, and the rows beside it would be lost as well.
      statement.setReadBigInts(true);
      statements.set(sql, statement);
    }
    return statement;
  }

  let inTransaction = false;
  return {
    execute: (sql) => database.exec(sql),
    run: (sql, parameters = {}) => Number(prepared(sql).run(parameters).changes),
    first(sql, parameters = {}) {
      const row = prepared(sql).get(parameters);
      return row && withNumbers(row);
    },
    all: (sql, parameters = {}) => prepared(sql).all(parameters).map(withNumbers),
    transaction(work) {
      if (inTransaction) return work();
      database.exec("begin immediate");
      inTransaction = true;
      try {
        const result = work();
        database.exec("commit");
        return result;
      } catch (error) {
        // For some errors, as of a full disk, SQLite has done so.
        if (database.isTransaction) database.exec("rollback");
        throw error;
      } finally {
        inTransaction = false;
      }
    },
    close: () => database.close(),
  };
}

function withNumbers(row: Row): Row {
  for (const [column, value] of Object.entries(row)) {
    if (typeof value === "bigint") row[column] = Number(value);
  }
  return row;
}

/** Messages carry users' data: no other user of the machine may read the file, nor the log that takes its mode from it. */
function keepPrivate(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
  for (const file of [path, `${path}-wal`].filter((each) => existsSync(each))) {
    chmodSync(file, 0o600);
  }
}

/** A zod-friendly reading of a JSON column. */
export function json(value: unknown): unknown {
  return typeof value === "string" ? JSON.parse(value) : value;
}
