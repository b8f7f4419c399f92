import type { Measure } from "./measure.ts";

/** The figures as a table for people. */
export function toTable(measures: readonly Measure[]): string {
  const rows = [
    ["measure", "value", "unit", "reach", "aim", ""],
    ...measures.map((measure) => [
      measure.name,
      round(measure.value),
      measure.unit,
      measure.reach === null ? "" : round(measure.reach),
      measure.aim === null ? "" : round(measure.aim),
      verdict(measure),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isNumber = [false, true, false, true, true, false];
  return rows
    .map((row) =>
      row.map((cell, column) =>
        isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
      ).join("  ").trimEnd()
    )
    .join("\n");
}

/** How a figure stands to its promise. */
export function verdict({ value, reach, aim, better }: Measure): string {
  const holds = (promise: number) => better === "higher" ? value >= promise : value <= promise;
  if (reach === null || aim === null) return "";
  return holds(aim) ? "aim" : holds(reach) ? "reached" : "missed";
}

/** Three digits that mean something, thousands apart. */
function round(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
