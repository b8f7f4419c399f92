import { uuidV5 } from "../../shared/flywheel/uuid.ts";
import { readCsv } from "./csv.ts";

const file = new URL("../../../shared/data/receipt.csv", import.meta.url);

// RFC 9562's namespace for names that are addresses.
const namespace = uuidV5("6ba7b811-9dad-11d1-80b4-00c04fd430c8", "receipt");

/** Whether the log is there; the project alone comes without it. */
export const hasReceiptLog = isFile();

/**
 * A real event log as publications: a municipality's receipt of permit applications, a user a case, in the order in which it happened.
 */
export async function receiptLog() {
  const records = readCsv(await Deno.readTextFile(file)).map((record) => ({
    user_id: uuidV5(namespace, record["case:concept:name"]!),
    event_type: `receipt.${snakeCase(record["concept:name"]!)}`,
    app_source: "receipt",
    timestamp: record["time:timestamp"]!.replace(" ", "T"),
    payload: {
      case: record["case:concept:name"]!,
      activity: record["concept:name"]!,
      resource: record["org:resource"]!,
      instance: record["concept:instance"]!,
    },
  }));
  return records.sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
}

function snakeCase(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "");
}

function isFile(): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
}
